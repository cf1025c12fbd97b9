"""Checks that target columns can be learned: they have labels, at least two distinct ones, and no class of a single row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from polytask.data.reading.dataframe_checks import format_value
from polytask.data.reading.error_locations import location
from polytask.data.reading.odd_labels import label_remarks
from polytask.errors import Complaints, ConfigError, DataError, shown
from polytask.registry.suggestion import nearest

# Thresholds below which a warning is given: rows of a class, and fraction of rows with a label.
FEW_ROWS_PER_CLASS, FEW_LABELED_FRACTION = 5, 0.05
# Maximum number of distinct integers that may be class codes.
MAX_CLASS_CODES = 10


def check_targets(frame: pd.DataFrame, targets: Sequence[str], kinds: Mapping[str, str], where: str) -> list[str]:
    """Check that targets can be learned.

    Args:
        frame: Table with one row per labeled unit.
        targets: Names of the target columns, at least one.
        kinds: Kinds of columns as in `TableFile.kinds`. A target of kind "category" has classes regardless of its dtype; a target without
            an entry is judged by its dtype.
        where: Name of the table in messages, which count rows from 1.

    Returns:
        Warnings, one line each.

    Raises:
        ConfigError: There is no target, a target is not a column, or it is named twice.
        DataError: A target has no labels, a single distinct label, dates, a class of one row, or an infinite number.

    Example:
        >>> check_targets(pd.DataFrame({"price": [1.0, 2.5]}), ["prise"], {}, "homes.csv")
        Traceback (most recent call last):
        polytask.errors.ConfigError: homes.csv: no such column (found 'prise'). Did you mean 'price'? Choose from: price.
    """
    if isinstance(targets, str) or not targets:
        raise ConfigError("a list of target columns is needed", where=location(where), found=shown(targets))
    for number, target in enumerate(targets):
        if not isinstance(target, str) or target not in frame:
            known = tuple(map(str, frame.columns))
            raise ConfigError("no such column", where=location(where), found=shown(target), remedy=nearest(str(target), known))
        if target in targets[:number]:
            raise ConfigError("a target is named twice", where=location(where), found=shown(target))
    complaints, warnings = Complaints(), []
    for target in targets:
        with complaints.collect():
            warnings += _check_target(frame[target], kinds.get(target), where)
    complaints.raise_all()
    return warnings


def _check_target(column: pd.Series[Any], kind: str | None, where: str) -> list[str]:
    name = location(where, column=column.name)
    labeled = column.notna().to_numpy()
    rows = np.flatnonzero(labeled)
    if not len(rows):
        raise DataError("a target without a label", where=name, remedy="Leave it out, or add labels")
    if kind == "date" or pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise DataError("a target that holds dates", where=name, remedy="Convert it to a number or a class")
    warnings = []
    if len(rows) < FEW_LABELED_FRACTION * len(column):
        warnings.append(f"{name}: only {len(rows)} of {len(column)} rows have a label")
    if kind == "number" or (kind is None and _holds_numbers(column)):
        return warnings + _check_numbers(column, rows, name, where)
    return warnings + _check_classes(column, rows, name, where)


def _holds_numbers(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def _check_numbers(column: pd.Series[Any], rows: Any, name: str, where: str) -> list[str]:  # noqa: ANN401
    try:
        values = column.iloc[rows].to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("a numeric target holds values that are not numbers", where=name, found=shown(column.dtype)) from None
    infinite = rows[np.isinf(values)]
    if len(infinite):
        found = format_value(column.iloc[infinite[0]])
        raise DataError(
            "an infinite target", where=location(where, int(infinite[0]) + 1, column.name), found=found, remedy="Correct the label"
        )
    distinct = np.unique(values)
    if len(distinct) == 1:
        raise DataError("a target that is always the same", where=name, found=f"{distinct[0]:g}", remedy="Leave it out")
    few = len(distinct) <= MAX_CLASS_CODES < len(values) / 2 and (distinct == np.floor(distinct)).all()
    if not few or len(distinct) == 2:
        return []
    which = "classes, or ratings or counts? Say so with the kind multiclass, ordinal, count or regression"
    return [f"{name}: {len(distinct)} different whole numbers are labels: {which}"]


def _check_classes(column: pd.Series[Any], rows: Any, name: str, where: str) -> list[str]:  # noqa: ANN401
    codes, classes = pd.factorize(column.iloc[rows])
    counts = np.bincount(codes)
    if len(counts) == 1:
        raise DataError("a target that is always the same", where=name, found=shown(classes[0]), remedy="Leave it out")
    lone = np.flatnonzero(counts == 1)
    if len(lone):
        row = int(rows[np.argmax(codes == lone[0])]) + 1
        others = f", one of {len(lone)} such classes among {len(counts)}" if len(lone) > 1 else ""
        found = f"{shown(classes[lone[0]])}{others}"
        as_numbers = ", or learn numbers (kind regression)" if pd.api.types.is_numeric_dtype(classes.dtype) else ""
        remedy = f"Add rows of this class, merge it with another class, or leave the label empty{as_numbers}"
        raise DataError(
            "a class of one row cannot be both learned and tested", where=location(where, row, column.name), found=found, remedy=remedy
        )
    texts = [label for label in classes if isinstance(label, str)]
    remarks = [f"{name}: {remark}" for remark in label_remarks(texts)]
    rare = int(np.argmin(counts))
    if counts[rare] < FEW_ROWS_PER_CLASS:
        return [*remarks, f"{name}: the class {shown(classes[rare])} has only {counts[rare]} rows"]
    return remarks
