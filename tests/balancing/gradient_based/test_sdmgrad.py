"""SDMGrad: the inner problem is solved anew in every step, by the authors' descent or exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from polytask.balancing import MatrixStatistic, SDMGrad
from polytask.errors import ConfigError

NAMES = ("a", "b", "c")


def step(seed: int) -> MatrixStatistic:
    random = torch.Generator().manual_seed(seed)
    mean = torch.randn(3, 6, generator=random, dtype=torch.float64)
    matrices = [mean + 0.3 * torch.randn(3, 6, generator=random, dtype=torch.float64) for _ in range(3)]
    return MatrixStatistic(matrices[0], torch.ones(3, dtype=torch.float64), NAMES, seed, (matrices[1], matrices[2]))


def weights_of_another_library(steps: int) -> list[torch.Tensor]:
    weighting = pytest.importorskip("torchjd.aggregation", reason="the extra `torchjd` is not installed").SDMGradWeighting()
    return [weighting(step(seed).cross_gramian(0, 1)) for seed in range(steps)]


def test_weights_agree_with_another_library_step_by_step() -> None:
    """It keeps w from step to step, and starts its momentum anew, as the authors' code does."""
    ours = SDMGrad()
    for seed, other in enumerate(weights_of_another_library(5)):
        assert torch.allclose(ours.weigh(step(seed)).values / 3, other, atol=1e-7)


def test_nothing_but_the_weights_is_kept() -> None:
    balancer = SDMGrad()
    balancer.weigh(step(0))
    assert set(balancer.state_dict()) == {"shares"}


@pytest.mark.parametrize("seed", range(10))
def test_the_exact_solution_is_a_general_solver_s(seed: int) -> None:
    """On the same batch twice A is a Gramian, and the problem is the paper's."""
    random = torch.Generator().manual_seed(seed)
    J = torch.randn(3, 6, generator=random, dtype=torch.float64)
    seen = MatrixStatistic(J, torch.ones(3, dtype=torch.float64), NAMES)
    A = (J @ J.T).numpy()
    A = A / np.sqrt(A.diagonal()).mean() ** 2

    def objective(w: np.ndarray) -> float:
        return float(w @ A @ w / 2 + 0.3 * w @ A.mean(1))

    found = minimize(objective, np.full(3, 1 / 3), bounds=[(0, 1)] * 3, constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, tol=1e-14)
    w = (SDMGrad(solver="exact").weigh(seen).values.numpy() / 3 * 1.3) - 0.1
    assert objective(w) <= objective(found.x) + 1e-12
    assert w == pytest.approx(found.x, abs=1e-5)


def test_a_long_descent_with_small_steps_ends_at_the_exact_solution() -> None:
    random = torch.Generator().manual_seed(4)
    J = torch.randn(3, 6, generator=random, dtype=torch.float64)
    seen = MatrixStatistic(J, torch.ones(3, dtype=torch.float64), NAMES)
    slow = SDMGrad(steps=5000, lr=0.05).weigh(seen).values
    assert torch.allclose(slow, SDMGrad(solver="exact").weigh(seen).values, atol=1e-6)


def test_an_unknown_solver_is_one_line() -> None:
    with pytest.raises(ConfigError, match="sdmgrad, solver: unknown solver"):
        SDMGrad(solver="newton")
