"""From a target column to a task: its kind, its classes, its labels."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.registry import find
from polytask.registry.spelling import spelled_component
from polytask.tasks import Task

Array = NDArray[Any]
FEW_CLASSES, SHARE_OF_CLASSES = 20, 0.05


def labels_of(column: pd.Series[Any]) -> Array:
    """(N,) a column's labels: numbers with NaN, or anything with None where there is no label.

    Whole numbers stay whole beside gaps, which pandas makes fractions of.

    Raises:
        DataError: Dates, or cells that hold several things.
    """
    types = pd.api.types
    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        raise DataError("a date is no target", where=f"column {column.name!r}", remedy="Make it a number of days, say")
    there = column.notna().to_numpy(dtype=bool)
    if types.is_bool_dtype(column) and there.all():
        return column.to_numpy(dtype=bool)
    if types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
        return _numbers(column, there)
    labels = column.to_numpy(dtype=object).copy()
    labels[~there] = None
    return labels


def _numbers(column: pd.Series[Any], there: NDArray[np.bool_]) -> Array:
    if there.all():
        return column.to_numpy(dtype=np.int64 if pd.api.types.is_integer_dtype(column) else np.float64)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def inferred_kind(labels: Array) -> str:
    """The kind of task that a column's labels look like.

    Two different labels are `binary`; other words, and few whole numbers (up to 20, and up to a twentieth of the labels), are
    `multiclass`; all else is `regression`.

    Example:
        >>> inferred_kind(np.array([0, 1, 1])), inferred_kind(np.array(["a", "b", "c"])), inferred_kind(np.array([0.5, 1.5, np.nan]))
        ('binary', 'multiclass', 'regression')
    """
    there = pd.Series(labels).dropna()
    distinct = there.nunique()
    if there.dtype.kind not in "iuf":
        return "binary" if distinct <= 2 else "multiclass"
    whole = bool((there == there.round()).all())
    if whole and distinct <= 2:
        return "binary"
    return "multiclass" if whole and distinct <= min(FEW_CLASSES, SHARE_OF_CLASSES * len(there)) else "regression"


def task_for(name: str, labels: Array, kind: str | Task | None = None, weight: float = 1.0) -> Task:
    """The task of a target column.

    Args:
        name: Of the column.
        labels: (N,) as `labels_of` gives them.
        kind: A kind with its options, as `ordinal(classes=[low, high])`; a task, which stays as it is; or nothing, to have it inferred.
        weight: The task's weight αₜ.

    Raises:
        ConfigError: An unknown kind, or options that do not fit.
        DataError: There is no label.

    Example:
        >>> task_for("churn", np.array(["no", "yes", None], dtype=object), "binary(positive_weight=2)").classes
        ('no', 'yes')
    """
    if isinstance(kind, Task):
        return kind
    if not pd.notna(labels).any():
        raise DataError("no row has a label", where=f"target {name!r}", remedy="Leave it out, or give labels")
    chosen, options = spelled_component("task kind", kind or inferred_kind(labels))
    target = find("task kind", chosen).resolve()
    if "classes" in inspect.signature(target).parameters and "classes" not in options:
        options = {"classes": classes_of(labels, getattr(target, "split_labels", None)), **options}
    try:
        task: Task = target(**{"name": name, "weight": weight, **options})
    except TypeError as error:
        raise ConfigError("these options do not fit", where=f"target {name!r}, kind {chosen!r}", found=error) from None
    return task


def classes_of(labels: Array, split: Any = None) -> tuple[Any, ...]:  # noqa: ANN401 - a function of the kinds with several labels to a row
    """The different labels in order: of numbers by size, of words by letter."""
    there = pd.Series(labels).dropna()
    distinct = {part for cell in there for part in split(cell)} if split else set(there.unique().tolist())
    plain = {int(value) if isinstance(value, float) and value.is_integer() else value for value in distinct}
    try:
        return tuple(sorted(plain))
    except TypeError:  # words and numbers have no order
        return tuple(sorted(plain, key=lambda label: (type(label).__name__, str(label))))


def kinds_of(tasks: Mapping[str, Task]) -> dict[str, str]:
    """What every target was taken for."""
    return {name: task.kind for name, task in tasks.items()}
