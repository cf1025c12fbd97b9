"""Sources from map-style data sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from polytask.data.input_entries import Inputs, check_loading, map_entries, named_entries
from polytask.data.loading.dataset_items import Columns, DatasetItems, label_array
from polytask.data.loading.dataset_rows import DatasetRows
from polytask.data.loading.read_ahead import ReadAhead, seeded_randomness
from polytask.data.memmap import allocate_array
from polytask.data.source import Source
from polytask.errors import ConfigError, DataError
from polytask.registry.resolve import described
from polytask.registry.suggestion import nearest

BYTES_PER_READ = 2**23
"""Size of the inputs that are read at a time, if several rows are that small."""

MOST_ROWS_PER_READ = 256

Labels = dict[str, list[Any]]


def source_from_dataset(
    name: str,
    dataset: Any,  # noqa: ANN401 - anything with a length and items
    inputs: Columns | None,
    labels: str | Sequence[str] | Mapping[str, Any] | None,
    lazy: bool,
    fields: Mapping[str, Any],
) -> Source:
    """Create a source from a map-style data set; see `Source.from_dataset`."""
    where = f"source {name!r}"
    _check_fields(fields, where)
    rows = _checked_length(dataset, where)
    given, columns = _split_labels(labels, where)
    items = DatasetItems(dataset, where, _entry_columns(inputs), columns)
    with seeded_randomness(0):
        ((first, named),) = items.read([0])
    example = map_entries(lambda array: array[None], first)
    workers = fields["loader_workers"]
    if lazy:
        found = _read_labels(items, rows, example, workers) if named else {}
        whole: Inputs = DatasetRows(items, example, np.arange(rows))
    else:
        whole, found = _read_all(items, rows, example, workers)
    every = {task: label_array(values) for task, values in found.items()} | given
    if not every:
        raise ConfigError("the labels must be named", where=where, remedy='For example labels=["digit"], in the order of the item')
    return Source(name, whole, every, **fields)


def _check_fields(fields: Mapping[str, Any], where: str) -> None:
    """Check the attributes of the source before any item is read.

    Raises:
        ConfigError: A name is no attribute of sources, or the transform or the number of workers is invalid.
    """
    known = tuple(attribute.name for attribute in dataclass_fields(Source))[3:]
    for name in fields:
        if name not in known:
            raise ConfigError("a source has no such attribute", where=where, found=repr(name), remedy=nearest(name, known))
    check_loading(fields.get("transform"), fields["loader_workers"], where)


def _checked_length(dataset: Any, where: str) -> int:  # noqa: ANN401 - whatever the user passes
    """Return the number of items.

    Raises:
        ConfigError: The data set has none, or is no map-style data set.
        DataError: It is empty.
    """
    has_items = hasattr(dataset, "__getitem__") and not isinstance(dataset, IterableDataset | Mapping | str)
    try:
        rows = len(dataset) if has_items else None
    except (TypeError, NotImplementedError):
        rows = None
    if rows is None:
        remedy = "Pass a map-style data set, or the items of this one in a list: list(dataset)"
        raise ConfigError("a data set with a length and items by number is needed", where=where, found=described(dataset), remedy=remedy)
    if not rows:
        raise DataError("a data set needs at least one item", where=where, found="length 0")
    return int(rows)


def _entry_columns(inputs: Columns | None) -> str | Mapping[str, str] | None:
    if inputs is None or isinstance(inputs, str):
        return inputs
    return dict(inputs) if isinstance(inputs, Mapping) else {column: column for column in inputs}


def _split_labels(
    labels: str | Sequence[str] | Mapping[str, Any] | None, where: str
) -> tuple[dict[str, NDArray[Any]], dict[str, str] | None]:
    """Return the labels that are given as arrays, and the columns of those that are in the items."""
    if labels is None:
        return {}, None
    if isinstance(labels, str):
        return {}, {labels: labels}
    if not isinstance(labels, Mapping):
        names = list(labels)
        if not names or not all(isinstance(name, str) for name in names):
            remedy = 'For example labels=["digit"]'
            raise ConfigError("names of tasks are needed", where=f"{where}, labels", found=described(labels), remedy=remedy)
        return {}, {name: name for name in names}
    columns = {task: column for task, column in labels.items() if isinstance(column, str)}
    given = {task: np.asarray(values) for task, values in labels.items() if not isinstance(values, str)}
    return given, columns


def _requests(rows: int, example: Inputs) -> Iterator[range]:
    size = sum(array.nbytes for _, array in named_entries(example))
    count = min(MOST_ROWS_PER_READ, max(1, BYTES_PER_READ // max(1, size)))
    return (range(start, min(start + count, rows)) for start in range(0, rows, count))


def _read_all(items: DatasetItems, rows: int, example: Inputs, workers: int) -> tuple[Inputs, Labels]:
    """Read all items once, into memory, or into a temporary file if they need more than half of the memory that is free."""
    needed = rows * sum(array.nbytes for _, array in named_entries(example))
    on_disk = needed > psutil.virtual_memory().available / 2
    whole = map_entries(lambda array: allocate_array((rows, *array.shape[1:]), array.dtype, on_disk=on_disk), example)
    labels: Labels = {}

    place = 0
    for inputs, found in ReadAhead(partial(_read_items, items, example), workers).calls(_requests(rows, example)):
        for (_, target), (_, part) in zip(named_entries(whole), named_entries(inputs), strict=True):
            target[place : place + len(found)] = part.numpy()
        _add_labels(labels, found, items.where, place)
        place += len(found)
    return whole, labels


def _read_labels(items: DatasetItems, rows: int, example: Inputs, workers: int) -> Labels:
    """Read the labels of all items; a data set that can leave out columns, as those of Hugging Face can, does not read inputs."""
    labels: Labels = {}
    wanted = items
    select = getattr(items.dataset, "select_columns", None)
    if select is not None and items.inputs is not None and items.labels:
        wanted = replace(items, dataset=select(list(items.labels.values())), inputs={})

    for found in ReadAhead(partial(_read_own_labels, wanted), workers).calls(_requests(rows, example)):
        _add_labels(labels, found, items.where, len(next(iter(labels.values()), [])))
    return labels


def _read_items(items: DatasetItems, example: Inputs, indices: range) -> tuple[Inputs, list[dict[str, Any]]]:
    with seeded_randomness(indices.start):
        found = items.read(indices)
    stacked = items.stacked([inputs for inputs, _ in found], example, indices)
    return map_entries(torch.from_numpy, stacked), [own for _, own in found]


def _read_own_labels(items: DatasetItems, indices: range) -> list[dict[str, Any]]:
    with seeded_randomness(indices.start):
        return [own for _, own in items.read(indices)]


def _add_labels(labels: Labels, found: Sequence[Mapping[str, Any]], where: str, place: int) -> None:
    for number, own in enumerate(found, start=place):
        if number and own.keys() != labels.keys():
            what = f"all items must have labels of the same tasks, {', '.join(labels) or 'none'}; None where there is none"
            raise DataError(what, where=f"{where}, index {number}", found=", ".join(own) or "none")
        for task, label in own.items():
            labels.setdefault(task, []).append(label)
