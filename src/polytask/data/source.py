"""Sources: inputs and the labels that belong to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from polytask.data.input_entries import (
    Inputs,
    RowReader,
    array_of,
    check_loading,
    checked_inputs,
    count_rows,
    input_shape,
    sample_of,
    take_inputs,
)
from polytask.data.loading.dataset_items import Columns
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
            table. Several inputs per row are a dict of such arrays, such as an image and a table, which a network of your own takes as a
            dict of tensors; in a dict, integers of 64 bits are codes, which are not normalized. Rows that `from_dataset` reads when they
            are needed are a reader in place of an array.
        labels: (N,) original labels of each task, such as numbers or strings; NaN or None where a row has none. If inputs are sequences,
            that is, codes (N, L) with 0 as padding or numbers (N, L, C), a task may label every token or step: (N, L). A task of several
            numbers has labels (N, k).
        units: (N,) identifier of each row in predictions; by default its row number, from 0.
        preprocessor: Preprocessor that produced the inputs from texts or a table, saved with the trained model; `None` if there is none.
        held_out: (N,) True for the validation rows, on which models are selected; `None` draws them at random.
        groups: (N,) group of each row, such as a customer or a patient; rows of one group stay together when rows are split. `None` means
            no groups.
        weights: (N,) nonnegative factor of each row's loss, for each task; tasks that are not named weight all rows equally.
        transform: Function that changes the inputs of every batch of training, such as an augmentation; validation, test and prediction
            use the inputs as they are. It gets a tensor (B, ...), or a dict of tensors, with the values of `inputs`, before they are
            normalized, and returns a changed one of the same shape. If it has an argument `generator`, it gets a `torch.Generator`; the
            global generators of PyTorch, NumPy and Python are seeded too, so that a seed gives the same batches. `None` changes nothing.
        loader_workers: Number of processes that read and transform the batches of the next steps; 0 does this in the training process.
            The batches do not depend on it.

    Raises:
        DataError: The name is empty; `inputs` is a scalar; entries of a dict have different numbers of rows; or labels, units or another
            attribute do not have exactly one entry per row. Labels that are not numbers have the shape (N, L) for inputs of tokens or
            steps only.

    Example:
        >>> source = Source("toy", np.zeros((3, 2), "float32"), {"size": np.array([1.0, 2.0, np.nan])})
        >>> len(source), source.tasks
        (3, ('size',))
    """

    name: str
    inputs: Inputs
    labels: Mapping[str, Array]
    units: Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    preprocessor: Preprocessor | None = None
    held_out: NDArray[np.bool_] | None = None
    groups: Array | None = None
    weights: Mapping[str, Array] | None = None
    transform: Callable[..., Any] | None = None
    loader_workers: int = 0

    def __post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str) or not name:
            raise DataError("a source needs a name", where="name", found=described(name))
        object.__setattr__(self, "inputs", checked_inputs(self.inputs, f"source {self.name!r}"))
        check_loading(self.transform, self.loader_workers, f"source {self.name!r}")
        if self.preprocessor is not None and (self.has_entries or isinstance(self.inputs, RowReader)):
            found = "inputs as a dict" if self.has_entries else "rows that are read when they are needed"
            raise DataError("a preprocessor belongs to inputs in one array", where=f"source {self.name!r}", found=found)
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
        object.__setattr__(self, "labels", {task: array_of(labels) for task, labels in self.labels.items()})
        rows = len(self)
        object.__setattr__(self, "units", np.asarray(self.units) if len(self.units) else np.arange(rows))
        given = [
            (name, np.asarray(entries)) for name, entries in (("held_out", self.held_out), ("groups", self.groups)) if entries is not None
        ]
        given += [(f"weights of {task}", np.asarray(own)) for task, own in (self.weights or {}).items()]
        for name, entries in [*self.labels.items(), ("units", self.units), *given]:
            per_token = name in self.labels and entries.ndim == 2 and self.has_tokens and entries.shape == (rows, self.input_shape[0])
            vectors = name in self.labels and entries.ndim == 2 and entries.dtype.kind in "iuf" and len(entries) == rows
            if entries.shape != (rows,) and not per_token and not vectors:
                found = f"{len(entries)} entries" if entries.ndim == 1 else f"entries of shape {entries.shape}"
                where = f"source {self.name!r}, {name!r}"
                raise DataError("exactly one entry per row is needed", where=where, found=f"{found} for {rows} rows")

    def __len__(self) -> int:
        return count_rows(self.inputs)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks with labels in this source, possibly for some rows only."""
        return tuple(self.labels)

    @property
    def has_tokens(self) -> bool:
        """True if the inputs are integer codes (N, L, ...) of tokens, or sequences (N, L, C) of numbers."""
        sample = sample_of(self.inputs)
        return self.has_steps or (not self.has_entries and sample.ndim > 1 and bool(sample.dtype == np.int64))

    @property
    def has_steps(self) -> bool:
        """True if the inputs are sequences (N, L, C) of numbers: L steps with C channels."""
        return not self.has_entries and sample_of(self.inputs).ndim == 3 and self.preprocessor is None

    @property
    def has_entries(self) -> bool:
        """True if the inputs are several arrays by name."""
        return isinstance(sample_of(self.inputs), Mapping)

    @property
    def input_shape(self) -> Any:  # noqa: ANN401 - a shape, or shapes by name
        """Shape of one input, or the shape of each entry by name."""
        return input_shape(self.inputs)

    @classmethod
    def from_dataset(
        cls,
        name: str,
        dataset: Any,  # noqa: ANN401 - anything with a length and items
        inputs: Columns | None = None,
        labels: str | Sequence[str] | Mapping[str, Any] | None = None,
        *,
        lazy: bool = False,
        loader_workers: int = 0,
        **fields: Any,  # noqa: ANN401 - attributes of a source
    ) -> Source:
        """Create a source from a map-style data set, such as `torch.utils.data.Dataset`, a list, or a Hugging Face data set.

        Items are `(input, label, ...)`, `(input, {task: label})`, or dicts with columns. An input is an array, a tensor, a Pillow image,
        or a dict of such. All inputs have the shape and type of the first one. A label is a number, a text, or `None` where there is none.

        By default all items are read once, into memory, or into a temporary file if they need more than half of the free memory. With
        `lazy`, the inputs of a batch are read when the batch is made: labels that are not given as arrays are then still read once, and
        the statistics of normalization come from 2,048 rows.

        Args:
            name: Name of the source.
            dataset: Data set with `len` and items by integers from 0; rows keep this order.
            inputs: Column of the inputs, for items that are dicts; several columns, or a mapping to them from the names of entries, give
                several inputs per row.
            labels: Names of the tasks, in the order of the labels of an item, or which of its dict of labels or columns to use; or a
                mapping from tasks to columns, or to arrays (N,) of labels. Items with a dict of labels need no names.
            lazy: Whether to read the inputs of each batch when it is made, for data that are too large to keep.
            loader_workers: Number of processes that read, now and, with `lazy` or a `transform`, the batches of the next steps.
            **fields: Other attributes of the source, such as `groups`, `units`, `held_out`, `weights` and `transform`.

        Raises:
            ConfigError: The data set has no length or no items by number, or the labels or the columns of inputs are not named.
            DataError: The data set is empty, or an item cannot be read or has another form; the message names its index.

        Example:
            >>> items = [(np.full((1, 8, 8), number, "uint8"), number % 2, number / 10) for number in range(10)]
            >>> source = Source.from_dataset("toy", items, labels=["odd", "size"])
            >>> source.inputs.shape, source.labels["odd"][:3].tolist()
            ((10, 1, 8, 8), [0, 1, 0])
        """
        from polytask.data.loading.dataset_source import source_from_dataset

        return source_from_dataset(name, dataset, inputs, labels, lazy, {"loader_workers": loader_workers, **fields})

    @classmethod
    def from_image_folder(
        cls,
        table: str | PathLike[str],
        images: str | PathLike[str] | None = None,
        path: str = "path",
        labels: str | Sequence[str] | Mapping[str, str] | None = None,
        *,
        size: int | tuple[int, int] | None = None,
        channels: int | None = None,
        **options: Any,  # noqa: ANN401 - options of `from_dataset`
    ) -> Source:
        """Create a source from a folder of image files and a table with one row per image.

        Images become bytes (channels, height, width); gray values of more than 8 bits become float32 and keep their values. Paths are the
        units of predictions if no path occurs twice.

        Args:
            table: CSV or Parquet file with a column of paths and columns of labels; empty cells are missing labels.
            images: Folder in which the paths are; by default that of the table. Paths that lead out of it are refused.
            path: Column of the paths.
            labels: Columns of labels, or a mapping to them from names of tasks; by default all columns that have no other use.
            size: Height and width to which images are resized (bilinear); `None` wants images of one size.
            channels: 1 converts to gray, 3 to colors; `None` wants images of one kind.
            **options: `name` of the source (by default that of the table), `lazy` and `loader_workers` (see `from_dataset`), and attributes
                of the source, of which `groups`, `units` and `held_out` may be names of columns.

        Raises:
            MissingExtraError: Pillow is not installed.
            ConfigError: There is no such column or folder, or an option is invalid.
            DataError: The table is malformed, a path leads nowhere or out of the folder, or an image cannot be read or has another size;
                the message names the file.

        Example:
            >>> Source.from_image_folder("labels.csv", images="photos", path="file", size=(64, 64))  # doctest: +SKIP
        """
        from polytask.data.loading.image_folder import source_from_image_folder

        return source_from_image_folder(table, images, path, labels, {"size": size, "channels": channels}, options)

    def take(self, rows: NDArray[np.int64]) -> Source:
        """Return a source with the given rows only, in the given order.

        Args:
            rows: Row numbers, from 0.
        """
        labels = {task: labels[rows] for task, labels in self.labels.items()}
        held_out, groups = (None if entries is None else np.asarray(entries)[rows] for entries in (self.held_out, self.groups))
        weights = None if self.weights is None else {task: np.asarray(own)[rows] for task, own in self.weights.items()}
        own: dict[str, Any] = {"labels": labels, "units": self.units[rows], "held_out": held_out, "groups": groups, "weights": weights}
        return replace(self, inputs=take_inputs(self.inputs, rows), **own)


@dataclass(frozen=True)
class Sources(Sequence[Source]):
    """Sequence of training sources, with deferred access to their test rows.

    The test rows are not read before `open_test` is called, which only the last step of a study does.

    Attributes:
        training: Training sources; the sequence consists of these.
        open_test: Function that returns the sources of test rows; `None` if there are no test rows.
        divide: Function from a split of a cross-validation (`polytask.data.Fold`) to its sources, of which `training` are all rows; `None`
            divides the rows and leaves all else as it is.
    """

    training: tuple[Source, ...]
    open_test: Callable[[], tuple[Source, ...]] | None = None
    divide: Callable[[Any], Sources] | None = None

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
