"""Base class of the models of a table's targets, and the rows that they learn from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from polytask.tasks.tabular_learning import TabularLearning

Array = NDArray[Any]
Floats = NDArray[np.float64]
HELD_OUT = 0.2
"""Share of the rows on which settings are chosen if no rows are given for it."""


@dataclass(frozen=True)
class TableRows:
    """Encoded rows of a table with the targets of several tasks.

    Attributes:
        inputs: (N, F) inputs as `TablePreprocessor.encode` returns them.
        cardinalities: (F,) number of codes of each column; 0 for numbers, −1 for numbers that are used as they are.
        targets: (N,) numbers or class codes of each task, NaN where a row has no label.
        weights: (N,) factors of the rows' losses for each task; a task without an entry has none.
        groups: (N,) groups that stay together in inner splits; `None` if there are none.
    """

    inputs: NDArray[np.float32]
    cardinalities: NDArray[np.int64]
    targets: Mapping[str, Floats]
    weights: Mapping[str, Floats] = field(default_factory=dict)
    groups: Array | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: NDArray[np.int64]) -> TableRows:
        """Return the given rows."""
        return replace(
            self,
            inputs=self.inputs[rows],
            targets={name: own[rows] for name, own in self.targets.items()},
            weights={name: own[rows] for name, own in self.weights.items()},
            groups=None if self.groups is None else self.groups[rows],
        )

    def labeled(self, task: str) -> tuple[NDArray[np.int64], Floats, Floats]:
        """Return the numbers of the rows with a label of a task, their targets, and the factors of their losses."""
        rows = np.flatnonzero(~np.isnan(self.targets[task]))
        weights = self.weights[task][rows] if task in self.weights else np.ones(len(rows))
        return rows, self.targets[task][rows], weights

    def inner_split(self, share: float, seed: int) -> tuple[TableRows, TableRows]:
        """Split into rows to learn from and rows to choose on; groups stay together.

        Args:
            share: Share of the rows, or of the groups, to choose on.
            seed: Seed of the draw.
        """
        _, units = np.unique(np.arange(len(self)) if self.groups is None else self.groups.astype(str), return_inverse=True)
        order = np.random.default_rng(seed).permutation(units.max() + 1)
        chosen = np.isin(units, order[: max(1, round(share * len(order)))])
        return self.take(np.flatnonzero(~chosen)), self.take(np.flatnonzero(chosen))


class TableArm(ABC):
    """Model of several tasks of a table.

    The raw outputs of a task are probabilities (N, C) of its classes, or numbers (N,): means, or rates of counts.

    Attributes:
        name: Name of the arm.
        learnings: How each task is learned, by its name.
    """

    name: ClassVar[str]

    def __init__(self, learnings: Mapping[str, TabularLearning]) -> None:
        self.learnings = dict(learnings)

    def fit(self, rows: TableRows, seed: int) -> None:
        """Choose settings on a fifth of the rows, then fit all of them; the same rows and seed give the same model."""
        learned, held_out = rows.inner_split(HELD_OUT, seed)
        self.fit_chosen(learned, held_out, rows, seed)

    @abstractmethod
    def fit_chosen(self, learned: TableRows, held_out: TableRows, final: TableRows, seed: int) -> None:
        """Choose settings by models of some rows and their scores on others, then fit the model.

        Args:
            learned: Rows that the candidates learn from.
            held_out: Rows that choose settings and the number of rounds.
            final: Rows that the model learns from.
            seed: Seed of all random numbers.
        """

    @abstractmethod
    def outputs(self, inputs: NDArray[np.float32]) -> dict[str, Floats]:
        """Return the raw outputs of each task for inputs (N, F)."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return the fitted model as nested dictionaries of arrays, numbers and texts."""

    @classmethod
    @abstractmethod
    def from_state(cls, learnings: Mapping[str, TabularLearning], state: Mapping[str, Any]) -> Self:
        """Return the model that `state` describes."""


def is_poisson(learning: TabularLearning) -> bool:
    """Return whether a task's numbers are rates with the Poisson deviance."""
    return learning.options[0].get("loss") == "poisson"


def supported(learning: TabularLearning | None) -> bool:
    """Return whether trees and linear models can learn a task: classes, numbers with the squared error, or rates."""
    return learning is not None and len(learning.options) == 1 and learning.options[0].get("loss", "poisson") == "poisson"
