"""Weights that lower the primary tasks' losses one step ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.adam_scalar import AdamScalar
from polytask.balancing.building_blocks.option_checks import check_positive
from polytask.balancing.needs import Lookahead, Needs
from polytask.balancing.statistic import Statistic


@final
class AutoLambda(Balancer):
    """Auto-Lambda (Liu, James, Davison & Johns, TMLR 2022, eq. 4 to 6).

    The weights λ are moved so that a step with them on batch A lowers the primary tasks' losses on batch B:

        θ' = θ − η ∇ Σ λ_t L_t(A; θ),    g' = ∇ Σ_primary L_t(B; θ')
        h_t = (L_t(A; θ + ε g') − L_t(A; θ − ε g')) / 2 ε,    ε = 0.01 / ‖g'‖

    h_t approaches ∇L_t(A; θ) · g', so that −η h_t is the slope of the primary losses along λ_t; λ is stepped along it by Adam. Heads are
    weighted too. Cost: four forwards and two backwards more, no copy of the network.

    Scale: the paper's own: λ starts at `initial_weight` and is not normalized; with its 0.1 a step is a tenth of the plain sum's. λ may
    become
    negative, as in the authors' code: a task that harms the primary ones is then unlearned. Gradients that are zero change nothing.

    Defaults: λ = 0.1 at the start, 1e-4 as its learning rate (the authors' code); all tasks are primary (the paper's multi-task
    setting); η = 1e-3, the usual rate of Adam.

    Deviations: θ' is a step of plain gradient descent, without the momentum and weight decay of the network's optimizer; the network's step
    is on both batches, so that no row is wasted.

    Fails: finite differences of losses that are noisy themselves: dropout is repeated alike, batch statistics move.

    Args:
        primary: The tasks that count; all by default. The others are auxiliary: they help or lose their weight.
        lr: Learning rate of λ.
        inner_lr: η, best that of the network's optimizer.
        initial_weight: λ of a task that is seen for the first time.

    Raises:
        ConfigError: A number is not above 0.

    Example:
        >>> AutoLambda(primary=["a"]).needs()
        Lookahead()
    """

    batches = 2
    step_batches: Literal["last", "all"] = "all"

    def __init__(self, primary: Sequence[str] | None = None, lr: float = 1e-4, inner_lr: float = 1e-3, initial_weight: float = 0.1) -> None:
        self.primary = None if primary is None else tuple(primary)
        self.lr, self.inner_lr = check_positive(lr, "auto-lambda, lr"), check_positive(inner_lr, "auto-lambda, inner_lr")
        self.start = check_positive(initial_weight, "auto-lambda, start")
        self._weights: dict[str, AdamScalar] = {}

    def needs(self) -> Needs:
        """A look one step ahead."""
        return Lookahead()

    def weigh(self, statistic: Statistic) -> Weights:
        """λ, after its step."""
        names, look = statistic.names, statistic.look
        known = [self._weights.get(name, AdamScalar(self.start)) for name in names]
        weights = torch.tensor([scalar.value for scalar in known], dtype=torch.float64)
        counted = torch.tensor([float(self.primary is None or name in self.primary) for name in names], dtype=torch.float64)
        slope = look.gradient(1, counted, offset=look.gradient(0, weights) * -self.inner_lr)
        length = float(torch.linalg.vector_norm(slope.double()))
        if length > 0.0:
            step = 0.01 / length
            moved = (look.losses(0, offset=slope * step) - look.losses(0, offset=slope * -step)) / (2.0 * step)
            slopes = (-self.inner_lr * moved).tolist()
            self._weights |= {n: scalar.stepped(s, self.lr) for n, scalar, s in zip(names, known, slopes, strict=True)}
        found = [self._weights.get(name, scalar).value for name, scalar in zip(names, known, strict=True)]
        return Weights(torch.tensor(found, dtype=torch.float64), heads=True)

    def state_dict(self) -> dict[str, Any]:
        """Per task λ with its moments."""
        return {task: scalar.to_dict() for task, scalar in self._weights.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._weights = {task: AdamScalar(**values) for task, values in state.items()}
