"""Weights for which training lowers the tasks' losses on other batches, with priority for the training itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, BatchWeights
from polytask.balancing.building_blocks.adam_scalar import AdamScalar
from polytask.balancing.building_blocks.loss_checks import inverses
from polytask.balancing.building_blocks.option_checks import check_count, check_non_negative, check_positive
from polytask.balancing.building_blocks.scalar_softmax import softmax
from polytask.balancing.building_blocks.simplex_state import TaskShares
from polytask.balancing.needs import Lookahead, Needs
from polytask.balancing.solvers import solve_priority
from polytask.balancing.statistic import LookaheadOracle, Statistic


@final
class FORUM(Balancer):
    """First-order multi-gradient method for multi-objective bi-level optimization (Ye et al., ECAI 2024).

    With z = softmax(α) and f(α, θ) = Σ z_t L_t(A; θ) on batch A, the parameters θ should be a minimum of f, and of all that are, those
    (α, θ) are sought that no other improves for all tasks on batch B. K steps θ_k = θ_{k−1} − η ∇f estimate how far θ is from a minimum,
    and the slope of this distance along (α, θ) is

        q = ((diag z − z zᵀ) (L(A; θ) − L(A; θ_K)), ∇_θ f(α, θ))

    With ĝ_t = (0, ∇L_t(B) / ‖∇L_t(B)‖), the direction d = Σ λ_t ĝ_t + ν q is the shortest with d · q ≥ φ ‖q‖², so that the distance
    shrinks:

        min ‖Σ λ_t ĝ_t + ν q‖² − φ ν ‖q‖²    over λ in the simplex, ν ≥ max(0, λ · π),    π_t = φ − ĝ_t · q / ‖q‖²

    whose λ is averaged, λ̃ ← λ̃ + (λ − λ̃) / (e + 1)^¾ in epoch e, and d = Σ λ̃_t ĝ_t + max(λ̃ · π, 0) q. Its first part is the gradient of
    Adam for α, its second that of all parameters, heads included: the gradient of Σ (λ̃_t / ‖∇L_t(B)‖) L_t(B) + ν Σ z_t L_t(A). Cost: K
    forward and backward passes on batch A, and one backward pass per task on batch B.

    Scale: as in the paper. The part of batch B has a length of at most 1, whatever the size of the losses; a task with a zero gradient
    has no part in it.

    Defaults: φ = 0.1, η = 0.1, K = 5, learning rate 1e-3 of α (paper and the authors' code); α starts at 0.

    Deviations: the program of T + 1 variables is solved exactly, by reduction to the simplex. An epoch is a window of 100 steps (ours).
    λ̃ of absent tasks is left as it is. If L(A; θ_K) is not finite, α does not move in this step.

    Fails: η does not follow the network's optimizer, so that K steps of plain descent with a large η may raise f; the distance is then
    meaningless. Large networks need much memory, for the gradient of every task over all parameters.

    Args:
        phi: Share φ of the steepest descent of the distance that d must keep, at least 0.
        lr: Learning rate of α, above 0.
        inner_lr: Learning rate η of the inner steps, above 0.
        inner_steps: Number K of inner steps, at least 1.
        window: Number of steps that count as an epoch, at least 1.

    Raises:
        ConfigError: A number is outside its range.

    Example:
        >>> FORUM().needs()
        Lookahead()
    """

    batches = 2
    step_batches: Literal["last", "all"] = "all"

    reads_once = True

    def __init__(self, phi: float = 0.1, lr: float = 1e-3, inner_lr: float = 0.1, inner_steps: int = 5, window: int = 100) -> None:
        self.phi, self.lr = check_non_negative(phi, "forum, phi"), check_positive(lr, "forum, lr")
        self.inner_lr = check_positive(inner_lr, "forum, inner_lr")
        for name, value in (("inner_steps", inner_steps), ("window", window)):
            check_count(value, f"forum, {name}")
        self.inner_steps, self.window = inner_steps, window
        self._steps = 0
        self._logits: dict[str, AdamScalar] = {}
        self._shares = TaskShares()

    def needs(self) -> Needs:
        """Request a lookahead."""
        return Lookahead()

    def weigh(self, statistic: Statistic) -> BatchWeights:
        """Update α and λ̃, and return the weights of both batches."""
        names, look = statistic.names, statistic.look
        known = [self._logits.get(name, AdamScalar(0.0)) for name in names]
        z = np.array(softmax([logit.value for logit in known]))
        slope, q_alpha = self._distance_slope(look, z)
        rows = look.jacobian(1).double()
        lengths, square = statistic.read(torch.linalg.vector_norm(rows, dim=1), slope @ slope)
        inverse = np.array(inverses(lengths.tolist()))
        units = rows * torch.from_numpy(inverse).to(rows, non_blocking=True)[:, None]
        along, C = (numbers.numpy() for numbers in statistic.read(units @ slope, units @ units.T))
        size = float(square) + float(q_alpha @ q_alpha)
        shares = self._averaged(names, C, along, size, inverse > 0.0)
        nu = max(float(shares @ (self.phi - along / size)), 0.0) if size > 0.0 else 0.0
        moved = [logit.stepped(float(nu * part), self.lr) for logit, part in zip(known, q_alpha, strict=True)]
        self._logits |= dict(zip(names, moved, strict=True))
        self._steps += 1
        return BatchWeights(torch.from_numpy(np.stack([nu * z, shares * inverse])))

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps, α with its moments, and λ̃ of every task."""
        logits = {task: logit.to_dict() for task, logit in self._logits.items()}
        return {"steps": self._steps, "logits": logits, "shares": self._shares.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._steps = int(state["steps"])
        self._logits = {task: AdamScalar(**values) for task, values in state["logits"].items()}
        self._shares.load_state_dict(state["shares"])

    def _distance_slope(self, look: LookaheadOracle, z: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Return the parts of q along θ (Q,) and along α (T,)."""
        weights = torch.from_numpy(z)
        slope = look.gradient(0, weights)
        offset = slope * -self.inner_lr
        for _ in range(self.inner_steps - 1):
            offset = offset - look.gradient(0, weights, offset=offset) * self.inner_lr
        fallen = (look.losses(0) - look.losses(0, offset=offset)).numpy()
        if not np.isfinite(fallen).all():  # the inner steps have left the range of numbers, and estimate nothing
            fallen = np.zeros(len(z))
        return slope.double(), z * fallen - z * float(z @ fallen)

    def _averaged(self, names: tuple[str, ...], C: np.ndarray, along: np.ndarray, size: float, moving: np.ndarray) -> np.ndarray:
        """Update λ̃ with the solution for the tasks that have a gradient, and return it: (T,), 0 for the others."""
        shares, kept = np.zeros(len(names)), np.flatnonzero(moving)
        if not len(kept):
            return shares
        present = tuple(names[number] for number in kept)
        found, _ = solve_priority(C[np.ix_(kept, kept)], along[kept], size, self.phi)
        before = self._shares.of(present)
        after = before + (found - before) / (self._steps // self.window + 1) ** 0.75
        self._shares.put(present, after)
        shares[kept] = after
        return shares
