"""Logarithms of losses, and gradients made equally long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, Direction, Weights
from polytask.balancing.building_blocks.option_checks import check_below_one, check_non_negative
from polytask.balancing.needs import Jacobian, Needs, Norms
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


@final
class DBMTL(Balancer):
    """Dual-balancing multi-task learning (Lin et al., arXiv 2308.12029, algorithm 1).

    Losses are balanced by their logarithm, gradients by bringing each to the length of the longest:

        h_t = ∇ log L_t = g_t / L_t,    y_t ← β_k y_t + (1 − β_k) h_t,    d = Σ_t (max_s ‖y_s‖ / ‖y_t‖) y_t

    with β_k = β / k^σ. Heads get ∇ log L_t of their own task. With β = 0 nothing is remembered, and lengths are all that is needed.
    Memory: T × P numbers, none with β = 0.

    Scale: the paper's own, T times the longest ‖∇ log L_t‖ at most. Multiplying a task's loss by a constant changes nothing. A zero row
    gets no weight.

    Defaults: β = 0.9 and σ = 0, those of LibMTL's implementation (by the authors); y starts at 0.

    Deviations: the authors' code adds 1e-8 to losses; here a task whose loss is 0 is left out of the step.

    Fails: losses below 0 have no logarithm: refused. A task that is nearly solved is brought to the length of the others, noise and all.

    Args:
        beta: β, from 0 up and below 1.
        beta_sigma: σ, from 0 up.

    Raises:
        ConfigError: A number is outside its range.

    Example:
        >>> DBMTL(beta=0).aggregate(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
        tensor([4., 4.])
    """

    remembers_gradients = True

    def __init__(self, beta: float = 0.9, beta_sigma: float = 0.0) -> None:
        self.beta, self.beta_sigma = check_below_one(beta, "db-mtl, beta"), check_non_negative(beta_sigma, "db-mtl, beta_sigma")
        self._steps = 0
        self._tracked: dict[str, Tensor] = {}

    def needs(self) -> Needs:
        """The Jacobian; with β = 0 the lengths of its rows."""
        return Jacobian() if self.beta else Norms("shared")

    def weigh(self, statistic: Statistic) -> Direction | Weights:
        """Σ_t (max_s ‖y_s‖ / ‖y_t‖) y_t.

        Raises:
            ConfigError: A loss is negative.
        """
        slopes = _slopes(statistic)
        if not self.beta:
            return Weights(_equally_long(statistic.norms() * slopes) * slopes, heads=False, private=slopes)
        self._steps += 1
        kept = self.beta / self._steps**self.beta_sigma
        rows = statistic.jacobian()
        for name, row, slope in zip(statistic.names, rows, slopes.tolist(), strict=True):
            y = self._tracked.setdefault(name, torch.zeros_like(row))
            y.mul_(kept).add_(row, alpha=(1.0 - kept) * slope)
        tracked = torch.stack([self._tracked[name] for name in statistic.names])
        lengths = torch.linalg.vector_norm(tracked.double(), dim=1).cpu()
        return Direction(_equally_long(lengths).to(tracked) @ tracked, private=slopes)

    def state_dict(self) -> dict[str, Any]:
        """The number of steps, and y per task."""
        return {"steps": self._steps, "tracked": {task: row.clone() for task, row in self._tracked.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._steps = int(state["steps"])
        self._tracked = {task: row.clone() for task, row in state["tracked"].items()}


def _slopes(statistic: Statistic) -> Tensor:
    """(T,) the slope 1 / L of log L; 0 where L is 0."""
    losses = statistic.losses
    if bool((losses < 0).any()):
        worst = int(losses.argmin())
        raise ConfigError("the logarithm of a loss below 0", where=f"db-mtl, task {statistic.names[worst]!r}", found=float(losses[worst]))
    return torch.where(losses > 0, 1.0 / torch.where(losses > 0, losses, 1.0), 0.0)


def _equally_long(lengths: Tensor) -> Tensor:
    """(T,) what brings each to the longest; 0 for zero rows."""
    return torch.where(lengths > 0, lengths.max() / torch.where(lengths > 0, lengths, 1.0), 0.0)
