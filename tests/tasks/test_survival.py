"""Times until an event: what each label says about the hazards, and what the hazards say about time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import ConfigError, DataError
from polytask.tasks import Binary, Survival

TASK = Survival(name="stay", intervals=3, edges=(1.0, 2.0, 4.0))


@pytest.mark.parametrize(
    ("label", "survived", "happens"),
    [
        (0.1, [], 0),
        (1.0, [], 0),
        (1.1, [0], 1),
        (4.0, [0, 1], 2),
        (4.1, [0, 1, 2], None),
        (-0.4, [], None),
        (-0.5, [0], None),
        (-1.4, [0], None),
        (-1.5, [0, 1], None),
        (-2.9, [0, 1], None),
        (-3.0, [0, 1, 2], None),
        (-9.0, [0, 1, 2], None),
    ],
)
def test_what_a_label_says_about_the_hazards(label: float, survived: list[int], happens: int | None) -> None:
    z = torch.tensor([[0.3, -1.2, 0.8]], dtype=torch.float64)
    h = torch.sigmoid(z[0])
    expected = -torch.log(1 - h[survived]).sum() - (torch.log(h[happens]) if happens is not None else 0)
    found = TASK.loss_per_unit(z, torch.from_numpy(TASK.encode(np.array([label])).values))
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)


def test_without_gaps_it_is_the_likelihood_of_categories() -> None:
    """Hazards give every interval, and what lies beyond the last, a probability; together they are 1."""
    z = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    times = np.array([0.5, 1.5, 3.0, 9.0])
    codes = torch.from_numpy(TASK.encode(times).values)
    chances = torch.stack([torch.exp(-TASK.loss_per_unit(z, code.expand(50))) for code in codes], dim=1)
    assert chances.sum(dim=1).numpy() == pytest.approx(1, abs=1e-12)


def test_one_interval_is_a_binary_task() -> None:
    task, binary = Survival(name="stay", intervals=1, edges=(5.0,)), Binary(name="stay")
    z = torch.linspace(-30, 30, 6, dtype=torch.float64).unsqueeze(1)
    codes = torch.from_numpy(task.encode(np.array([3.0, -7.0, 5.0, 6.0, -2.5, 1.0])).values)
    assert torch.allclose(task.loss_per_unit(z, codes), binary.loss_per_unit(z, torch.tensor([1, 0, 1, 0, 0, 1])), rtol=1e-12)


def test_who_left_before_the_middle_of_the_first_interval_says_nothing() -> None:
    assert TASK.loss_per_unit(torch.tensor([[9.0, 9.0, 9.0]]), torch.from_numpy(TASK.encode(np.array([-0.4])).values)).item() == 0.0


@given(st.lists(st.floats(-20, 20), min_size=3, max_size=3))
def test_the_prediction_is_the_area_under_the_curve_of_those_left(outputs: list[float]) -> None:
    hazards = 1 / (1 + np.exp(-np.array(outputs)))
    left = np.concatenate([[1.0], np.cumprod(1 - hazards)])
    expected = np.trapezoid(left, [0.0, 1.0, 2.0, 4.0])
    assert TASK.predict(torch.tensor([outputs], dtype=torch.float64)).values[0] == pytest.approx(expected, rel=1e-9)


def test_predictions_lie_between_nothing_and_the_last_edge() -> None:
    found = TASK.predict(torch.tensor([[-1e4] * 3, [1e4] * 3])).values
    assert found.tolist() == [4.0, 0.5]


def test_maximum_likelihood_is_the_life_table() -> None:
    """The best hazards of all units together are events / those at risk, interval by interval."""
    labels = np.array([0.5, 0.7, 1.5, 1.2, 3.0, -1.6, -3.5, 2.5, 8.0])
    z = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    codes = torch.from_numpy(TASK.encode(labels).values)
    at_risk, events = np.array([9, 7, 4]), np.array([2, 2, 2])
    with torch.no_grad():
        z += torch.logit(torch.from_numpy(events / at_risk))
    TASK.loss_per_unit(z.expand(9, 3), codes).sum().backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    assert z.grad.numpy() == pytest.approx(0, abs=1e-12)


@given(st.lists(st.floats(0.01, 1e6), min_size=4, max_size=40, unique=True))
def test_edges_cut_the_events_into_equal_parts(times: list[float]) -> None:
    labels = np.array([*times, -5.0, np.nan])
    task = Survival(name="stay", intervals=4).fitted(labels)
    assert list(task.edges) == sorted(set(task.edges))
    assert task.edges[-1] == max(times)
    parts = np.histogram(times, bins=[0.0, *np.nextafter(task.edges, np.inf)])[0]
    assert parts.max() - parts.min() <= 1


def test_edges_of_times_that_are_often_the_same_still_rise() -> None:
    task = Survival(name="stay", intervals=3).fitted(np.array([1.0] * 50 + [2.0, 3.0, 4.0]))
    assert task.edges == (2.0, 3.0, 4.0)


def test_edges_that_are_given_stay() -> None:
    assert TASK.fitted(np.array([7.0, 8.0, 9.0])) is TASK


def test_labels_from_times_and_events() -> None:
    labels = Survival.labels([1.0, 2.0, np.nan, 4.0], [True, False, True, True])
    assert labels.tolist()[:2] == [1.0, -2.0]
    assert np.isnan(labels[2])
    assert TASK.encode(labels).labeled.tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("time", "event"), [([0.0], [True]), ([-1.0], [True]), ([float("inf")], [True]), (["soon"], [True]), ([1.0], [True, False])]
)
def test_times_and_events_that_cannot_be(time: Any, event: Any) -> None:
    with pytest.raises(DataError) as caught:
        Survival.labels(time, event)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("label", [0, 0.0, "soon", float("inf")])
def test_what_is_no_time_is_named_with_its_row(label: Any) -> None:
    for use in (TASK.encode, TASK.metric_targets, Survival(name="stay", intervals=1).fitted):
        with pytest.raises(DataError, match="task 'stay', row 3"):
            use(np.array([1.0, None, label], dtype=object))


def test_too_few_different_events_for_the_intervals() -> None:
    with pytest.raises(DataError, match=r"too few distinct event times \(found 2 for 3 intervals\)\. Take fewer intervals"):
        Survival(name="stay", intervals=3).fitted(np.array([1.0, 2.0, 2.0, -3.0, -4.0]))


def test_without_edges_nothing_can_be_said() -> None:
    task = Survival(name="stay", intervals=2)
    for use in (lambda: task.encode(np.array([1.0])), lambda: task.predict(torch.zeros(1, 2))):
        with pytest.raises(ConfigError, match="must first be computed from training labels"):
            use()
