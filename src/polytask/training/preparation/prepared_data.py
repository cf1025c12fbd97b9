"""From sources to what a network can be trained on, as one visible step."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polytask.data import Normalization, Preprocessor, Source, train_validation_rows
from polytask.data.memmap import is_memmap, iter_blocks
from polytask.errors import ConfigError, DataError
from polytask.seeds import derive_seed
from polytask.tasks import Task
from polytask.training.preparation.label_checks import check_labels

Rows = NDArray[np.int64]
LARGE_SOURCE_ROWS = 20_000


@dataclass(frozen=True)
class Batch:
    """Rows of one source as tensors; inputs are normalized when a network is about to see them.

    Attributes:
        source: Its name.
        all_inputs: (M, ...) inputs as they came, those of its rows among them: many batches may look at one array.
        targets: Per task (N,), (N, C) of sets of labels, or (N, L) of tokens, as `Task.encode` gives them.
        labeled: Per task (N,), or (N, L) of tokens, True where there is a label; None where all rows have one, never of tokens.
        normalization: With the statistics of the source's training rows.
        weights: Per task that has any (N,) what a row's loss is multiplied with.
        row_indices: (N,) which of the stored inputs are those of its rows; None where all are, in this order.
    """

    source: str
    all_inputs: Tensor
    targets: Mapping[str, Tensor]
    labeled: Mapping[str, Tensor | None]
    normalization: Normalization
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    row_indices: Tensor | None = None

    def __len__(self) -> int:
        return len(self.all_inputs if self.row_indices is None else self.row_indices)

    @property
    def inputs(self) -> Tensor:
        """(N, ...) the inputs of its rows: picked out where they are some of many, which takes memory for them."""
        return self.all_inputs if self.row_indices is None else self.all_inputs.index_select(0, self.row_indices)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that are labeled here, at least in part."""
        return tuple(self.targets)

    def take(self, rows: Tensor) -> Batch:
        """These rows of it."""
        targets = {task: values.index_select(0, rows) for task, values in self.targets.items()}
        labeled = {task: None if mask is None else mask.index_select(0, rows) for task, mask in self.labeled.items()}
        weights = {task: own.index_select(0, rows) for task, own in self.weights.items()}
        inputs = self.all_inputs.index_select(0, rows if self.row_indices is None else self.row_indices.index_select(0, rows))
        return Batch(self.source, inputs, targets, labeled, self.normalization, weights)

    def slice_rows(self, rows: slice) -> Batch:
        """Consecutive rows of it: without a copy, but of inputs that are some of many."""
        targets = {task: values[rows] for task, values in self.targets.items()}
        labeled = {task: None if mask is None else mask[rows] for task, mask in self.labeled.items()}
        weights = {task: own[rows] for task, own in self.weights.items()}
        inputs = self.all_inputs[rows] if self.row_indices is None else self.all_inputs.index_select(0, self.row_indices[rows])
        return Batch(self.source, inputs, targets, labeled, self.normalization, weights)

    def counts(self) -> dict[str, int]:
        """How many labeled units each task has here."""
        return {task: len(self.targets[task]) if mask is None else int(mask.sum()) for task, mask in self.labeled.items()}

    def labeled_rows(self, task: str) -> Tensor | None:
        """(N,) True for rows that have a label of the task, if only of one of their tokens; None where all have one."""
        mask = self.labeled[task]
        return mask.any(dim=1) if mask is not None and mask.dim() == 2 else mask


@dataclass(frozen=True)
class PreparedSource:
    """All rows of a source, or of a part of it.

    Attributes:
        rows: As one batch, from which others are taken.
        truths: Per task the labels that are there, in the coding of predictions: what metrics compare with.
        preprocessor: What made the inputs, if they are texts or a table.
        filed: Whether the inputs lie in a file.
    """

    rows: Batch
    truths: Mapping[str, NDArray[Any]]
    preprocessor: Preprocessor | None = None
    filed: bool = False

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class PreparedData:
    """What one network is trained and chosen on.

    Attributes:
        tasks: With what they learned from the training labels.
        training: Per source its training part.
        validation: Per source its validation part.
    """

    tasks: tuple[Task, ...]
    training: Mapping[str, PreparedSource]
    validation: Mapping[str, PreparedSource]


def prepare_data(sources: Sequence[Source], tasks: Sequence[Task], *, validation_fraction: float | None, seed: int) -> PreparedData:
    """Split, fit and encode.

    1. Every source is split into a training and a validation part, stratified and seeded, whatever the tasks wanted: so
       that a network for one task and a network for all of them see the same rows.
    2. Statistics (of inputs per source, of targets per task) come from the training part alone.
    3. Labels become targets; inputs stay as and where they are until a batch is made: both parts look at the source's own array.

    Args:
        sources: Training sources; those without a label of the tasks are left out.
        tasks: What is to be predicted.
        validation_fraction: Share of the validation part; None takes `default_validation_fraction`.
        seed: Of the split.

    Raises:
        ConfigError: A task that no source labels; two sources of one name.
        DataError: A task without labels in a part, or with labels of one class where that is not enough; inputs or labels that
            cannot be.

    Example:
        >>> from polytask.tasks import Regression
        >>> source = Source("toy", np.arange(10.0).reshape(-1, 1), {"size": np.arange(10.0)})
        >>> data = prepare_data([source], [Regression(name="size")], validation_fraction=0.2, seed=0)
        >>> len(data.training["toy"]), len(data.validation["toy"])
        (8, 2)
    """
    wanted = [task.name for task in tasks]
    used = [source for source in sources if set(source.tasks) & set(wanted)]
    _check_names_are_unique(sources)
    _check_every_task_has_a_source(wanted, sources)
    share = default_validation_fraction(used) if validation_fraction is None else validation_fraction
    for source in used:
        _check_inputs(source)
        _check_labels(source)
    parts = {source.name: split_source(source, share, seed) for source in used}
    fitted = tuple(task.fitted(_labels_of(task.name, used, parts)) for task in tasks)
    training, held_out = {}, {}
    for source in used:
        first, second = parts[source.name]
        normalization = Normalization.of(source, first)
        training[source.name] = _encode_source(source, fitted, normalization, first)
        held_out[source.name] = _encode_source(source, fitted, normalization, second)
    for part, prepared in (("training", training), ("validation", held_out)):
        check_labels(fitted, part, _labels_by_task(wanted, prepared))
    return PreparedData(fitted, training, held_out)


def split_source(source: Source, share: float, seed: int) -> tuple[Rows, Rows]:
    """Which rows of a source are for training and which for validation in every network of this seed, whatever it learns."""
    return train_validation_rows(source, share, derive_seed(seed, "split", source.name))


def prepare_source(source: Source, tasks: Sequence[Task], normalization: Normalization) -> PreparedSource:
    """One source's rows as tensors, with the targets of those of the tasks that it labels.

    Raises:
        DataError: An input is not finite, or a label cannot be encoded.
    """
    _check_inputs(source)
    return _encode_source(source, tasks, normalization)


def _encode_source(source: Source, tasks: Sequence[Task], normalization: Normalization, part: Rows | None = None) -> PreparedSource:
    """All rows of a source, or those of a part of it, whose inputs are looked at where they are."""
    targets: dict[str, Tensor] = {}
    labeled: dict[str, Tensor | None] = {}
    truths: dict[str, NDArray[Any]] = {}
    for task in tasks:
        if task.name in source.labels:
            labels = _take_part(source.labels[task.name], part)
            values, mask = task.encode(labels)
            targets[task.name] = _as_tensor(values)
            labeled[task.name] = None if mask.all() and not task.per_token else _as_tensor(mask)
            truths[task.name] = task.metric_targets(labels[task.labeled_rows(labels)])
    weights = {task: _loss_weights(source, task, labeled[task], part) for task in source.weights or {} if task in targets}
    places = None if part is None else torch.from_numpy(part)
    rows = Batch(source.name, _as_tensor(source.inputs), targets, labeled, normalization, weights, places)
    return PreparedSource(rows, truths, source.preprocessor, is_memmap(source.inputs))


def _take_part(entries: object, part: Rows | None) -> NDArray[Any]:
    array = np.asarray(entries)
    return array if part is None else array[part]


def default_validation_fraction(sources: Sequence[Source]) -> float:
    """0.2 of the rows up to 20,000 of them in the largest source, 0.1 beyond.

    Example:
        >>> default_validation_fraction([Source("toy", np.zeros((10, 1)), {})])
        0.2
    """
    return 0.2 if max(len(source) for source in sources) <= LARGE_SOURCE_ROWS else 0.1


def _labels_of(task: str, sources: Sequence[Source], parts: Mapping[str, tuple[Rows, Rows]]) -> NDArray[Any]:
    """The labels of the training parts."""
    known = [source for source in sources if task in source.labels]
    return np.concatenate([np.asarray(source.labels[task])[parts[source.name][0]].ravel() for source in known])


def _loss_weights(source: Source, task: str, labeled: Tensor | None, part: Rows | None) -> Tensor:
    """(N,) float32, with mean 1 over the rows that have a label: so that weights change what counts, and not how long a step is.

    Raises:
        DataError: A weight is negative or no finite number, or all are 0.
    """
    weights = _take_part((source.weights or {})[task], part).astype(np.float64)
    where = f"source {source.name!r}, task {task!r}"
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        where = f"{where}, row {_take_part(source.units, part)[bad[0]]}"
        raise DataError("a row's weight is a number from 0 up", where=where, found=weights[bad[0]])
    mean = weights.mean() if labeled is None else weights[labeled.numpy()].mean() if labeled.any() else 1.0
    if not mean:
        raise DataError("all rows with a label have the weight 0", where=where, remedy="Leave the target out, or weigh some rows")
    return torch.from_numpy((weights / mean).astype(np.float32))


def _as_tensor(array: NDArray[Any]) -> Tensor:
    """A tensor of the array's own memory, also where that is read-only, such as a file that is mapped: nothing here writes into it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return torch.from_numpy(array)


def _check_inputs(source: Source) -> None:
    if source.inputs.dtype.kind not in "fiub":
        raise DataError("inputs must be numbers", where=f"source {source.name!r}", found=source.inputs.dtype)
    if source.inputs.dtype.kind == "f" and source.preprocessor is None:  # a coding has looked at them, and gaps of a table are no fault
        finite = [np.isfinite(block).reshape(len(block), -1).all(axis=1) for block in iter_blocks(source.inputs)]
        bad = np.flatnonzero(~np.concatenate([*finite, np.empty(0, dtype=np.bool_)]))
        if len(bad):
            where = f"source {source.name!r}, row {source.units[bad[0]]}"
            found = f"NaN or infinity in {len(bad)} rows"
            raise DataError("inputs must be finite numbers", where=where, found=found, remedy="Fill the gaps first")


def _check_labels(source: Source) -> None:
    """Rows are divided, and runs told apart, by what labels are equal and how they are written: a set has no one way."""
    for task, labels in source.labels.items():
        if labels.dtype == object and labels.ndim == 1:
            row = next((row for row, label in enumerate(labels) if isinstance(label, list | set | frozenset | dict)), None)
            if row is not None:
                where, remedy = f"source {source.name!r}, {task!r}, row {row}", "Make texts of sets: Multilabel.labels(...)"
                raise DataError("a label is a text, a number or a tuple", where=where, found=repr(labels[row]), remedy=remedy)


def _check_names_are_unique(sources: Sequence[Source]) -> None:
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError("every source needs a name of its own", where=f"source {name!r}", found=f"{names.count(name)} of that name")


def _check_every_task_has_a_source(wanted: Sequence[str], sources: Sequence[Source]) -> None:
    known = {task for source in sources for task in source.tasks}
    for task in wanted:
        if task not in known:
            raise ConfigError("no source labels this task", where=f"task {task!r}", remedy=f"Labelled: {', '.join(sorted(known))}")


def _labels_by_task(wanted: Sequence[str], prepared: Mapping[str, PreparedSource]) -> dict[str, NDArray[Any]]:
    found = {task: [source.truths[task] for source in prepared.values() if task in source.truths] for task in wanted}
    return {task: np.concatenate(parts) for task, parts in found.items()}
