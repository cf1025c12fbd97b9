"""From a target column to a task: its kind, its classes, its labels."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.reading.dataframe_checks import format_value
from polytask.data.reading.error_locations import MAX_EXACT_INTEGER
from polytask.errors import ConfigError, DataError
from polytask.registry import find, load
from polytask.registry.misfit import misfit
from polytask.registry.parsing import parse_component
from polytask.tasks import LabelType, Multilabel, Task
from polytask.tasks.label_facts import LabelFacts, suggested_kind

Array = NDArray[Any]
MAX_TEXT_CLASSES = 50
"""So many different words and more are no classes unless most of them are there more than once."""
COLLECTION_TYPES = (list, tuple, set, frozenset, np.ndarray)
LABEL_TYPES = {
    "string": "words", "boolean": "words", "integer": "numbers", "floating": "numbers", "mixed-integer-float": "numbers",
    "decimal": "numbers",
}  # fmt: skip
"""What pandas finds in a column of objects, and what the labels are then."""


def column_labels(column: pd.Series[Any]) -> Array:
    """(N,) a column's labels: numbers with NaN, or anything with None where there is no label.

    Lists and sets of labels become texts with `|` between them. Numbers are numbers whatever type their column has; only whole ones
    that float64 would round stay as they are, and are names of classes.

    Raises:
        DataError: Dates and spans of time; labels of several sorts.

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
    """Labels of a column of objects: as numbers, where they are that."""
    inferred = pd.api.types.infer_dtype(labels[there], skipna=False)
    if inferred in {"datetime", "datetime64", "date", "time", "timedelta", "timedelta64", "period"}:
        raise _date_target_error(column)
    if inferred not in LABEL_TYPES:
        raise _mixed_types_error(column, labels, there)
    if LABEL_TYPES[inferred] == "words" or any(isinstance(label, int) and abs(label) > MAX_EXACT_INTEGER for label in labels[there]):
        return labels
    return np.array([np.nan if label is None else float(label) for label in labels], dtype=np.float64)


def _date_target_error(column: pd.Series[Any]) -> DataError:
    return DataError("a date is no target", where=f"column {column.name!r}", remedy="Make it a number of days, say")


def _mixed_types_error(column: pd.Series[Any], labels: Array, there: NDArray[np.bool_]) -> DataError:
    places = np.flatnonzero(there)
    sorts = [_label_type(labels[place]) for place in places]
    other = next((number for number, sort in enumerate(sorts) if sort is not sorts[0]), 0)
    found = format_value(labels[places[0]]) + (f" and {format_value(labels[places[other]])}" if other else "")
    where, remedy = f"column {column.name!r}, row {places[other] + 1}", "Make all of them numbers, or all of them text"
    return DataError("labels of a target are of one sort", where=where, found=found, remedy=remedy)


def _label_type(label: object) -> type:
    """Numbers of all types are of one sort; true and false are none of them."""
    return Number if isinstance(label, Number) and not isinstance(label, bool | np.bool_) else type(label)


def _numbers(column: pd.Series[Any], there: NDArray[np.bool_]) -> Array:
    if there.all():
        return column.to_numpy(dtype=np.int64 if pd.api.types.is_integer_dtype(column) else np.float64)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def infer_multilabel(column: pd.Series[Any]) -> str | None:
    """What lists of labels are taken for: none of the lists that there are is a class."""
    there = column.dropna()
    return suggested_kind(LabelFacts(0, len(there), sets=True)) if len(there) and isinstance(there.iloc[0], COLLECTION_TYPES) else None


def kind_called(spelled: str) -> type[Task]:
    """The class of a kind, with options or without: `ordinal(classes=[low, high])`.

    Raises:
        ConfigError: There is no such kind, or its options cannot be read.

    Example:
        >>> kind_called("binary(positive_weight=2)").__name__
        'Binary'
    """
    found: type[Task] = load(find("task kind", parse_component("task kind", spelled)[0]))
    return found


def make_task(name: str, labels: Array, kind: str | Task | None = None, weight: float = 1.0) -> Task:
    """The task of a target column.

    Where no kind is given, two different labels are `binary`; other words, and few whole numbers (up to 20, and up to a twentieth of
    the labels), are `multiclass`; all else is `regression`.

    Args:
        name: Of the column.
        labels: (N,) as `column_labels` gives them.
        kind: A kind with its options, as `ordinal(classes=[low, high])`; a task, which stays as it is; or nothing, to have it inferred.
        weight: The task's weight αₜ.

    Raises:
        ConfigError: An unknown kind, or options that do not fit.
        DataError: There is no label.

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
    spelled = kind or suggested_kind(LabelFacts.of(labels))
    target, (chosen, options) = kind_called(spelled), parse_component("task kind", spelled)
    if target.per_token:
        raise ConfigError("a cell of a table has no tokens", where=f"{where}, kind {chosen!r}", remedy="Give texts in a Source")
    if target.flag_column is not None:
        options.pop(target.flag_column.option, None)  # a column of the table, which `labels` knows of
    options |= target.options_from_labels(name, labels, options)
    try:
        task: Task = target(**{"name": name, "weight": weight, **options})
    except TypeError as error:
        raise misfit(target, options, f"{where}, kind {chosen!r}", error, own=["name", "weight"]) from None
    if target.label_type is LabelType.NUMBER:
        _check_numbers(name, labels, chosen)
    task.metric_targets(labels)  # what this kind cannot have is refused now, by the row of the whole table
    return task


def _check_labels(name: str, labels: Array) -> None:
    """Refuse what no kind of task can learn; rows are counted from 1, as people do."""
    where, there = f"target {name!r}", pd.Series(labels).dropna()
    if not len(there):
        raise DataError("no row has a label", where=where, remedy="Leave it out, or give labels")
    if there.dtype.kind == "f" and np.isinf(there).any():
        row = int(there.index[np.isinf(there)][0]) + 1
        raise DataError("a label is infinite", where=f"{where}, row {row}", remedy="Give a number, or nothing")
    if there.nunique() == 1:
        found = f"{len(there)} labels, all {there.iloc[0]}"
        raise DataError("of a single class or number there is nothing to learn", where=where, found=found, remedy="Leave it out")


def _check_text_classes(name: str, labels: Array) -> None:
    """Refuse to take for classes what is another word nearly everywhere: numbers that were read as text, or names."""
    there = pd.Series(labels).dropna()
    distinct = there.nunique()
    if there.dtype.kind in "biuf" or distinct <= max(MAX_TEXT_CLASSES, len(there) / 2):
        return
    way_out = "Make it numbers (pandas.to_numeric)" if pd.to_numeric(there, errors="coerce").notna().all() else "Leave it out"
    found, remedy = f"{distinct} different ones in {len(there)} rows", f"{way_out}, or say what kind of target it is"
    raise DataError("too many words for classes", where=f"target {name!r}", found=found, remedy=remedy)


def _check_numbers(name: str, labels: Array, kind: str) -> None:
    if labels.dtype.kind in "biuf":
        return
    numbers = pd.to_numeric(pd.Series(labels), errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(np.isnan(numbers) & pd.notna(labels))
    if len(bad):
        remedy = f"Take another kind than {kind}, or mend the cell"
        raise DataError("a label is no number", where=f"target {name!r}, row {bad[0] + 1}", found=repr(labels[bad[0]]), remedy=remedy)
