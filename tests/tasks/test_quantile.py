"""Quantiles that never cross, and the loss that they minimize."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.tasks import Quantile, Regression

TASK = Quantile(name="price", levels=(0.1, 0.5, 0.9), mean=1e3, deviation=7.0)
OUTPUTS = st.lists(st.tuples(*[st.floats(-1e4, 1e4, width=32)] * 3), min_size=1, max_size=5)


@given(OUTPUTS)
def test_quantiles_never_cross_even_when_read_back(rows: list[tuple[float, ...]]) -> None:
    z = torch.tensor(rows)
    quantiles = TASK.quantiles(TASK.predict(z).values)
    assert quantiles.shape == (len(rows), 3)
    assert quantiles.dtype == np.float64
    assert (np.diff(quantiles, axis=1) >= 0).all()
    expected = z.double().numpy().copy()
    expected[:, 1:] = np.logaddexp(0, expected[:, 1:])
    assert quantiles == pytest.approx(expected.cumsum(axis=1) * 7 + 1e3, rel=1e-9)


def test_no_prediction_at_all_has_no_rows() -> None:
    assert TASK.quantiles(np.array([], dtype=object)).shape == (0, 3)


@given(z=st.floats(-100, 100), y=st.floats(-100, 100))
def test_the_median_alone_has_half_the_absolute_error(z: float, y: float) -> None:
    task = Quantile(name="price", levels=(0.5,))
    found = task.loss_per_unit(torch.tensor([[z]], dtype=torch.float64), torch.tensor([y], dtype=torch.float64))
    assert found.item() == pytest.approx(abs(z - y) / 2, rel=1e-12, abs=1e-12)


def test_the_loss_is_that_of_scikit_learn_in_units_of_the_deviation() -> None:
    from sklearn.metrics import mean_pinball_loss

    generator = np.random.default_rng(0)
    labels, z = generator.normal(1e3, 7, size=30), torch.from_numpy(generator.normal(size=(30, 3)))
    quantiles = TASK.quantiles(TASK.predict(z).values)
    expected = np.mean([mean_pinball_loss(labels, quantiles[:, k], alpha=level) for k, level in enumerate(TASK.levels)]) / 7
    targets = torch.from_numpy(TASK.encode(labels).values)
    assert TASK.loss_per_unit(z, targets).mean().item() == pytest.approx(expected, rel=1e-5)


def test_what_minimizes_the_loss_are_the_quantiles() -> None:
    numbers = np.random.default_rng(1).normal(size=2_000)
    task = Quantile(name="price", levels=(0.2, 0.8)).fitted(numbers)
    targets = torch.from_numpy(task.encode(numbers).values).double()
    z = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([z], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = task.loss_per_unit(z.expand(len(targets), 2), targets).mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[arg-type]
    assert task.quantiles(task.predict(z.detach()).values)[0] == pytest.approx(np.quantile(numbers, [0.2, 0.8]), abs=0.02)


def test_units_are_those_of_regression() -> None:
    labels = np.array([1.0, np.nan, 5.0, 12.0])
    own, other = Quantile(name="price").fitted(labels), Regression(name="price").fitted(labels)
    assert (own.mean, own.deviation) == (other.mean, other.deviation)
    assert own.encode(labels).values.tolist() == other.encode(labels).values.tolist()


def test_levels_of_every_type_of_number_are_plain() -> None:
    levels = (np.float64(0.25), np.float32(0.5))
    assert Quantile(name="price", levels=levels).predict(torch.zeros(1, 2)).values[0].split(":")[0] == "0.25"
