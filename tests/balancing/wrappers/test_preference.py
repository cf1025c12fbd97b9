"""Preferences: the balancer inside sees the losses times p, in every part of the statistic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from polytask.balancing import (
    FAMO,
    Answer,
    Balancer,
    Direction,
    Equal,
    GroupWeights,
    Jacobian,
    Needs,
    Representation,
    RepresentationGradients,
    ScaleInvariant,
    Statistic,
    Uncertainty,
    Weights,
)
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.balancing.wrappers import PerGroup, Preference
from polytask.errors import ConfigError

P = {"a": 0.5, "b": 3.0, "c": 2.0}
FACTORS = torch.tensor(list(P.values()), dtype=torch.float64)
Step = Callable[..., MatrixStatistic]


class Keeper(Balancer):
    """Keeps what it sees."""

    def __init__(self, tasks: tuple[str, ...] | None = None) -> None:
        self.tasks = tasks
        self.seen: Statistic | None = None
        self.learned: Tensor | None = None

    def needs(self) -> Needs:
        return Jacobian(self.tasks)

    def weigh(self, statistic: Statistic) -> Answer:
        self.seen = statistic
        return Weights(torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64), heads=True)

    def update_state(self, statistic: Statistic) -> None:
        self.learned = statistic.losses


class Elsewhere:
    """Knows one loss per batch and offset."""

    def losses(self, batch: int, offset: Tensor | None = None) -> Tensor:
        return torch.arange(1.0, 4.0, dtype=torch.float64) + batch + (0 if offset is None else offset.sum())

    def gradient(self, batch: int, weights: Tensor, offset: Tensor | None = None) -> Tensor:
        return weights @ self.jacobian(batch, offset)

    def jacobian(self, batch: int, offset: Tensor | None = None) -> Tensor:
        return torch.arange(6.0, dtype=torch.float64).reshape(3, 2) * (1 + batch) + (0 if offset is None else offset)


def seen_by(plain: MatrixStatistic, tasks: tuple[str, ...] | None = None) -> Statistic:
    keeper = Keeper(tasks)
    Preference(keeper, P).weigh(plain)
    assert keeper.seen is not None
    return keeper.seen


def times(plain: MatrixStatistic) -> MatrixStatistic:
    """The step of the losses p_t L_t."""
    others = tuple(FACTORS[:, None] * other for other in plain.others)
    return MatrixStatistic(FACTORS[:, None] * plain.matrix, FACTORS * plain.losses, plain.names, plain.step, others, plain.sizes)


def test_everything_that_is_seen_is_that_of_the_losses_times_p(step: Step) -> None:
    base = step(0)
    plain = MatrixStatistic(base.matrix, base.losses, base.names, 4, (step(1).matrix, step(2).matrix), base.sizes)
    seen, expected = seen_by(plain), times(plain)
    assert (seen.names, seen.step, seen.columns) == (plain.names, 4, plain.columns)
    for method in ("norms", "gramian", "gramians", "jacobian"):
        assert torch.allclose(getattr(seen, method)(), getattr(expected, method)(), rtol=1e-13), method
    assert torch.allclose(seen.losses, expected.losses)
    assert torch.allclose(seen.cross_gramian(1, 2), expected.cross_gramian(1, 2), rtol=1e-13)


def test_rows_of_some_tasks_have_their_own_preference(step: Step) -> None:
    base = step(0)
    some = MatrixStatistic(base.matrix[[0, 2]], base.losses, base.names)
    assert torch.equal(seen_by(some, ("c", "a", "not here")).jacobian(), FACTORS[[0, 2], None] * base.matrix[[0, 2]])


def test_representations_have_the_preferences_of_their_tasks(step: Step) -> None:
    values = torch.ones(4, 2)
    features = Representation(("c", "a"), values, torch.ones(2, 4, 2))
    base = step(0)
    (seen,) = seen_by(MatrixStatistic(base.matrix, base.losses, base.names, features=(features,))).representations()
    assert seen.names == ("c", "a")
    assert torch.equal(seen.values, values)
    assert torch.equal(seen.gradients, torch.tensor([2.0, 0.5])[:, None, None].expand(2, 4, 2))


def test_looks_elsewhere_are_at_the_losses_times_p(step: Step) -> None:
    base, ahead = step(0), Elsewhere()
    look = seen_by(MatrixStatistic(base.matrix, base.losses, base.names, oracle=ahead)).look
    offset, weights = torch.tensor([0.5, -1.0]), torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert torch.equal(look.losses(1, offset), FACTORS * ahead.losses(1, offset))
    assert torch.equal(look.jacobian(1, offset), FACTORS[:, None] * ahead.jacobian(1, offset))
    assert torch.allclose(look.gradient(1, weights, offset), weights @ look.jacobian(1, offset))


def test_weights_are_multiplied_back(step: Step) -> None:
    answer = Preference(Keeper(), P).weigh(step(0))
    assert isinstance(answer, Weights)
    assert answer.values.tolist() == [0.5, 30.0, 200.0]
    assert answer.heads


@pytest.mark.parametrize("kind", ["inverse", "unit"])
def test_the_direction_is_that_of_the_losses_times_p(kind: str, step: Step, request: pytest.FixtureRequest) -> None:
    make = request.getfixturevalue(kind)
    plain = step(3)
    expected = make().weigh(times(plain))
    answer = Preference(make(), P).weigh(plain)
    if isinstance(answer, Weights):
        assert torch.allclose(answer.values @ plain.matrix, expected.values @ times(plain).matrix, rtol=1e-12)
    else:
        assert isinstance(answer, Direction)
        assert torch.allclose(answer.values, expected.values, rtol=1e-12)


def test_weights_per_group_are_multiplied_back_in_every_group(inverse: Callable[[], Any], step: Step) -> None:
    answer, outside = Preference(PerGroup(inverse()), P).weigh(step(0)), PerGroup(Preference(inverse(), P)).weigh(step(0))
    assert isinstance(answer, GroupWeights)
    assert isinstance(outside, GroupWeights)
    assert torch.allclose(answer.values, outside.values, rtol=1e-13)


def test_what_was_answered_at_representations_stands(step: Step) -> None:
    class There(Keeper):
        def weigh(self, statistic: Statistic) -> Answer:
            return RepresentationGradients(tuple(seen.gradients.sum(0) for seen in statistic.representations()))

    answer = Preference(There(), P).weigh(step(0))
    assert isinstance(answer, RepresentationGradients)
    assert torch.allclose(answer.values[0].flatten(), (FACTORS[:, None] * step(0).matrix).sum(0))


def test_losses_are_learned_and_looked_at_again_times_p(step: Step) -> None:
    keeper = Keeper()
    Preference(keeper, P).update_state(step(0))
    assert keeper.learned is not None
    assert torch.equal(keeper.learned, FACTORS * step(0).losses)
    with_p, plain = Preference(FAMO(min_losses={"a": 0.1}), P), FAMO(min_losses={"a": 0.1})
    before, after = torch.tensor([3.0, 1.0, 1.0], dtype=torch.float64), torch.tensor([2.0, 0.5, 0.9], dtype=torch.float64)
    with_p.after_step(("a", "b", "c"), before, after)
    plain.after_step(("a", "b", "c"), before * FACTORS, after * FACTORS)
    assert with_p.balancer.state_dict() == plain.state_dict()
    assert with_p.uses_after_step


def test_a_method_without_units_does_not_feel_a_preference(step: Step) -> None:
    answer, plain = Preference(ScaleInvariant(), P).weigh(step(0)), ScaleInvariant().weigh(step(0))
    assert isinstance(answer, Weights)
    assert torch.allclose(answer.values, plain.values, rtol=1e-14)


def test_of_the_plain_sum_it_makes_the_preferences(step: Step) -> None:
    assert torch.allclose(Preference(Equal(), {"0": 2.0, "1": 5.0}).aggregate(torch.eye(2)), torch.tensor([2.0, 5.0]))


def test_by_name_it_takes_the_tasks_own_weights() -> None:
    assert Preference.defaults({"a": 2.0}) == {"preference": {"a": 2.0}}


def test_the_state_is_that_of_the_balancer_inside(step: Step) -> None:
    first, second = Preference(Uncertainty(), P), Preference(Uncertainty(), P)
    first.update_state(step(0))
    second.load_state_dict(first.state_dict())
    assert second.state_dict() == first.state_dict() != Preference(Uncertainty(), P).state_dict()


def test_a_task_without_preference_is_named(step: Step) -> None:
    with pytest.raises(ConfigError, match=r"task 'b'.*preferences for a, c"):
        Preference(Equal(), {"a": 1.0, "c": 1.0}).weigh(step(0))


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_preference_that_cannot_be(value: float) -> None:
    with pytest.raises(ConfigError, match="preference, task 'a'"):
        Preference(Equal(), {"a": value})
