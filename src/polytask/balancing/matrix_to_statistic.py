"""Statistic of a Jacobian that is given as a matrix, for experiments and tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from polytask.balancing.building_blocks.row_combination import without_zero_rows
from polytask.balancing.statistic import LookaheadOracle, Representation
from polytask.errors import ConfigError
from polytask.registry.resolve import described

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class MatrixStatistic:
    """`Statistic` of one step whose gradients are given.

    Attributes:
        matrix: (T, P) Jacobian, one row per task.
        losses: (T,) losses of the tasks.
        names: Names of the tasks.
        step: Number of earlier steps.
        others: Jacobians (T, P) of further independent batches. If empty, `matrix` is used for every batch.
        sizes: Number of parameters per group, P in total. If empty, all parameters form one group.
        features: Inputs of the heads with their gradients. If empty, the P parameters are treated as the features of one row.
        oracle: Source of losses and gradients at other parameters; `None` if there is none.
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
        return self._products(slice(None))

    @property
    def round_off(self) -> float:
        """Machine epsilon of the matrix's dtype."""
        return torch.finfo(self.matrix.dtype).eps

    def read(self, *tensors: Tensor) -> list[Tensor]:
        """Return tensors in float64 on the CPU."""
        return [tensor.detach().cpu().double() for tensor in tensors]

    def norms(self) -> Tensor:
        """Return the lengths of the rows: (T,) float64."""
        lengths: Tensor = torch.linalg.vector_norm(self.matrix.double(), dim=1)
        return lengths

    def gramian(self) -> Tensor:
        """Return G = J Jᵀ: (T, T) float64."""
        return self._gramian

    def gramians(self) -> Tensor:
        """Return one Gramian per group: (K, T, T) float64."""
        return torch.stack([self._products(part) for part, *_ in self.columns])

    def _products(self, part: slice) -> Tensor:
        rows = self.matrix[:, part].double()
        return without_zero_rows(rows @ rows.T, self.matrix.dtype)

    def jacobian(self) -> Tensor:
        """Return the matrix itself: (T, P)."""
        return self.matrix

    @property
    def columns(self) -> tuple[tuple[slice, ...], ...]:
        """One range of columns of the Jacobian per group."""
        sizes = self.sizes or (self.matrix.shape[1],)
        starts = [sum(sizes[:group]) for group in range(len(sizes))]
        return tuple((slice(start, start + size),) for start, size in zip(starts, sizes, strict=True))

    def representations(self) -> tuple[Representation, ...]:
        """Return the given features, or the parameters as the features of one row."""
        values = torch.ones(1, self.matrix.shape[1], dtype=self.matrix.dtype)
        return self.features or (Representation(self.names, values, self.matrix.unsqueeze(1)),)

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """Return J₁ J₂ᵀ of two batches, given by their numbers: (T, T) float64."""
        gramian: Tensor = self._of_batch(first).double() @ self._of_batch(second).double().T
        return gramian

    def _of_batch(self, number: int) -> Tensor:
        return self.others[number - 1] if number and self.others else self.matrix

    @property
    def look(self) -> LookaheadOracle:
        """Source of losses and gradients at other parameters.

        Raises:
            ConfigError: No `oracle` was given.
        """
        if self.oracle is None:
            raise ConfigError("a lookahead needs more than a Jacobian", where="look", remedy="Use Backward, with closures")
        return self.oracle


def _numbers(values: object) -> Tensor | None:
    try:
        return torch.as_tensor(values)
    except (RuntimeError, TypeError, ValueError):
        return None


def statistic_from_jacobian(jacobian: Tensor, losses: Tensor | None = None) -> MatrixStatistic:
    """Return the statistic of a Jacobian (T, P) whose tasks are named "0", "1", …; losses are 1 if not given.

    Raises:
        ConfigError: The Jacobian is no matrix of finite real numbers with a row per task, or there is not one loss per task.
    """
    if not isinstance(jacobian, Tensor) or jacobian.ndim != 2 or not len(jacobian) or jacobian.dtype not in FLOATS:
        found = f"shape {tuple(jacobian.shape)}, {jacobian.dtype}" if isinstance(jacobian, Tensor) else described(jacobian)
        raise ConfigError("a floating-point tensor (tasks, parameters) with at least one row is needed", where="jacobian", found=found)
    tasks = len(jacobian)
    given = torch.ones(tasks) if losses is None else _numbers(losses)
    if given is None or given.shape != (tasks,) or given.is_complex():
        found = described(losses) if given is None else f"shape {tuple(given.shape)}, {given.dtype}"
        raise ConfigError(f"one loss for each of {tasks} tasks is needed", where="losses", found=found)
    for values, where in ((jacobian, "jacobian"), (given, "losses")):
        if values.is_meta or values.layout != torch.strided:
            found = "a tensor without values on the device meta" if values.is_meta else f"layout {values.layout}"
            raise ConfigError("an ordinary tensor is needed", where=where, found=found)
    for values, where in ((jacobian, "jacobian"), (given, "losses")):
        if not bool(torch.isfinite(values).all()):
            raise ConfigError("all numbers must be finite", where=where, found="NaN or infinity")
    return MatrixStatistic(jacobian.detach(), given.detach().double(), tuple(str(task) for task in range(tasks)))
