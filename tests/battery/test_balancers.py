"""What every balancer must do: one row here buys it all of this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from polytask.balancing import Balancer, Equal, Fixed, Nothing, Uncertainty, Weights, matrix_statistic
from polytask.balancing.matrix import MatrixStatistic
from polytask.registry import find, names
from polytask.storage import load_state, save_state

NAMES = ("0", "1", "2")


@dataclass(frozen=True)
class Row:
    """One balancer.

    Attributes:
        name: In the registry.
        make: A fresh one, for tasks called "0", "1" and "2".
        symmetric: Whether it treats tasks alike.
        alone: What a single task's gradient is multiplied with at the start.
        linear: Whether A(J + K) = A(J) + A(K).
    """

    name: str
    make: Callable[[], Balancer]
    symmetric: bool
    alone: float
    linear: bool


ROWS = (
    Row("equal", Equal, symmetric=True, alone=1.0, linear=True),
    Row("fixed", lambda: Fixed({"0": 0.5, "1": 2.0, "2": 0.0}), symmetric=False, alone=0.5, linear=True),
    Row("uncertainty", Uncertainty, symmetric=True, alone=0.5, linear=True),
)
every = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def statistic(seed: int, tasks: tuple[str, ...] = NAMES, scale: float = 1.0) -> MatrixStatistic:
    """A random step with these tasks present."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(len(tasks), 5, generator=generator, dtype=torch.float64)
    losses = torch.rand(len(tasks), generator=generator, dtype=torch.float64) * scale
    return MatrixStatistic(matrix, losses, tasks, step=seed)


def taught(balancer: Balancer, steps: int, tasks: tuple[str, ...] = NAMES) -> Balancer:
    """The balancer after some steps."""
    for step in range(steps):
        balancer.weigh(statistic(step, tasks))
        balancer.learn(statistic(step, tasks))
    return balancer


def weights(balancer: Balancer, tasks: tuple[str, ...] = NAMES) -> Mapping[str, float]:
    """What each task gets."""
    answer = balancer.weigh(statistic(99, tasks))
    assert isinstance(answer, Weights)
    return dict(zip(tasks, answer.values.tolist(), strict=True))


def test_every_balancer_has_a_row() -> None:
    assert sorted(row.name for row in ROWS) == sorted(names("balancer"))


@every
def test_one_task_alone_keeps_its_direction(row: Row) -> None:
    matrix = torch.tensor([[3.0, -4.0]], dtype=torch.float64)
    assert torch.equal(row.make().aggregate(matrix), row.alone * matrix[0])


@every
def test_it_is_what_its_weights_make_of_the_jacobian(row: Row) -> None:
    balancer, step = taught(row.make(), 3), statistic(7)
    answer = balancer.weigh(step)
    assert isinstance(answer, Weights)
    assert torch.allclose(balancer.aggregate(step.matrix, step.losses), step.matrix.T @ answer.values, rtol=1e-14)


@every
def test_the_order_of_tasks_changes_nothing(row: Row) -> None:
    forth, back = taught(row.make(), 4), taught(row.make(), 0)
    for step in range(4):
        seen = statistic(step)
        mirrored = MatrixStatistic(seen.matrix.flip(0), seen.losses.flip(0), seen.names[::-1], step)
        back.weigh(mirrored)
        back.learn(mirrored)
    assert weights(forth) == weights(back, NAMES[::-1])


@every
def test_tasks_of_the_same_losses_get_the_same(row: Row) -> None:
    if row.symmetric:
        assert len(set(weights(row.make()).values())) == 1


@every
def test_absent_tasks_are_left_as_they_were(row: Row) -> None:
    balancer = taught(row.make(), 3)
    before = deepcopy(balancer.state_dict())
    taught(balancer, 5, tasks=("0", "2"))
    assert before.get("1") == balancer.state_dict().get("1")


@every
def test_present_tasks_do_not_feel_absent_ones(row: Row) -> None:
    apart = row.make()
    for step in range(4):
        seen = statistic(step)
        rows = [0, 2]
        part = MatrixStatistic(seen.matrix[rows], seen.losses[rows], ("0", "2"), step)
        apart.learn(part)
    together = taught(row.make(), 4)
    assert weights(apart, ("0", "2")) == {task: weights(together)[task] for task in ("0", "2")}


@every
def test_weighing_teaches_nothing_when_nothing_is_needed(row: Row) -> None:
    balancer = taught(row.make(), 2)
    if isinstance(balancer.needs(), Nothing):
        before = deepcopy(balancer.state_dict())
        balancer.weigh(statistic(5))
        assert before == balancer.state_dict()


@every
def test_what_it_remembers_survives_the_disk(row: Row, tmp_path: Path) -> None:
    whole = taught(row.make(), 6)
    first = taught(row.make(), 3)
    save_state(tmp_path / "state", {"balancer": first.state_dict()})
    second = row.make()
    second.load_state_dict(load_state(tmp_path / "state")["balancer"])
    for step in range(3, 6):
        second.weigh(statistic(step))
        second.learn(statistic(step))
    assert weights(second) == weights(whole)


@every
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_it_stays_finite_at_every_scale(row: Row, scale: float) -> None:
    balancer = row.make()
    for step in range(50):
        balancer.learn(statistic(step, scale=scale))
    direction = balancer.aggregate(statistic(1).matrix * scale)
    assert bool(torch.isfinite(direction).all())


@every
def test_no_graph_is_built(row: Row) -> None:
    matrix = torch.randn(3, 4, requires_grad=True)
    answer = row.make().weigh(matrix_statistic(matrix.detach(), torch.rand(3)))
    assert isinstance(answer, Weights)
    assert not answer.values.requires_grad


@every
def test_a_duplicated_jacobian_is_a_doubled_direction(row: Row) -> None:
    step = statistic(3)
    once, twice = row.make().aggregate(step.matrix, step.losses), row.make().aggregate(2 * step.matrix, step.losses)
    assert torch.allclose(2 * once, twice, rtol=1e-14)


@every
def test_it_is_linear_in_the_jacobian_where_it_says_so(row: Row) -> None:
    if row.linear:
        balancer = taught(row.make(), 3)
        losses, first, second = statistic(3).losses, statistic(3).matrix, statistic(4).matrix
        apart = balancer.aggregate(first, losses) - 3 * balancer.aggregate(second, losses)
        assert torch.allclose(balancer.aggregate(first - 3 * second, losses), apart, rtol=1e-12, atol=1e-14)


@every
def test_it_goes_on_from_the_disk_bit_for_bit_at_every_step(row: Row, tmp_path: Path) -> None:
    """Three further steps, with a task that is absent in one of them; the state is written again after each."""
    whole, other = taught(row.make(), 4), taught(row.make(), 4)
    for step, tasks in ((4, NAMES), (5, ("0", "2")), (6, NAMES)):
        save_state(tmp_path / str(step), {"balancer": other.state_dict()})
        other = row.make()
        other.load_state_dict(load_state(tmp_path / str(step))["balancer"])
        seen = statistic(step, tasks)
        first, second = whole.weigh(seen), other.weigh(seen)
        assert torch.equal(first.values, second.values)
        whole.learn(seen)
        other.learn(seen)
        assert whole.state_dict() == other.state_dict()


@every
def test_what_it_learns_keeps_no_graph(row: Row) -> None:
    balancer = row.make()
    losses = torch.rand(3, dtype=torch.float64, requires_grad=True) * 2
    matrix = torch.randn(3, 4, dtype=torch.float64)
    balancer.learn(matrix_statistic(matrix, losses.detach()))
    direction = balancer.aggregate(matrix, losses.detach())
    assert not direction.requires_grad
    assert direction.grad_fn is None


@every
@pytest.mark.parametrize("scales", [(1e-12, 1e12), (1e12, 1e-12)])
def test_losses_that_leap_over_24_orders_of_magnitude_leave_it_finite(row: Row, scales: tuple[float, float]) -> None:
    balancer = row.make()
    for step in range(100):
        balancer.learn(statistic(step, scale=scales[step % 2]))
    assert all(0 <= weight < float("inf") for weight in weights(balancer).values())


@every
def test_by_name_with_its_defaults_it_knows_every_task(row: Row) -> None:
    """The options of a balancer that was asked for by name alone are enough for it."""
    kind = find("balancer", row.name).resolve()
    balancer = kind(**kind.defaults(dict.fromkeys(NAMES, 1.5)))
    assert type(balancer) is type(row.make())
    assert set(weights(balancer)) == set(NAMES)
