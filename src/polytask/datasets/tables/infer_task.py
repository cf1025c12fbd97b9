"""Inference of tasks from target columns: kinds, classes and labels."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.reading.dataframe_checks import format_value
from polytask.data.reading.error_locations import MAX_EXACT_INTEGER
from polytask.errors import ConfigError, DataError
from polytask.registry.parsing import parse_component
from polytask.registry.registered import spec_of, written_name
from polytask.registry.resolve import resolve
from polytask.registry.unknown_option import unknown_option_error
from polytask.tasks import LabelType, Multilabel, Task
from polytask.tasks.type_of_target import LabelFacts, suggested_kind

Array = NDArray[Any]
MAX_TEXT_CLASSES = 50
"""Maximum number of distinct strings that are always accepted as classes; more must occur twice on average."""
COLLECTION_TYPES = (list, tuple, set, frozenset, np.ndarray)
LABEL_TYPES = {
    "string": "words", "boolean": "words", "integer": "numbers", "floating": "numbers", "mixed-integer-float": "numbers",
    "decimal": "numbers",
}  # fmt: skip
"""Interpretation of the results of `pandas.api.types.infer_dtype` for columns of objects."""


def column_labels(column: pd.Series[Any]) -> Array:
    """Return the labels of a column.

    Lists and sets of labels become strings separated by `|`. Numbers in a column of dtype object become float64, unless there are integers
    that float64 would round; these are left unchanged and serve as class names.

    Returns:
        (N,) numbers with NaN, or other values with None, where a row has no label.

    Raises:
        DataError: The column holds dates, durations, or labels of several types.

    Example:
        >>> column_labels(pd.Series([1, None, 2.5], dtype=object)).tolist()
        [1.0, nan, 2.5]
    """
    types = pd.api.types
    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        raise _date_target_error(column)
    there = column.notna().to_numpy(dtype=bool)
    if types.is_bool_dtype(column) and there.all():
        return column.to_numpy(dtype=bool)
    if types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
        return _numbers(column, there)
    labels = column.to_numpy(dtype=object).copy()
    labels[~there] = None
    if not there.any():
        return labels
    if isinstance(labels[there.argmax()], COLLECTION_TYPES):
        return Multilabel.labels(labels)
    return _numbers_among(column, labels, there)


def _numbers_among(column: pd.Series[Any], labels: Array, there: NDArray[np.bool_]) -> Array:
    """Return the labels of a column of objects, converted to float64 if they are numbers."""
    inferred = pd.api.types.infer_dtype(labels[there], skipna=False)
    if inferred in {"datetime", "datetime64", "date", "time", "timedelta", "timedelta64", "period"}:
        raise _date_target_error(column)
    if inferred not in LABEL_TYPES:
        raise _mixed_types_error(column, labels, there)
    if LABEL_TYPES[inferred] == "words" or any(isinstance(label, int) and abs(label) > MAX_EXACT_INTEGER for label in labels[there]):
        return labels
    return np.array([np.nan if label is None else float(label) for label in labels], dtype=np.float64)


def _date_target_error(column: pd.Series[Any]) -> DataError:
    return DataError("a target cannot hold dates", where=f"column {column.name!r}", remedy="Convert it to numbers, such as days")


def _mixed_types_error(column: pd.Series[Any], labels: Array, there: NDArray[np.bool_]) -> DataError:
    places = np.flatnonzero(there)
    sorts = [_label_type(labels[place]) for place in places]
    other = next((number for number, sort in enumerate(sorts) if sort is not sorts[0]), 0)
    found = format_value(labels[places[0]]) + (f" and {format_value(labels[places[other]])}" if other else "")
    where, remedy = f"column {column.name!r}, row {places[other] + 1}", "Convert all of them to numbers or to text"
    return DataError("labels of a target must have one type", where=where, found=found, remedy=remedy)


def _label_type(label: object) -> type:
    """Return the type of a label for comparison; all numeric types except bool count as one."""
    return Number if isinstance(label, Number) and not isinstance(label, bool | np.bool_) else type(label)


def _numbers(column: pd.Series[Any], there: NDArray[np.bool_]) -> Array:
    if there.all():
        return column.to_numpy(dtype=np.int64 if pd.api.types.is_integer_dtype(column) else np.float64)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def infer_multilabel(column: pd.Series[Any]) -> str | None:
    """Return the kind of task for a column of lists or sets of labels; `None` for any other column."""
    there = column.dropna()
    return suggested_kind(LabelFacts(0, len(there), sets=True)) if len(there) and isinstance(there.iloc[0], COLLECTION_TYPES) else None


def read_kind(given: str | type[Task], where: str = "") -> tuple[type[Task], dict[str, Any]]:
    """Return the class and the options of a kind of task; options that name a column of the table are among them.

    Args:
        given: Name or import path of the kind, with or without options, such as `ordinal(classes=[low, high])`; or its class.
        where: Argument that the kind was given for, named in error messages.

    Raises:
        ConfigError: There is no such kind, or its options cannot be parsed.

    Example:
        >>> read_kind("binary(positive_weight=2)")[1]
        {'positive_weight': 2}
    """
    if not isinstance(given, str):
        return resolve("task kind", given, where=where).cls, {}
    name, options = parse_component("task kind", given)
    return resolve("task kind", name, where=where).cls, options


def kind_called(given: str | type[Task]) -> type[Task]:
    """Return the class of a kind of task.

    Args:
        given: Name or import path of the kind, with or without options, such as `ordinal(classes=[low, high])`; or its class.

    Raises:
        ConfigError: There is no such kind, or its options cannot be parsed.

    Example:
        >>> kind_called("binary(positive_weight=2)").__name__
        'Binary'
    """
    return read_kind(given)[0]


def reject_vectors(kinds: Mapping[str, str | type[Task] | Task | None]) -> None:
    """Check that no target is of a kind with several numbers per label, since a target of a table is one column.

    Args:
        kinds: Kind or task of each target; `None` if it is to be inferred.

    Raises:
        ConfigError: A target is of such a kind.

    Example:
        >>> reject_vectors({"place": "vector(columns=[x, y])"})
        Traceback (most recent call last):
        polytask.errors.ConfigError: target 'place': a target of a table is one column (found kind 'vector'). Make each column a target, ...
    """
    for name, given in kinds.items():
        kind = type(given) if isinstance(given, Task) else kind_called(given) if given is not None else None
        if kind is not None and kind.label_type is LabelType.VECTOR:
            remedy = "Make each column a target, or give labels of shape (N, k) in a Source"
            raise ConfigError("a target of a table is one column", where=f"target {name!r}", found=f"kind {kind.kind!r}", remedy=remedy)


def make_task(name: str, labels: Array, kind: str | type[Task] | Task | None = None, weight: float = 1.0) -> Task:
    """Create the task of a target column.

    If no kind is given, two distinct labels mean `binary`; other strings, and few distinct integers (up to 20, up to a twentieth of the
    labels, and each at least twice), mean `multiclass`; anything else means `regression`.

    Args:
        name: Name of the column.
        labels: (N,) labels from `column_labels`.
        kind: Name or import path of the kind with its options, such as `ordinal(classes=[low, high])`; its class; a task, which is
            returned unchanged; or `None` to infer the kind from the labels.
        weight: Weight αₜ of the task.

    Raises:
        ConfigError: The kind is unknown, or its options do not fit.
        DataError: There are no labels, all are equal, or a label is invalid for this kind of task.

    Example:
        >>> make_task("churn", np.array(["no", "yes", None], dtype=object), "binary(positive_weight=2)").classes
        ('no', 'yes')
    """
    _check_labels(name, labels)
    if isinstance(kind, Task):
        kind.metric_targets(labels)
        return kind
    where = f"target {name!r}"
    if kind is None:
        _check_text_classes(name, labels)
    target, options = read_kind(suggested_kind(LabelFacts.of(labels)) if kind is None else kind, where)
    chosen = written_name(spec_of(target, "task kind"))
    if target.per_token:
        raise ConfigError("a table column cannot hold labels of tokens", where=f"{where}, kind {chosen!r}", remedy="Give texts in a Source")
    if target.flag_column is not None:
        options.pop(target.flag_column.option, None)  # names a column that is already part of `labels`
    options = target.options_from_text(options)
    options |= target.options_from_labels(name, labels, options)
    try:
        task: Task = target(**{"name": name, "weight": weight, **options})
    except TypeError as error:
        raise unknown_option_error(target, options, f"{where}, kind {chosen!r}", error, own=["name", "weight"]) from None
    if target.label_type is LabelType.NUMBER:
        _check_numbers(name, labels, chosen)
    task.metric_targets(labels)  # raises an error for invalid labels while row numbers are those of the whole table
    return task


def _check_labels(name: str, labels: Array) -> None:
    """Check that there are finite labels of at least two distinct values; messages count rows from 1.

    Raises:
        DataError: A check fails.
    """
    where, there = f"target {name!r}", pd.Series(labels).dropna()
    if not len(there):
        raise DataError("no row has a label", where=where, remedy="Leave the target out, or add labels")
    if there.dtype.kind == "f" and np.isinf(there).any():
        row = int(there.index[np.isinf(there)][0]) + 1
        raise DataError("a label is infinite", where=f"{where}, row {row}", remedy="Give a finite number, or leave the label empty")
    if there.nunique() == 1:
        found = f"{len(there)} labels, all {there.iloc[0]}"
        raise DataError(
            "at least two different labels (classes or values) are needed", where=where, found=found, remedy="Leave the target out"
        )


def _check_text_classes(name: str, labels: Array) -> None:
    """Check that strings repeat often enough to be classes, rather than names or numbers that were read as text.

    Raises:
        DataError: There are more distinct strings than `MAX_TEXT_CLASSES` and than half of the labels.
    """
    there = pd.Series(labels).dropna()
    distinct = there.nunique()
    if there.dtype.kind in "biuf" or distinct <= max(MAX_TEXT_CLASSES, len(there) / 2):
        return
    way_out = "Convert it to numbers (pandas.to_numeric)" if pd.to_numeric(there, errors="coerce").notna().all() else "Leave the target out"
    found, remedy = f"{distinct} different ones in {len(there)} rows", f"{way_out}, or set the kind of the target"
    raise DataError("too many different texts for classes", where=f"target {name!r}", found=found, remedy=remedy)


def _check_numbers(name: str, labels: Array, kind: str) -> None:
    if labels.dtype.kind in "biuf":
        return
    numbers = pd.to_numeric(pd.Series(labels), errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(np.isnan(numbers) & pd.notna(labels))
    if len(bad):
        remedy = f"Choose another kind than {kind}, or correct the cell"
        raise DataError("a label is not a number", where=f"target {name!r}, row {bad[0] + 1}", found=repr(labels[bad[0]]), remedy=remedy)
