"""Statistics whose losses and gradients are multiplied by one factor per task, for wrappers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from polytask.balancing.statistic import LookaheadOracle, Representation, Statistic


@dataclass(frozen=True)
class ScaledStatistic:
    """`Statistic` whose losses and gradients are multiplied by one factor per task.

    Attributes:
        plain: Statistic before the multiplication.
        factor_by_task: Factor per task.
        factors: (T,) factors of the tasks present.
        of_rows: (R,) factors of the tasks that have a row in the Jacobian.
        other_losses: (T,) values to show as the losses; `None` means the multiplied ones.
    """

    plain: Statistic
    factor_by_task: Mapping[str, float]
    factors: Tensor
    of_rows: Tensor
    other_losses: Tensor | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tasks present."""
        return self.plain.names

    @property
    def step(self) -> int:
        """Number of earlier steps."""
        return self.plain.step

    @property
    def round_off(self) -> float:
        """Machine epsilon of the rows."""
        return self.plain.round_off

    @property
    def losses(self) -> Tensor:
        """Losses of the tasks: (T,)."""
        return self.plain.losses * self.factors if self.other_losses is None else self.other_losses

    def read(self, *tensors: Tensor) -> list[Tensor]:
        """Return tensors in float64 on the CPU."""
        return self.plain.read(*tensors)

    def norms(self) -> Tensor:
        """Return the lengths of the tasks' gradients: (T,)."""
        return self.plain.norms() * self.factors

    def gramian(self) -> Tensor:
        """Return the Gramian: (T, T)."""
        return self.plain.gramian() * torch.outer(self.factors, self.factors)

    def gramians(self) -> Tensor:
        """Return one Gramian per group: (K, T, T)."""
        return self.plain.gramians() * torch.outer(self.factors, self.factors)

    def jacobian(self) -> Tensor:
        """Return the rows of the tasks: (R, P)."""
        return scale_rows(self.plain.jacobian(), self.of_rows)

    @property
    def columns(self) -> tuple[tuple[slice, ...], ...]:
        """Columns of the Jacobian that belong to each group of parameters."""
        return self.plain.columns

    def representations(self) -> tuple[Representation, ...]:
        """Return the inputs of the heads, with their gradients."""
        return tuple(
            replace(seen, gradients=scale_rows(seen.gradients, torch.tensor([self.factor_by_task[task] for task in seen.names])))
            for seen in self.plain.representations()
        )

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """Return J₁ J₂ᵀ of two batches: (T, T)."""
        return self.plain.cross_gramian(first, second) * torch.outer(self.factors, self.factors)

    @property
    def look(self) -> LookaheadOracle:
        """Source of losses and gradients at other parameters."""
        return ScaledOracle(self.plain.look, self.factors)


@dataclass(frozen=True)
class ScaledOracle:
    """`LookaheadOracle` whose losses are multiplied by one factor per task."""

    plain: LookaheadOracle
    factors: Tensor

    def losses(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """Return the losses at θ + offset: (T,)."""
        return self.plain.losses(batch, offset) * self.factors

    def gradient(self, batch: int, weights: Tensor, offset: Tensor | None = None) -> Tensor:
        """Return the gradient of Σ w_t L_t at θ + offset: (Q,)."""
        return self.plain.gradient(batch, weights * self.factors, offset)

    def jacobian(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """Return every task's gradient at θ + offset: (T, Q)."""
        return scale_rows(self.plain.jacobian(batch, offset), self.factors)


def scale_rows(rows: Tensor, factors: Tensor) -> Tensor:
    """Return rows (T, ...), each multiplied by its factor."""
    return rows * factors.to(rows).reshape(-1, *[1] * (rows.dim() - 1))
