"""Direction near a preferred one, with weights based on two independent batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.option_checks import check_below_one, check_non_negative, check_positive
from polytask.balancing.building_blocks.simplex_state import TaskShares
from polytask.balancing.needs import CrossGramian, Needs
from polytask.balancing.solvers import project_simplex
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


@final
class SDMGrad(Balancer):
    """Stochastic direction-oriented multi-objective gradient descent (Xiao, Ban & Ji, NeurIPS 2023, algorithm 1).

    With Jacobians J₁, J₂, J₃ of three independent batches, uniform weights w̃ = 1/T, and A = J₁ J₂ᵀ / s², repeat `steps` times

        v ← μ v + A w + λ A w̃,    w ← Π(w − η v)

    where Π is the projection onto the simplex. Then d = T J₃ᵀ (w + λ w̃) / (1 + λ): λ → ∞ gives the plain sum, λ = 0 the min-norm
    direction. s is the mean of √(J₁ J₂ᵀ)_tt (0 where negative), so that one η suits losses of any size. Heads get the plain gradient of
    their task on the third batch.

    Scale: the paper's weights sum to 1; they are multiplied by T. d is homogeneous in J. The weight of a task with a zero row
    depends on the descent of the others.

    Defaults: λ = 0.3, 20 steps, η = 5, μ = 0.5, as in the authors' code included in LibMTL; w starts uniform. w and v are kept
    from one training step to the next.

    Deviations: the authors add 1e-4 to √A_tt; here nothing is added.

    Fails: the descent does not run to convergence: w lags behind a problem that changes quickly.

    Args:
        lambda_: Strength λ of the pull towards the uniform weights, at least 0.
        steps: Number of descent steps per training step, at least 1.
        lr: Learning rate η of w, above 0.
        momentum: Momentum μ of the descent, in [0, 1).

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
            raise ConfigError("an integer of at least 1 is needed", where="sdmgrad, steps", found=steps)
        self.steps = steps
        self._shares = TaskShares()
        self._velocities: dict[str, float] = {}

    def needs(self) -> Needs:
        """Request J₁ J₂ᵀ."""
        return CrossGramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return T (w + λ w̃) / (1 + λ)."""
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
        """Return w and v of every task."""
        return {"shares": self._shares.state_dict(), "velocities": dict(self._velocities)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._shares.load_state_dict(state["shares"])
        self._velocities = dict(state["velocities"])


def _scaled(A: np.ndarray) -> np.ndarray:
    """Return A / s²; 0 if s is 0."""
    scale = float(np.sqrt(np.maximum(A.diagonal(), 0.0)).mean())
    return A / scale / scale if scale > 0.0 else np.zeros_like(A)
