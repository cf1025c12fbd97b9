"""Direction near a preferred one, with weights based on two independent batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final, get_args

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.option_checks import check_below_one, check_count, check_non_negative, check_positive
from polytask.balancing.building_blocks.simplex_state import TaskShares
from polytask.balancing.needs import CrossGramian, Needs
from polytask.balancing.solvers import project_simplex, simplex_quadratic
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError

InnerSolver = Literal["descent", "exact"]


@final
class SDMGrad(Balancer):
    """Stochastic direction-oriented multi-objective gradient descent (Xiao, Ban & Ji, NeurIPS 2023, algorithm 1).

    With Jacobians J₁, J₂, J₃ of three independent batches, uniform weights w̃ = 1/T, and A = J₁ J₂ᵀ / s², repeat `steps` times, from v = 0

        v ← μ v + A w + λ A w̃,    w ← Π(w − η v)

    where Π is the projection onto the simplex. Then d = T J₃ᵀ (w + λ w̃) / (1 + λ): λ → ∞ gives the plain sum, λ = 0 the min-norm
    direction. With `solver="exact"`, w is the minimum that the descent aims at, min ½ wᵀ S w + λ wᵀ A w̃ over the simplex, where S is the
    symmetric part of A without its negative eigenvalues, which only the difference between the batches causes. s is the mean of
    √(J₁ J₂ᵀ)_tt (0 where negative), so that one η suits losses of any size. Heads get the plain gradient of their task on the third batch.

    Scale: the paper's weights sum to 1; they are multiplied by T. d is homogeneous in J. The weight of a task with a zero row
    depends on the descent of the others.

    Defaults: λ = 0.3, 20 steps, η = 10, μ = 0.5, as in the authors' code; w starts uniform, and is kept from one training step to the
    next, while v starts at 0 in every one.

    Deviations: nothing is added to s before dividing by it. The exact solution is ours.

    Fails: with A of about unit size, steps of η = 10 overshoot, so that w jumps between corners of the simplex instead of converging. The
    exact solution does not.

    Args:
        lambda_: Strength λ of the pull towards the uniform weights, at least 0.
        steps: Number of descent steps per training step, at least 1.
        lr: Learning rate η of w, above 0.
        momentum: Momentum μ of the descent, in [0, 1).
        solver: `descent`, or `exact`, which ignores `steps`, `lr` and `momentum`.

    Raises:
        ConfigError: A number is outside its range, or the solver is unknown.

    Example:
        >>> SDMGrad().aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    batches = 3

    reads_once = True

    def __init__(
        self, lambda_: float = 0.3, steps: int = 20, lr: float = 10.0, momentum: float = 0.5, solver: InnerSolver = "descent"
    ) -> None:
        self.lambda_, self.lr = check_non_negative(lambda_, "sdmgrad, lambda_"), check_positive(lr, "sdmgrad, lr")
        self.momentum = check_below_one(momentum, "sdmgrad, momentum")
        check_count(steps, "sdmgrad, steps")
        if solver not in get_args(InnerSolver):
            raise ConfigError("unknown solver", where="sdmgrad, solver", found=repr(solver), remedy="Choose descent or exact")
        self.steps, self.solver = steps, solver
        self._shares = TaskShares()

    def needs(self) -> Needs:
        """Request J₁ J₂ᵀ."""
        return CrossGramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return T (w + λ w̃) / (1 + λ)."""
        names = statistic.names
        A = _scaled(statistic.cross_gramian(0, 1).numpy())
        preferred = np.full(len(names), 1.0 / len(names))
        pull = self.lambda_ * (A @ preferred)
        w = self._descended(A, pull, self._shares.of(names)) if self.solver == "descent" else simplex_quadratic(_convex(A), pull)
        self._shares.put(names, w)
        return Weights(torch.from_numpy((w + self.lambda_ * preferred) * (len(names) / (1.0 + self.lambda_))), heads=False)

    def state_dict(self) -> dict[str, Any]:
        """Return w of every task."""
        return {"shares": self._shares.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._shares.load_state_dict(state["shares"])

    def _descended(self, A: np.ndarray, pull: np.ndarray, w: np.ndarray) -> np.ndarray:
        velocity = np.zeros(len(w))
        for _ in range(self.steps):
            velocity = self.momentum * velocity + A @ w + pull
            w = project_simplex(w - self.lr * velocity)
        return w


def _scaled(A: np.ndarray) -> np.ndarray:
    """Return A / s²; 0 if s is 0."""
    scale = float(np.sqrt(np.maximum(A.diagonal(), 0.0)).mean())
    return A / scale / scale if scale > 0.0 else np.zeros_like(A)


def _convex(A: np.ndarray) -> np.ndarray:
    """Return the nearest positive semi-definite matrix to A."""
    values, vectors = np.linalg.eigh((A + A.T) / 2)
    nearest: np.ndarray = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return nearest
