"""What a balancer sees of a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Representation:
    """What the heads of some tasks look at, with their gradients of it.

    Attributes:
        names: The tasks that look at it, t of them.
        values: (N, ...) the features of N rows, without graph.
        gradients: (t, N, ...) ∂L_t/∂z of each of these tasks, where L_t is the mean over the task's labeled units.
        total: Sums a tensor over all processes that hold rows of this step; with one process it gives the tensor itself.
    """

    names: tuple[str, ...]
    values: Tensor
    gradients: Tensor
    total: Callable[[Tensor], Tensor] = lambda values: values


class LookaheadOracle(Protocol):
    """Losses and gradients somewhere else: at θ + offset, where θ are all trained parameters, Q numbers in one vector.

    Parameters, buffers and random generators are put back after every look.
    """

    def losses(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """(T,) float64 the tasks' mean losses of that batch at θ + offset."""

    def gradient(self, batch: int, weights: Tensor, offset: Tensor | None = None) -> Tensor:
        """(Q,) the gradient of Σ w_t L_t of that batch at θ + offset."""

    def jacobian(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """(T, Q) every task's gradient of that batch at θ + offset."""


class Statistic(Protocol):
    """One step, as far as the balancer asked for it. T tasks are present, P is the number of shared parameters.

    Tensors are valid until the step ends: a balancer that remembers one clones it.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks present, in the order of every tensor here."""

    @property
    def step(self) -> int:
        """How many steps came before."""

    @property
    def losses(self) -> Tensor:
        """(T,) float64 the tasks' mean losses."""

    def norms(self) -> Tensor:
        """(T,) float64 the lengths of the tasks' gradients."""

    def gramian(self) -> Tensor:
        """(T, T) float64 G = J Jᵀ."""

    def gramians(self) -> Tensor:
        """(K, T, T) float64 a Gramian per group of parameters; their sum is G."""

    def jacobian(self) -> Tensor:
        """(T, P) the tasks' gradients of the shared parameters, one row each; (R, P) where R tasks were asked for."""

    @property
    def columns(self) -> tuple[tuple[slice, ...], ...]:
        """Per group of parameters its columns of the Jacobian."""

    def representations(self) -> tuple[Representation, ...]:
        """What heads look at: one for all tasks, or one per source, or several where experts are mixed."""

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """(T, T) float64 J₁ J₂ᵀ of two independent batches."""

    @property
    def look(self) -> LookaheadOracle:
        """Losses and gradients at other values of the parameters."""
