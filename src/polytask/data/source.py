"""Sources: inputs with the labels that came with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from polytask.data.memmap import take_rows
from polytask.data.preprocessing.preprocessor import Preprocessor
from polytask.errors import DataError

Array = NDArray[Any]


@dataclass(frozen=True)
class Source:
    """Inputs, and per task the labels that came with them.

    Attributes:
        name: How batches, splits and messages call it.
        inputs: (N, ...) one row per input: images as uint8 (N, channels, height, width), vectors as float32 (N, features), or what
            `preprocessor` made of texts or of a table.
        labels: Per task (N,) original labels: numbers, words; NaN or None where a row has none. Where inputs are tokens, codes
            (N, L) of which 0 is padding, a task may label every token: (N, L).
        units: (N,) what each row is called in predictions; by default its number.
        preprocessor: What made the inputs, if they are texts or a table: it comes with the trained model.
        held_out: (N,) True for the rows on which models are to be chosen; nothing where they are to be drawn.
        groups: (N,) what rows belong together (a customer, a patient): rows of one group stay in one part when rows are divided.
        weights: Per task (N,) what a row's loss is multiplied with, from 0 up; tasks that are not named weigh all rows alike.

    Raises:
        DataError: A task has more or fewer labels than there are rows, or several to a row that is not made of tokens.

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
        if not self.inputs.ndim:
            raise DataError("inputs are one row per input", where=f"source {self.name!r}", found=repr(self.inputs.item()))
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
                raise DataError("every row needs an entry, if only an empty one", where=where, found=f"{found} for {rows} rows")

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that this source labels, at least in part."""
        return tuple(self.labels)

    @property
    def has_tokens(self) -> bool:
        """Whether inputs are codes (N, L, ...) of tokens."""
        return self.inputs.ndim > 1 and self.inputs.dtype == np.int64

    def take(self, rows: NDArray[np.int64]) -> Source:
        """The source of these rows only."""
        labels = {task: labels[rows] for task, labels in self.labels.items()}
        held_out, groups = (None if entries is None else np.asarray(entries)[rows] for entries in (self.held_out, self.groups))
        weights = None if self.weights is None else {task: np.asarray(own)[rows] for task, own in self.weights.items()}
        return Source(self.name, take_rows(self.inputs, rows), labels, self.units[rows], self.preprocessor, held_out, groups, weights)


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
