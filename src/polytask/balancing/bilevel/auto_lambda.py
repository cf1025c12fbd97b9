"""Weights that lower the losses of the primary tasks one step ahead."""

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

    The weights λ are updated so that a step with them on batch A lowers the primary tasks' losses on batch B:

        θ' = θ − η ∇ Σ λ_t L_t(A; θ),    g' = ∇ Σ_primary L_t(B; θ')
        h_t = (L_t(A; θ + ε g') − L_t(A; θ − ε g')) / 2 ε,    ε = 0.01 / ‖g'‖

    h_t approximates ∇L_t(A; θ) · g', so that −η h_t is the slope of the primary losses along λ_t, which Adam descends. Heads are
    weighted too. Cost: four additional forward and two additional backward passes, but no copy of the network.

    Scale: as in the paper: λ starts at `initial_weight` and is not normalized; with 0.1, a step is a tenth of that of the plain sum.
    λ may become negative, as in the authors' code: a task that harms the primary ones is then unlearned. Zero gradients change
    nothing.

    Defaults: λ = 0.1 at the start, with learning rate 1e-4 (the authors' code); all tasks are primary (the paper's multi-task
    setting); η = 1e-3, the usual learning rate of Adam.

    Deviations: η is fixed, whereas it follows the present learning rate of the network's optimizer in the authors' code, and θ' is a step
    of plain gradient descent, without that optimizer's momentum and weight decay. The network is trained on both batches, so that no row
    is wasted.

    Fails: finite differences of noisy losses: dropout masks are repeated, but batch statistics change.

    Args:
        primary: Names of the primary tasks, whose losses are to be lowered; `None` means all tasks. The others are auxiliary: they
            lose their weight unless they help.
        lr: Learning rate of λ, above 0.
        inner_lr: Learning rate η of the step ahead, above 0; ideally that of the network's optimizer.
        initial_weight: Initial λ of every task, above 0.

    Raises:
        ConfigError: A number is not above 0.

    Example:
        >>> AutoLambda(primary=["a"]).needs()
        Lookahead()
    """

    batches = 2
    step_batches: Literal["last", "all"] = "all"

    reads_once = True

    def __init__(self, primary: Sequence[str] | None = None, lr: float = 1e-4, inner_lr: float = 1e-3, initial_weight: float = 0.1) -> None:
        self.primary = None if primary is None else tuple(primary)
        self.lr, self.inner_lr = check_positive(lr, "auto-lambda, lr"), check_positive(inner_lr, "auto-lambda, inner_lr")
        self.initial_weight = check_positive(initial_weight, "auto-lambda, initial_weight")
        self._weights: dict[str, AdamScalar] = {}

    def needs(self) -> Needs:
        """Request a lookahead."""
        return Lookahead()

    def weigh(self, statistic: Statistic) -> Weights:
        """Update λ and return it."""
        names, look = statistic.names, statistic.look
        known = [self._weights.get(name, AdamScalar(self.initial_weight)) for name in names]
        weights = torch.tensor([scalar.value for scalar in known], dtype=torch.float64)
        counted = torch.tensor([float(self.primary is None or name in self.primary) for name in names], dtype=torch.float64)
        slope = look.gradient(1, counted, offset=look.gradient(0, weights) * -self.inner_lr)
        length = float(statistic.read(torch.linalg.vector_norm(slope.double()))[0])
        if length > 0.0:
            step = 0.01 / length
            moved = (look.losses(0, offset=slope * step) - look.losses(0, offset=slope * -step)) / (2.0 * step)
            slopes = (-self.inner_lr * moved).tolist()
            self._weights |= {n: scalar.stepped(s, self.lr) for n, scalar, s in zip(names, known, slopes, strict=True)}
        found = [self._weights.get(name, scalar).value for name, scalar in zip(names, known, strict=True)]
        return Weights(torch.tensor(found, dtype=torch.float64), heads=True)

    def state_dict(self) -> dict[str, Any]:
        """Return λ with its moments for every task."""
        return {task: scalar.to_dict() for task, scalar in self._weights.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._weights = {task: AdamScalar(**values) for task, values in state.items()}
