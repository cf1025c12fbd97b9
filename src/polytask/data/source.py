"""Sources: inputs with the labels that came with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from polytask.errors import DataError

Array = NDArray[Any]


@dataclass(frozen=True)
class Source:
    """Inputs, and per task the labels that came with them.

    Attributes:
        name: How batches, splits and messages call it.
        inputs: (N, ...) one row per input: images as uint8 (N, channels, height, width), vectors as float32 (N, features).
        labels: Per task (N,) original labels: numbers, words; NaN or None where a row has none.
        units: (N,) what each row is called in predictions; by default its number.

    Raises:
        DataError: A task has more or fewer labels than there are rows, or several to a row.

    Example:
        >>> source = Source("toy", np.zeros((3, 2), "float32"), {"size": np.array([1.0, 2.0, np.nan])})
        >>> len(source), source.tasks
        (3, ('size',))
    """

    name: str
    inputs: Array
    labels: Mapping[str, Array]
    units: Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", np.asarray(self.inputs))
        if not self.inputs.ndim:
            raise DataError("inputs are one row per input", where=f"source {self.name!r}", found=repr(self.inputs.item()))
        object.__setattr__(self, "labels", {task: np.asarray(labels) for task, labels in self.labels.items()})
        rows = len(self.inputs)
        object.__setattr__(self, "units", np.asarray(self.units) if len(self.units) else np.arange(rows))
        for task, labels in [*self.labels.items(), ("units", self.units)]:
            if labels.shape != (rows,):
                entries = f"{len(labels)} entries" if labels.ndim == 1 else f"entries of shape {labels.shape}"
                raise DataError(
                    "every row needs an entry, if only an empty one",
                    where=f"source {self.name!r}, {task!r}",
                    found=f"{entries} for {rows} rows",
                )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that this source labels, at least in part."""
        return tuple(self.labels)

    def take(self, rows: NDArray[np.int64]) -> Source:
        """The source of these rows only."""
        labels = {task: labels[rows] for task, labels in self.labels.items()}
        return Source(self.name, self.inputs[rows], labels, self.units[rows])


@dataclass(frozen=True)
class Sources(Sequence[Source]):
    """Training sources, and a door to their test rows that is opened by nobody but the last step of a study.

    It behaves as the sequence of the training sources; the test rows are not even read before `open_test` is called.
    """

    training: tuple[Source, ...]
    open_test: Callable[[], tuple[Source, ...]] | None = None

    @overload
    def __getitem__(self, index: int) -> Source: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Source, ...]: ...
    def __getitem__(self, index: int | slice) -> Source | tuple[Source, ...]:
        return self.training[index]

    def __len__(self) -> int:
        return len(self.training)

    def __iter__(self) -> Iterator[Source]:
        return iter(self.training)
