"""Sources: inputs and the labels that belong to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from polytask.data.memmap import take_rows
from polytask.data.preprocessing.preprocessor import Preprocessor
from polytask.errors import DataError
from polytask.registry.resolve import described

Array = NDArray[Any]


@dataclass(frozen=True)
class Source:
    """Inputs with the labels of one or several tasks.

    Attributes:
        name: Name of the source in batches, splits and messages.
        inputs: (N, ...) one row per input: images as uint8 (N, channels, height, width), vectors as float32 (N, features), sequences of
            numbers as float32 (N, steps, channels), where a step of NaN only is missing, or the output of `preprocessor` for texts or a
            table.
        labels: (N,) original labels of each task, such as numbers or strings; NaN or None where a row has none. If inputs are sequences,
            that is, codes (N, L) with 0 as padding or numbers (N, L, C), a task may label every token or step: (N, L).
        units: (N,) identifier of each row in predictions; by default its row number, from 0.
        preprocessor: Preprocessor that produced the inputs from texts or a table, saved with the trained model; `None` if there is none.
        held_out: (N,) True for the validation rows, on which models are selected; `None` draws them at random.
        groups: (N,) group of each row, such as a customer or a patient; rows of one group stay together when rows are split. `None` means
            no groups.
        weights: (N,) nonnegative factor of each row's loss, for each task; tasks that are not named weight all rows equally.

    Raises:
        DataError: `inputs` is a scalar; or labels, units or another attribute do not have exactly one entry per row. Labels of shape
            (N, L) are allowed for inputs of tokens or steps only.

    Example:
        >>> source = Source("toy", np.zeros((3, 2), "float32"), {"size": np.array([1.0, 2.0, np.nan])})
        >>> len(source), source.tasks
        (3, ('size',))
    """

    name: str
    inputs: Array
    labels: Mapping[str, Array]
    units: Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    preprocessor: Preprocessor | None = None
    held_out: NDArray[np.bool_] | None = None
    groups: Array | None = None
    weights: Mapping[str, Array] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", np.asarray(self.inputs))
        given_parts: tuple[tuple[object, str], ...] = ((self.labels, "labels"), ({} if self.weights is None else self.weights, "weights"))
        for part, where in given_parts:
            if not isinstance(part, Mapping):
                place, remedy = f"source {self.name!r}, {where}", f"Write {where}={{'task': …}}"
                raise DataError("one array per task name is needed", where=place, found=described(part), remedy=remedy)
        unlabeled = [task for task in self.weights or {} if task not in self.labels]
        if unlabeled:
            raise DataError("weights belong to a task with labels", where=f"source {self.name!r}, weights", found=repr(unlabeled[0]))
        units: object = self.units
        if units is None:
            object.__setattr__(self, "units", ())
        if not self.inputs.ndim:
            raise DataError("inputs must have one row per input", where=f"source {self.name!r}", found=repr(self.inputs.item()))
        object.__setattr__(self, "labels", {task: np.asarray(labels) for task, labels in self.labels.items()})
        rows = len(self.inputs)
        object.__setattr__(self, "units", np.asarray(self.units) if len(self.units) else np.arange(rows))
        given = [
            (name, np.asarray(entries)) for name, entries in (("held_out", self.held_out), ("groups", self.groups)) if entries is not None
        ]
        given += [(f"weights of {task}", np.asarray(own)) for task, own in (self.weights or {}).items()]
        for name, entries in [*self.labels.items(), ("units", self.units), *given]:
            per_token = name in self.labels and entries.ndim == 2 and entries.shape == self.inputs.shape[:2] and self.has_tokens
            if entries.shape != (rows,) and not per_token:
                found = f"{len(entries)} entries" if entries.ndim == 1 else f"entries of shape {entries.shape}"
                where = f"source {self.name!r}, {name!r}"
                raise DataError("exactly one entry per row is needed", where=where, found=f"{found} for {rows} rows")

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks with labels in this source, possibly for some rows only."""
        return tuple(self.labels)

    @property
    def has_tokens(self) -> bool:
        """True if the inputs are integer codes (N, L, ...) of tokens, or sequences (N, L, C) of numbers."""
        return (self.inputs.ndim > 1 and self.inputs.dtype == np.int64) or self.has_steps

    @property
    def has_steps(self) -> bool:
        """True if the inputs are sequences (N, L, C) of numbers: L steps with C channels."""
        return self.inputs.ndim == 3 and self.preprocessor is None

    def take(self, rows: NDArray[np.int64]) -> Source:
        """Return a source with the given rows only, in the given order.

        Args:
            rows: Row numbers, from 0.
        """
        labels = {task: labels[rows] for task, labels in self.labels.items()}
        held_out, groups = (None if entries is None else np.asarray(entries)[rows] for entries in (self.held_out, self.groups))
        weights = None if self.weights is None else {task: np.asarray(own)[rows] for task, own in self.weights.items()}
        return Source(self.name, take_rows(self.inputs, rows), labels, self.units[rows], self.preprocessor, held_out, groups, weights)


@dataclass(frozen=True)
class Sources(Sequence[Source]):
    """Sequence of training sources, with deferred access to their test rows.

    The test rows are not read before `open_test` is called, which only the last step of a study does.

    Attributes:
        training: Training sources; the sequence consists of these.
        open_test: Function that returns the sources of test rows; `None` if there are no test rows.
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
