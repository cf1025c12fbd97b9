"""Logarithms of losses, and gradients scaled to equal length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, Direction, Weights
from polytask.balancing.building_blocks.kept_rows import kept_row
from polytask.balancing.building_blocks.loss_checks import inverses, non_negative_losses
from polytask.balancing.building_blocks.option_checks import check_below_one, check_non_negative
from polytask.balancing.building_blocks.row_combination import row_combination
from polytask.balancing.needs import Jacobian, Needs, Norms
from polytask.balancing.statistic import Statistic


@final
class DBMTL(Balancer):
    """Dual-balancing multi-task learning (Lin et al., arXiv 2308.12029, algorithm 1).

    Losses are balanced by taking their logarithm, gradients by scaling each to the length of the longest:

        h_t = ∇ log L_t = g_t / L_t,    y_t ← β_k y_t + (1 − β_k) h_t,    d = Σ_t (max_s ‖y_s‖ / ‖y_t‖) y_t

    with β_k = β / k^σ in step k = 1, 2, …. Heads get ∇ log L_t of their task. With β = 0 nothing is stored, and only the lengths of
    the gradients are needed. Memory: T × P numbers, or none with β = 0.

    Scale: as in the paper, at most T times the longest ‖∇ log L_t‖. Multiplying a task's loss by a constant changes nothing. A zero
    row gets no weight. Since y starts at 0, d is 1 − β times its usual length in the first step, a tenth with the default, as in the
    authors' code.

    Defaults: β = 0.9 and σ = 0, as in LibMTL's implementation (by the authors); y starts at 0.

    Deviations: the authors' code adds 1e-8 to losses; here a task whose loss is 0 (below 1e-30) is left out of the step.

    Fails: negative losses have no logarithm and are refused. The gradient of a nearly solved task is scaled to the length of the
    others, including its noise.

    Args:
        beta: Decay β of the running mean of the gradients, in [0, 1).
        beta_sigma: Exponent σ with which β decreases over the steps, at least 0.

    Raises:
        ConfigError: An option is outside its range.

    Example:
        >>> DBMTL(beta=0).aggregate(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
        tensor([4., 4.])
    """

    remembers_gradients = True
    reads_once = True

    def __init__(self, beta: float = 0.9, beta_sigma: float = 0.0) -> None:
        self.beta, self.beta_sigma = check_below_one(beta, "db-mtl, beta"), check_non_negative(beta_sigma, "db-mtl, beta_sigma")
        self._steps = 0
        self._tracked: dict[str, Tensor] = {}

    def needs(self) -> Needs:
        """Request the Jacobian, or only the lengths of its rows if β = 0."""
        return Jacobian() if self.beta else Norms("shared")

    def weigh(self, statistic: Statistic) -> Direction | Weights:
        """Return d = Σ_t (max_s ‖y_s‖ / ‖y_t‖) y_t, or its weights if β = 0.

        Raises:
            ConfigError: A loss is negative.
        """
        statistic.read()
        slopes = _slopes(statistic)
        if not self.beta:
            return Weights(_equally_long(statistic.norms() * slopes) * slopes, heads=False, private=slopes)
        self._steps += 1
        kept = self.beta / self._steps**self.beta_sigma
        rows = statistic.jacobian()
        for name, row, slope in zip(statistic.names, rows, slopes.tolist(), strict=True):
            y = kept_row(self._tracked, name, row)
            y.mul_(kept).add_(row, alpha=(1.0 - kept) * slope)
        tracked = torch.stack([self._tracked[name] for name in statistic.names])
        exact = tracked.double()
        lengths, products = statistic.read(torch.linalg.vector_norm(exact, dim=1), exact @ exact.T)
        lengths = torch.where(lengths < torch.finfo(rows.dtype).tiny, 0.0, lengths)
        largest = len(lengths) * float(lengths.max())
        return Direction(row_combination(_equally_long(lengths), tracked, products), private=slopes, largest=largest)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps, and y of every task."""
        return {"steps": self._steps, "tracked": {task: row.clone() for task, row in self._tracked.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._steps = int(state["steps"])
        self._tracked = {task: row.clone() for task, row in state["tracked"].items()}


def _slopes(statistic: Statistic) -> Tensor:
    """Return the slope 1 / L of log L for every task: (T,), 0 where L is 0."""
    return torch.tensor(inverses(non_negative_losses(statistic, "db-mtl")), dtype=torch.float64)


def _equally_long(lengths: Tensor) -> Tensor:
    """Return the factors that scale all rows to the longest length: (T,), 0 for zero rows."""
    return torch.where(lengths > 0, lengths.max() / torch.where(lengths > 0, lengths, 1.0), 0.0)
