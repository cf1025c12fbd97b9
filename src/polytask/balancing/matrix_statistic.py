"""The statistic of a Jacobian that is given as a matrix: for study, for tests, and for one group of parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from polytask.balancing.statistic import LookaheadOracle, Representation
from polytask.errors import ConfigError


@dataclass(frozen=True)
class MatrixStatistic:
    """One step whose gradients are known.

    Attributes:
        matrix: (T, P) one row per task.
        losses: (T,) the tasks' losses.
        names: The tasks' names.
        step: How many steps came before.
        others: (T, P) the Jacobians of further independent batches; the same matrix again where there are none.
        sizes: Parameters per group, P in all; one group where there are none.
        features: What heads look at; a single row of the P parameters themselves where there is nothing.
        oracle: What looks somewhere else, if anything does.
    """

    matrix: Tensor
    losses: Tensor
    names: tuple[str, ...]
    step: int = 0
    others: tuple[Tensor, ...] = ()
    sizes: tuple[int, ...] = ()
    features: tuple[Representation, ...] = ()
    oracle: LookaheadOracle | None = None

    @cached_property
    def _gramian(self) -> Tensor:
        rows = self.matrix.double()
        gramian: Tensor = rows @ rows.T
        return gramian

    def norms(self) -> Tensor:
        """(T,) float64 the lengths of the rows."""
        lengths: Tensor = torch.linalg.vector_norm(self.matrix.double(), dim=1)
        return lengths

    def gramian(self) -> Tensor:
        """(T, T) float64 G = J Jᵀ."""
        return self._gramian

    def gramians(self) -> Tensor:
        """(K, T, T) float64 a Gramian per group."""
        blocks = [self.matrix[:, part].double() for part, *_ in self.columns]
        return torch.stack([block @ block.T for block in blocks])

    def jacobian(self) -> Tensor:
        """(T, P) the matrix itself."""
        return self.matrix

    @property
    def columns(self) -> tuple[tuple[slice, ...], ...]:
        """One range of columns per group."""
        sizes = self.sizes or (self.matrix.shape[1],)
        starts = [sum(sizes[:group]) for group in range(len(sizes))]
        return tuple((slice(start, start + size),) for start, size in zip(starts, sizes, strict=True))

    def representations(self) -> tuple[Representation, ...]:
        """The features that were given, or the parameters as the features of a single row."""
        values = torch.ones(1, self.matrix.shape[1], dtype=self.matrix.dtype)
        return self.features or (Representation(self.names, values, self.matrix.unsqueeze(1)),)

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """(T, T) float64 J₁ J₂ᵀ."""
        gramian: Tensor = self._of_batch(first).double() @ self._of_batch(second).double().T
        return gramian

    def _of_batch(self, number: int) -> Tensor:
        return self.others[number - 1] if number and self.others else self.matrix

    @property
    def look(self) -> LookaheadOracle:
        """What looks somewhere else.

        Raises:
            ConfigError: A matrix alone knows no losses elsewhere.
        """
        if self.oracle is None:
            raise ConfigError("a Jacobian alone says nothing about losses elsewhere", where="look", remedy="Use Backward, with closures")
        return self.oracle


def statistic_from_jacobian(jacobian: Tensor, losses: Tensor | None = None) -> MatrixStatistic:
    """The statistic of a Jacobian (T, P), with losses of 1 and the names "0", "1", … where nothing else is said."""
    tasks = len(jacobian)
    given = torch.ones(tasks) if losses is None else losses
    return MatrixStatistic(jacobian, given.double(), tuple(str(task) for task in range(tasks)))
