"""A direction near a preferred one, with weights from two independent batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.option_checks import check_below_one, check_non_negative, check_positive
from polytask.balancing.building_blocks.task_shares import TaskShares
from polytask.balancing.needs import CrossGramian, Needs
from polytask.balancing.solvers import project_simplex
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


@final
class SDMGrad(Balancer):
    """Stochastic direction-oriented multi-objective gradient descent (Xiao, Ban & Ji, NeurIPS 2023, algorithm 1).

    Of three independent batches, with Jacobians J₁, J₂, J₃ and uniform w̃ = 1/T, A = J₁ J₂ᵀ / s², `steps` times

        v ← μ v + A w + λ A w̃,    w ← Π(w − η v)

    and d = T J₃ᵀ (w + λ w̃) / (1 + λ): λ → ∞ is the plain sum, λ = 0 the min-norm direction. s is the mean of √A_tt (of J₁ J₂ᵀ, 0
    where that is negative), so that one η serves losses of all sizes. Heads get the plain gradient of their own task on the third batch.

    Scale: the paper's weights sum to 1; they are multiplied by T. d is homogeneous in J. A zero row leaves its task's weight to
    the others' descent.

    Defaults: λ = 0.3, 20 steps, η = 5, μ = 0.5, those of the authors' code as LibMTL carries it; w starts uniform, and goes on
    from step to step, as does v.

    Deviations: the authors add 1e-4 to √A_tt; here nothing is added.

    Fails: the descent is not run to its end: w lags behind a problem that changes fast.

    Args:
        lambda_: λ, from 0 up.
        steps: Of the descent, from 1 up.
        lr: η, above 0.
        momentum: μ, from 0 up and below 1.

    Raises:
        ConfigError: A number is outside its range.

    Example:
        >>> SDMGrad().aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    batches = 3

    def __init__(self, lambda_: float = 0.3, steps: int = 20, lr: float = 5.0, momentum: float = 0.5) -> None:
        self.lambda_, self.lr = check_non_negative(lambda_, "sdmgrad, lambda_"), check_positive(lr, "sdmgrad, lr")
        self.momentum = check_below_one(momentum, "sdmgrad, momentum")
        if steps < 1:
            raise ConfigError("at least one step is needed", where="sdmgrad, steps", found=steps)
        self.steps = steps
        self._shares = TaskShares()
        self._velocities: dict[str, float] = {}

    def needs(self) -> Needs:
        """J₁ J₂ᵀ."""
        return CrossGramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """T (w + λ w̃) / (1 + λ)."""
        names = statistic.names
        A = _scaled(statistic.cross_gramian(0, 1).numpy())
        preferred = np.full(len(names), 1.0 / len(names))
        w, velocity = self._shares.of(names), np.array([self._velocities.get(name, 0.0) for name in names])
        for _ in range(self.steps):
            velocity = self.momentum * velocity + A @ (w + self.lambda_ * preferred)
            w = project_simplex(w - self.lr * velocity)
        self._shares.put(names, w)
        self._velocities |= dict(zip(names, velocity.tolist(), strict=True))
        return Weights(torch.from_numpy((w + self.lambda_ * preferred) * (len(names) / (1.0 + self.lambda_))), heads=False)

    def state_dict(self) -> dict[str, Any]:
        """w and v per task."""
        return {"shares": self._shares.state_dict(), "velocities": dict(self._velocities)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._shares.load_state_dict(state["shares"])
        self._velocities = dict(state["velocities"])


def _scaled(A: np.ndarray) -> np.ndarray:
    """A / s²."""
    scale = float(np.sqrt(np.maximum(A.diagonal(), 0.0)).mean())
    return A / scale / scale if scale > 0.0 else np.zeros_like(A)
