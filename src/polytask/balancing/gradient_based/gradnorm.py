"""Gradient normalization."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.adam_scalar import AdamScalar
from polytask.balancing.needs import Needs, Norms
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError

_SMALLEST = 1e-3


@final
class GradNorm(Balancer):
    """Weights learned to give gradients similar lengths, longer for tasks that lag behind (Chen et al., ICML 2018, eq. 1 and 2).

    With n_t = w_t ‖∂L_t/∂W‖, where W is the last shared layer, and relative inverse training rates r_t, which are L_t / L_t(0)
    divided by the mean of these ratios over all tasks, Adam updates w by descent along the gradient of

        Σ_t abs(n_t − n̄ r_t^α),    n̄ = mean of n, and n̄ r_t^α held fixed

    which is sign(n_t − n̄ r_t^α) ‖∂L_t/∂W‖; then w is scaled so that Σ w_t = T. The trunk gets Σ w_t g_t and the heads w_t g_t, with
    the weights from before that update.

    Scale: as in the paper, Σ w_t = T. A task with a zero gradient has n_t = 0, and its weight does not change.

    Defaults: α = 1.5 (paper, sections 5.1 and 5.2), the last shared layer (paper, section 3.1), learning rate 0.025 of w (paper,
    section 5.2).

    Deviations: w is kept at or above 1e-3 before it is scaled, since the paper does not say what a negative weight would mean.
    L_t(0) is the loss of the task's first step. If that loss is 0, the ratio of the task is 1.

    Fails: negative losses have no meaningful rates and are refused; an unusually small first loss distorts the rates.

    Args:
        alpha: Strength α with which tasks that lag behind are preferred, at least 0.
        lr: Learning rate of w, above 0.
        parameters: Parameters whose gradients are measured: the `last` shared layer, or all `shared` parameters.

    Raises:
        ConfigError: α is negative, the learning rate is not above 0, or the parameters are unknown.

    Example:
        >>> GradNorm().aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    reads_once = True

    def __init__(self, alpha: float = 1.5, lr: float = 0.025, parameters: Literal["last", "shared"] = "last") -> None:
        if not 0 <= alpha < float("inf"):
            raise ConfigError("a number from 0 up is needed", where="gradnorm, alpha", found=alpha)
        if not 0 < lr < float("inf"):
            raise ConfigError("a learning rate above 0 is needed", where="gradnorm, lr", found=lr)
        if parameters not in ("last", "shared"):
            raise ConfigError("unknown parameters", where="gradnorm, parameters", found=parameters, remedy="Choose from: last, shared")
        self.alpha, self.lr, self.parameters = alpha, lr, parameters
        self._weights: dict[str, AdamScalar] = {}
        self._first: dict[str, float] = {}
        # What `weigh` saw in this step, called at its end: an accelerator has read the norms with the losses by then.
        self._norms: Callable[[], Tensor] | None = None

    def needs(self) -> Needs:
        """Request the lengths of the gradients of the last shared layer, or of all shared parameters."""
        return Norms(self.parameters)

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w, which sums to T."""
        self._norms = statistic.norms
        return Weights(torch.from_numpy(self._known(statistic)[1]), heads=True)

    def update_state(self, statistic: Statistic) -> None:
        """Update w for the next step from the norms that `weigh` saw; a step in which it was not called changes nothing.

        Raises:
            ConfigError: A loss is negative.
        """
        measured, self._norms = self._norms, None
        if measured is None:
            return
        names, norms, (known, weights) = statistic.names, measured().numpy(), self._known(statistic)
        weighted = weights * norms
        slopes = np.sign(weighted - weighted.mean() * self._rates(statistic) ** self.alpha) * norms
        moved = [s.stepped(float(slope), self.lr) for s, slope in zip(_with_values(known, weights), slopes, strict=True)]
        kept = np.array([max(scalar.value, _SMALLEST) for scalar in moved])
        self._weights |= dict(zip(names, _with_values(moved, kept * len(names) / kept.sum()), strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Return w with its moments, and the first loss, of every task."""
        return {"weights": {task: scalar.to_dict() for task, scalar in self._weights.items()}, "first": dict(self._first)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._weights = {task: AdamScalar(**values) for task, values in state["weights"].items()}
        self._first, self._norms = dict(state["first"]), None

    def _known(self, statistic: Statistic) -> tuple[list[AdamScalar], np.ndarray]:
        """Return the scalars of the tasks present, and their values scaled to the sum T."""
        known = [self._weights.get(name, AdamScalar(1.0)) for name in statistic.names]
        total = sum(scalar.value for scalar in known)
        return known, np.array([scalar.value for scalar in known]) * len(known) / total

    def _rates(self, statistic: Statistic) -> np.ndarray:
        """Return the relative inverse training rates: (T,)."""
        losses = dict(zip(statistic.names, statistic.losses.tolist(), strict=True))
        for name, loss in losses.items():
            if loss < 0.0:
                raise ConfigError("this balancer needs non-negative losses", where=f"gradnorm, task {name!r}", found=loss)
            self._first.setdefault(name, loss)
        ratios = np.array([loss / self._first[name] if self._first[name] > 0.0 else 1.0 for name, loss in losses.items()])
        mean = ratios.mean()
        return ratios / mean if mean > 0.0 else np.ones(len(ratios))


def _with_values(scalars: list[AdamScalar], values: np.ndarray) -> list[AdamScalar]:
    """Return the scalars with their moments unchanged and new values."""
    return [replace(scalar, value=float(value)) for scalar, value in zip(scalars, values, strict=True)]
