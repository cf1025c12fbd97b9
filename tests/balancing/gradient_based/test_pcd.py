"""Priority-constrained descent: against a general solver and another implementation, and its special cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from polytask.balancing import PCD, MatrixStatistic
from polytask.balancing.solvers import constrained_projection


def rows(seed: int, tasks: int, size: int = 6) -> torch.Tensor:
    return torch.randn(tasks, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("tasks", [2, 3, 5])
@pytest.mark.parametrize("seed", range(12))
def test_the_projection_is_a_general_solver_s(seed: int, tasks: int) -> None:
    J = rows(seed, tasks).numpy()
    bounds = np.random.default_rng(seed).normal(size=tasks - 1)
    w = constrained_projection(J @ J.T, bounds)
    assert w is not None
    found = minimize(
        lambda d: 0.5 * np.square(d - J[0]).sum(),
        J[0],
        jac=lambda d: d - J[0],
        constraints={"type": "ineq", "fun": lambda d: J[1:] @ d - bounds, "jac": lambda d: J[1:]},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    assert w @ J == pytest.approx(found.x, abs=1e-6)
    assert w[0] == 1.0
    assert (w[1:] >= 0).all()
    room = J[1:] @ (w @ J) - bounds
    assert room.min() >= -1e-9
    assert abs(w[1:] * room).max() <= 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_directions_are_another_library_s(seed: int) -> None:
    aggregation = pytest.importorskip("torchjd.aggregation", reason="the extra `torchjd` is not installed")
    ours, theirs = PCD(main="0", tau=0.3), aggregation.PCD(tau=0.3, eps=0.0)
    for number in range(4):
        J = rows(10 * seed + number, 3)
        assert torch.allclose(ours.aggregate(J), theirs(J), rtol=1e-6, atol=1e-8)


def test_a_main_task_that_helps_all_is_followed_as_it_is() -> None:
    J = rows(0, 3).abs()
    assert torch.allclose(PCD(main="0", tau=0.0).aggregate(J), J[0], rtol=1e-12)


def test_every_helper_keeps_its_share() -> None:
    for seed in range(10):
        J = rows(seed, 3)
        units = J / J.norm(dim=1, keepdim=True)
        d = PCD(main="0", tau=0.2).aggregate(J)
        w = constrained_projection((units @ units.T).numpy(), np.full(2, 0.2))
        assert w is not None
        direction = torch.from_numpy(w) @ units
        assert bool((units[1:] @ direction >= 0.2 - 1e-9).all())
        assert torch.allclose(d, direction / direction.norm() * J[0].norm(), rtol=1e-9)


def test_helpers_that_exclude_each_other_leave_the_main_task() -> None:
    J = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, -2.0]], dtype=torch.float64)
    assert torch.allclose(PCD(main="0", tau=0.1).aggregate(J), J[0])
    assert constrained_projection((J @ J.T).numpy(), np.array([0.1, 0.2])) is None


def test_without_the_main_task_or_its_gradient() -> None:
    J = rows(3, 2)
    absent = MatrixStatistic(J, torch.ones(2, dtype=torch.float64), ("a", "b"))
    assert PCD(main="c").weigh(absent).values.tolist() == [1.0, 1.0]
    still = MatrixStatistic(J * torch.tensor([[0.0], [1.0]]), torch.ones(2, dtype=torch.float64), ("a", "b"))
    answer = PCD(main="a").weigh(still)
    assert not answer.solved
    assert not bool(answer.values.any())
