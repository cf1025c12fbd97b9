"""The policies of convergence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.options.training_options import Policy
from polytask.training.loop.early_stopping import EarlyStopping

METRICS = st.lists(st.fixed_dictionaries({"a": st.floats(-1, 1), "b": st.floats(-1, 1)}), min_size=1, max_size=25)


def stops_at(policy: Policy, metrics: list[dict[str, float]], patience: int = 2, min_delta: float = 0.0) -> float:
    """After how many epochs it stops; infinity if it does not."""
    stopping = EarlyStopping(("a", "b"), policy, patience, min_delta)
    for epoch, values in enumerate(metrics, start=1):
        stopping.update(values)
        if stopping.converged:
            return epoch
    return float("inf")


A_STALLS = [{"a": 0.5, "b": 0.1 * epoch} for epoch in range(6)]


@pytest.mark.parametrize(("policy", "epoch"), [("first", 3), ("any", 3), ("all", float("inf")), ("mean", float("inf"))])
def test_the_first_task_stalls(policy: Policy, epoch: float) -> None:
    assert stops_at(policy, A_STALLS) == epoch


@pytest.mark.parametrize(("policy", "epoch"), [("first", float("inf")), ("any", 3), ("all", float("inf")), ("mean", float("inf"))])
def test_the_second_task_stalls(policy: Policy, epoch: float) -> None:
    assert stops_at(policy, [{"a": values["b"], "b": values["a"]} for values in A_STALLS]) == epoch


def test_a_mean_that_stalls_while_tasks_trade() -> None:
    trade = [{"a": 0.1 * epoch, "b": -0.1 * epoch} for epoch in range(6)]
    assert stops_at("mean", trade) == 3
    assert stops_at("all", trade) == float("inf")


@given(METRICS, st.integers(1, 4))
def test_any_is_never_later_than_first_and_all_never_earlier(metrics: list[dict[str, float]], patience: int) -> None:
    when = {policy: stops_at(policy, metrics, patience) for policy in ("first", "any", "all")}
    assert when["any"] <= when["first"] <= when["all"]


@given(METRICS)
def test_the_best_epoch_is_that_of_the_best_mean(metrics: list[dict[str, float]]) -> None:
    stopping = EarlyStopping(("a", "b"), "mean", None, 0.0)
    improved = [epoch for epoch, values in enumerate(metrics) if stopping.update(values)]
    means = [(values["a"] + values["b"]) / 2 for values in metrics]
    assert improved[-1] == means.index(max(means))
    assert not stopping.converged


def test_an_improvement_must_exceed_min_delta() -> None:
    creeping = [{"a": 0.01 * epoch, "b": 0.01 * epoch} for epoch in range(6)]
    assert stops_at("mean", creeping, min_delta=0.0) == float("inf")
    assert stops_at("mean", creeping, min_delta=0.1) == 3


def test_it_goes_on_from_its_state() -> None:
    whole, first = (EarlyStopping(("a", "b"), "mean", 2, 0.0) for _ in range(2))
    for values in A_STALLS[:3]:
        whole.update(values)
        first.update(values)
    second = EarlyStopping(("a", "b"), "mean", 2, 0.0)
    second.load_state_dict(first.state_dict())
    for values in A_STALLS[:1] * 3:
        assert whole.update(values) == second.update(values)
        assert whole.converged == second.converged


@given(METRICS, st.integers(1, 3))
def test_until_it_stops_every_policy_has_the_same_best_epoch(metrics: list[dict[str, float]], patience: int) -> None:
    policies: tuple[Policy, ...] = ("first", "any", "all", "mean")
    each = {policy: EarlyStopping(("a", "b"), policy, patience, 0.0) for policy in policies}
    for values in metrics:
        assert len({stopping.update(values) for stopping in each.values()}) == 1
        if each["any"].converged:
            assert each["any"].best_mean == each["mean"].best_mean
        if each["all"].converged:
            assert each["first"].converged
            assert each["any"].converged


@given(METRICS, st.integers(1, 4))
def test_more_patience_never_stops_earlier(metrics: list[dict[str, float]], patience: int) -> None:
    for policy in ("first", "any", "mean"):
        assert stops_at(policy, metrics, patience) <= stops_at(policy, metrics, patience + 1)
