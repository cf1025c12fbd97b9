"""Conversion of sources to tensors, split into a training and a validation part."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polytask.data import Normalization, Preprocessor, Source, train_validation_rows
from polytask.data.input_entries import RowReader, are_mapped, map_entries, named_entries, sample_of
from polytask.data.memmap import iter_blocks, row_slices
from polytask.errors import ConfigError, DataError
from polytask.seeds import derive_seed
from polytask.tasks import Task
from polytask.tasks.base import has_label
from polytask.training.preparation.batch import Batch
from polytask.training.preparation.known_sources import known_sources
from polytask.training.preparation.label_checks import check_labels
from polytask.training.preparation.label_share import ALL_LABELS, LabelShare

Rows = NDArray[np.int64]
LARGE_SOURCE_ROWS = 20_000


@dataclass(frozen=True)
class PreparedSource:
    """All rows of a source, or of a part of it, as tensors.

    Attributes:
        rows: All rows as one batch, from which others are taken.
        truths: Per task, the labels of the labeled rows, encoded as predictions are, for metrics.
        preprocessor: Preprocessor of the inputs, if they are texts or a table; otherwise None.
        memory_mapped: Whether the inputs are in a memory-mapped file.
        transform: Function that changes the inputs of batches of training, which are the only ones that it is for.
        epoch_rows: Number of rows that an epoch draws from `rows`, with repetition if it is larger than theirs; `None` is their number.
    """

    rows: Batch
    truths: Mapping[str, NDArray[Any]]
    preprocessor: Preprocessor | None = None
    memory_mapped: bool = False
    transform: Callable[..., Any] | None = None
    epoch_rows: int | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class PreparedData:
    """Training and validation data of one network.

    Attributes:
        tasks: Tasks with what they learned from the training labels, such as their classes.
        training: Training part of each source.
        validation: Validation part of each source.
        unlabeled: Names of the sources that were given without a label of the tasks, which are not used.
    """

    tasks: tuple[Task, ...]
    training: Mapping[str, PreparedSource]
    validation: Mapping[str, PreparedSource]
    unlabeled: tuple[str, ...] = ()


def prepare_data(
    sources: Sequence[Source],
    tasks: Sequence[Task],
    *,
    validation_fraction: float | None,
    seed: int,
    label_share: LabelShare = ALL_LABELS,
) -> PreparedData:
    """Split the sources, fit statistics, and encode labels.

    1. Every source is split into a training and a validation part, stratified and seeded. The split does not depend on `tasks`, so that a
       network for one task and a network for all of them use the same rows.
    2. Statistics (of inputs per source, of targets per task) are computed on the training part only.
    3. Labels are encoded as targets. Inputs are not copied until a batch is made: both parts refer to the source's array.

    Args:
        sources: Training sources; those without a label of the tasks are ignored.
        tasks: Tasks to predict.
        validation_fraction: Fraction of the rows in the validation part; None uses `default_validation_fraction`.
        seed: Seed of the split.
        label_share: Share of the labels of the training part that is used. Rows without a used label are left out, and an epoch draws the
            others more often, so that it has as many steps as with all labels.

    Raises:
        ConfigError: No source labels a task, or two sources have the same name.
        DataError: A task has no labels in a part, or labels of one class where two are needed; or inputs, labels or weights are invalid.

    Example:
        >>> from polytask.tasks import Regression
        >>> source = Source("toy", np.arange(10.0).reshape(-1, 1), {"size": np.arange(10.0)})
        >>> data = prepare_data([source], [Regression(name="size")], validation_fraction=0.2, seed=0)
        >>> len(data.training["toy"]), len(data.validation["toy"])
        (8, 2)
    """
    wanted, sources = [task.name for task in tasks], known_sources(sources, tasks)
    used = [source for source in sources if set(source.tasks) & set(wanted)]
    _check_names_are_unique(sources)
    _check_every_task_has_a_source(wanted, sources)
    label_share.check(sources)
    share = default_validation_fraction(used) if validation_fraction is None else validation_fraction
    for source in used:
        _check_inputs(source)
        _check_labels(source)
    parts = {source.name: split_source(source, share, seed) for source in used}
    labeled = {source.name: label_share.rows_of(source, parts[source.name][0], seed) for source in used}
    fitted = tuple(task.fitted(_labels_of(task, used, labeled)) for task in tasks)
    training, held_out = {}, {}
    for source in used:
        first, second = parts[source.name]
        normalization = Normalization.of(source, kept := _joined(labeled[source.name], first))
        training[source.name] = _with_labels(_encode_source(source, fitted, normalization, kept), kept, labeled[source.name], len(first))
        held_out[source.name] = _encode_source(source, fitted, normalization, second)
    for part, prepared in (("training", training), ("validation", held_out)):
        check_labels(fitted, part, _labels_by_task(wanted, prepared))
    return PreparedData(fitted, training, held_out, tuple(source.name for source in sources if source.name not in training))


def split_source(source: Source, share: float, seed: int) -> tuple[Rows, Rows]:
    """Return the training and the validation rows of a source, which are the same for all networks of a seed, whatever their tasks.

    Args:
        source: Source to split.
        share: Fraction of the rows in the validation part.
        seed: Seed from which the seed of the split is derived.
    """
    return train_validation_rows(source, share, derive_seed(seed, "split", source.name))


def prepare_source(source: Source, tasks: Sequence[Task], normalization: Normalization) -> PreparedSource:
    """Return the rows of a source as tensors, with targets of those tasks that it labels.

    Args:
        source: Source with inputs and, possibly, labels.
        tasks: Fitted tasks; those that the source does not label are ignored.
        normalization: Normalization of the inputs.

    Raises:
        DataError: An input is not a finite number, a label cannot be encoded, or the entries are not those of the normalization.
    """
    entries = tuple(source.input_shape) if source.has_entries else ()
    if set(entries) != set(normalization.entries):
        wanted = f"the entries {', '.join(normalization.entries)}" if normalization.entries else "one array"
        found = f"entries {', '.join(entries)}" if entries else "one array"
        raise DataError(f"inputs must have the form of those of training, {wanted}", where=f"source {source.name!r}", found=found)
    for name, own in normalization.entries.items():
        entry = sample_of(source.inputs)[name]
        if not own.mean and entry.dtype.kind not in "iu":
            where = f"source {source.name!r}, entry {name!r}"
            raise DataError("codes must be integers, as in training", where=where, found=entry.dtype, remedy="Convert them to int64")
    _check_inputs(source)
    return _encode_source(source, tasks, normalization)


def _encode_source(source: Source, tasks: Sequence[Task], normalization: Normalization, part: Rows | None = None) -> PreparedSource:
    """Return all rows of a source, or those of a part of it, as tensors; inputs are not copied."""
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
    inputs = source.inputs if isinstance(source.inputs, RowReader) else map_entries(_as_tensor, source.inputs)
    rows = Batch(source.name, inputs, targets, labeled, normalization, weights, places, source.loader_workers)
    return PreparedSource(rows, truths, source.preprocessor, are_mapped(source.inputs), source.transform)


def _joined(labeled: Mapping[str, Rows], part: Rows) -> Rows:
    """Return the rows of a part of which any label is used."""
    largest = max(labeled.values(), key=len)  # the rows of all tasks are those of the part, or one subset of them
    return part if len(largest) == len(part) else largest


def _with_labels(source: PreparedSource, part: Rows, labeled: Mapping[str, Rows], epoch_rows: int) -> PreparedSource:
    """Return the rows of a training part without the labels that are not used."""
    unused = {task: np.isin(part, rows, invert=True) for task, rows in labeled.items() if len(rows) < len(part)}
    masks, truths, weights = dict(source.rows.labeled), dict(source.truths), dict(source.rows.weights)
    for task in unused.keys() & source.rows.targets.keys():
        mask, without = masks[task], torch.from_numpy(unused[task])
        known = np.ones(len(part), dtype=np.bool_) if (own := source.rows.labeled_rows(task)) is None else own.numpy()
        truths[task] = truths[task][~unused[task][known]]
        masks[task] = used = ~without if mask is None else mask & ~(without if mask.dim() == 1 else without.unsqueeze(1))
        if task in weights and used.any():
            weights[task] = weights[task] / weights[task][used].mean()
    if len(part) == epoch_rows and not unused:
        return source
    return replace(source, rows=replace(source.rows, labeled=masks, weights=weights), truths=truths, epoch_rows=epoch_rows)


def _take_part(entries: object, part: Rows | None) -> NDArray[Any]:
    array = np.asarray(entries)
    return array if part is None else array[part]


def default_validation_fraction(sources: Sequence[Source]) -> float:
    """Return the default fraction of validation rows: 0.2 if the largest source has at most 20,000 rows, else 0.1.

    Example:
        >>> default_validation_fraction([Source("toy", np.zeros((10, 1)), {})])
        0.2
    """
    return 0.2 if max(len(source) for source in sources) <= LARGE_SOURCE_ROWS else 0.1


def _labels_of(task: Task, sources: Sequence[Source], labeled: Mapping[str, Mapping[str, Rows]]) -> NDArray[Any]:
    """Return the labels of a task that are used in the training parts of all sources; those of tokens one after the other."""
    known = [source for source in sources if task.name in source.labels]
    parts = [np.asarray(source.labels[task.name])[labeled[source.name][task.name]] for source in known]
    return np.concatenate([part.ravel() if task.per_token else part for part in parts])


def _loss_weights(source: Source, task: str, labeled: Tensor | None, part: Rows | None) -> Tensor:
    """Return the weights (N,) float32 of the rows, with mean 1 over the labeled rows, so that they do not change the size of the loss.

    Raises:
        DataError: A weight is negative or not finite, or all labeled rows have the weight 0.
    """
    where = f"source {source.name!r}, task {task!r}"
    given = np.asarray(_take_part((source.weights or {})[task], part))
    if given.dtype.kind not in "buif":
        raise DataError("a row's weight must be a number", where=where, found=f"an array of {given.dtype}")
    weights = given.astype(np.float64)
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        where = f"{where}, row {_take_part(source.units, part)[bad[0]]}"
        raise DataError("a row's weight must be a finite number of at least 0", where=where, found=weights[bad[0]])
    mean = weights.mean() if labeled is None else weights[labeled.numpy()].mean() if labeled.any() else 1.0
    if not mean:
        raise DataError("all labeled rows have the weight 0", where=where, remedy="Leave the target out, or give rows a positive weight")
    return torch.from_numpy((weights / mean).astype(np.float32))


def _as_tensor(array: NDArray[Any]) -> Tensor:
    """Return a tensor that shares the array's memory.

    The memory may be read-only, such as a mapped file: PyTorch's warning is suppressed because tensors are never written to.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return torch.from_numpy(array)


def _check_inputs(source: Source) -> None:
    if isinstance(source.inputs, RowReader):
        return  # rows are checked when they are read
    for entry, array in named_entries(source.inputs):
        where = f"source {source.name!r}{entry}"
        if array.dtype.kind not in "fiub":
            raise DataError("inputs must be numbers", where=where, found=array.dtype)
        if array.dtype.kind == "f" and source.preprocessor is None:  # preprocessors check values, and tables may have missing ones
            _check_numbers(source, where, array)


def _check_numbers(source: Source, where: str, array: NDArray[Any]) -> None:
    """Raise an error for values that are not finite; missing steps and numbers of sequences are NaN."""
    sequences = array.ndim == 3
    wrong = np.isinf if sequences else lambda block: ~np.isfinite(block)
    found_in = [wrong(block).reshape(len(block), -1).any(axis=1) for block in iter_blocks(array)]
    bad = np.flatnonzero(np.concatenate([*found_in, np.empty(0, dtype=np.bool_)]))
    if len(bad):
        found = f"{'infinity' if sequences else 'NaN or infinity'} in {len(bad)} rows"
        remedy = "Write NaN for missing values" if sequences else "Fill missing values first"
        raise DataError("inputs must be finite numbers", where=f"{where}, row {source.units[bad[0]]}", found=found, remedy=remedy)


def _check_labels(source: Source) -> None:
    """Raise an error for labels without a canonical text, such as sets (splits and fingerprints depend on it), and of missing steps."""
    for task, labels in source.labels.items():
        if source.has_steps and labels.ndim == 2 and not isinstance(source.inputs, RowReader):
            _check_labels_of_steps(source, task, labels)
        if labels.dtype == object and labels.ndim == 1:
            row = next((row for row, label in enumerate(labels) if isinstance(label, list | set | frozenset | dict)), None)
            if row is not None:
                where, remedy = f"source {source.name!r}, {task!r}, row {row}", "Convert sets to texts: Multilabel.labels(...)"
                raise DataError("a label must be a text, a number or a tuple", where=where, found=repr(labels[row]), remedy=remedy)


def _check_labels_of_steps(source: Source, task: str, labels: NDArray[Any]) -> None:
    """Raise an error for a label of a step whose numbers are all missing."""
    for part in row_slices(len(source)):
        wrong = has_label(labels[part]) & np.isnan(source.inputs[part]).all(axis=2)
        if wrong.any():
            row, step = (int(places[0]) for places in np.nonzero(wrong))
            where = f"source {source.name!r}, {task!r}, row {source.units[part.start + row]}, step {step}"
            found, remedy = repr(labels[part.start + row, step]), "Write None for it"
            raise DataError("a step without numbers has no label", where=where, found=found, remedy=remedy)


def _check_names_are_unique(sources: Sequence[Source]) -> None:
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError("source names must be unique", where=f"source {name!r}", found=f"{names.count(name)} sources of this name")


def _check_every_task_has_a_source(wanted: Sequence[str], sources: Sequence[Source]) -> None:
    known = {task for source in sources for task in source.tasks}
    for task in wanted:
        if task not in known:
            raise ConfigError("no source labels this task", where=f"task {task!r}", remedy=f"Choose from: {', '.join(sorted(known))}")


def _labels_by_task(wanted: Sequence[str], prepared: Mapping[str, PreparedSource]) -> dict[str, NDArray[Any]]:
    found = {task: [source.truths[task] for source in prepared.values() if task in source.truths] for task in wanted}
    return {task: np.concatenate(parts) for task, parts in found.items()}
