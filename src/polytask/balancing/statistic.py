"""Interfaces through which a balancer sees one training step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Representation:
    """Input z of the heads of some tasks, with the gradients of these tasks with respect to it.

    Attributes:
        names: Names of the t tasks whose heads use this representation.
        values: (N, ...) features of N rows, detached from the graph.
        gradients: (t, N, ...) ∂L_t/∂z of each of these tasks, where L_t is the mean over the task's labeled units.
        total: Function that sums a tensor over all processes that hold rows of this step; the identity with one process.
    """

    names: tuple[str, ...]
    values: Tensor
    gradients: Tensor
    total: Callable[[Tensor], Tensor] = lambda values: values


class LookaheadOracle(Protocol):
    """Losses and gradients at θ + offset, where θ is the vector of all Q trained parameters. No offset means θ itself.

    Parameters, buffers and random generators are restored after every evaluation.
    """

    def losses(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """Return the tasks' mean losses on a batch at θ + offset: (T,) float64."""

    def gradient(self, batch: int, weights: Tensor, offset: Tensor | None = None) -> Tensor:
        """Return the gradient of Σ w_t L_t on a batch at θ + offset: (Q,)."""

    def jacobian(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """Return every task's gradient on a batch at θ + offset: (T, Q)."""


class Statistic(Protocol):
    """One step with T tasks present and P shared parameters. Only what the balancer's `needs` declared is available.

    Tensors are valid until the step ends: a balancer that keeps one must clone it.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tasks present, in the order of all tensors of this statistic."""

    @property
    def step(self) -> int:
        """Number of earlier steps."""

    @property
    def losses(self) -> Tensor:
        """Mean losses of the tasks: (T,) float64."""

    @property
    def round_off(self) -> float:
        """Relative round-off of the gradients: the machine epsilon of the dtype in which they were computed."""

    def read(self, *tensors: Tensor) -> list[Tensor]:
        """Return tensors of the step's device in float64 on the CPU, by one copy for which the device is waited for.

        The first copy of a step also contains what the step itself has to know, such as the losses, and ends `weigh` if anything of that is
        not finite. A balancer whose `reads_once` is set knows `losses` after it.
        """

    def norms(self) -> Tensor:
        """Return the lengths of the tasks' gradients: (T,) float64."""

    def gramian(self) -> Tensor:
        """Return G = J Jᵀ: (T, T) float64."""

    def gramians(self) -> Tensor:
        """Return one Gramian per group of parameters: (K, T, T) float64. Their sum is G."""

    def jacobian(self) -> Tensor:
        """Return the tasks' gradients of the shared parameters, one row each: (T, P), or (R, P) if only R tasks were requested."""

    @property
    def columns(self) -> tuple[tuple[slice, ...], ...]:
        """Columns of the Jacobian that belong to each group of parameters."""

    def representations(self) -> tuple[Representation, ...]:
        """Return the inputs of the heads: one for all tasks, one per source, or several if experts are mixed."""

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """Return J₁ J₂ᵀ of two independent batches, given by their numbers: (T, T) float64."""

    @property
    def look(self) -> LookaheadOracle:
        """Source of losses and gradients at other parameters."""
