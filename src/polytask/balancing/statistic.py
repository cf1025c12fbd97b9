"""What a balancer sees of a step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor


class Statistic(Protocol):
    """One step, as far as the balancer asked for it. T tasks are present, P is the number of shared parameters."""

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks present, in the order of every tensor here."""

    @property
    def step(self) -> int:
        """How many steps came before."""

    @property
    def losses(self) -> Tensor:
        """(T,) float64 the tasks' mean losses."""

    def gramian(self) -> Tensor:
        """(T, T) float64 G = J Jᵀ."""

    def jacobian(self) -> Tensor:
        """(T, P) the tasks' gradients of the shared parameters, one row each."""


@dataclass(frozen=True)
class MatrixStatistic:
    """The statistic of a Jacobian that is given as a matrix: for study and for tests.

    Attributes:
        matrix: (T, P) one row per task.
        losses: (T,) the tasks' losses.
        names: The tasks' names.
        step: How many steps came before.
    """

    matrix: Tensor
    losses: Tensor
    names: tuple[str, ...]
    step: int = 0

    @cached_property
    def _gramian(self) -> Tensor:
        return self.matrix.double() @ self.matrix.double().T

    def gramian(self) -> Tensor:
        """(T, T) float64 G = J Jᵀ."""
        return self._gramian

    def jacobian(self) -> Tensor:
        """(T, P) the matrix itself."""
        return self.matrix


def matrix_statistic(jacobian: Tensor, losses: Tensor | None = None) -> MatrixStatistic:
    """The statistic of a Jacobian (T, P), with losses of 1 and the names "0", "1", … where nothing else is said."""
    tasks = len(jacobian)
    given = torch.ones(tasks) if losses is None else losses
    return MatrixStatistic(jacobian, given.double(), tuple(str(task) for task in range(tasks)))
