"""One source and its tasks from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data import Source
from polytask.data.preprocessing.columns import TablePreprocessor
from polytask.datasets.tables.infer_task import infer_multilabel, make_task
from polytask.datasets.tables.survival_targets import event_columns, labels_of_columns
from polytask.errors import ConfigError, DataError
from polytask.registry.suggestion import nearest
from polytask.tasks import Task

Array = NDArray[Any]


def source_from_table(
    table: pd.DataFrame,
    targets: Mapping[str, str | Task | None],
    *,
    name: str = "table",
    weights: Mapping[str, float] | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
) -> tuple[Source, tuple[Task, ...]]:
    """One source of all rows, and a task per target; every other column is an input.

    Args:
        table: Of any types; gaps in a target are rows without its label.
        targets: Per target column its kind, or nothing to have it inferred.
        name: Of the source.
        weights: Per task its weight αₜ, by default 1.
        drop: Columns that are neither.
        categorical: Columns that hold categories, whatever they look like.

    Raises:
        DataError: A column that is not there, or that cannot be used.
        ConfigError: A kind that does not exist or does not fit.

    Example:
        >>> table = pd.DataFrame({"age": [31, 7, 50], "churn": ["no", None, "yes"], "value": [1.5, 2.5, None]})
        >>> source, tasks = source_from_table(table, {"churn": None, "value": None})
        >>> source.inputs.shape, [task.kind for task in tasks]
        ((3, 1), ['binary', 'regression'])
    """
    events = list(event_columns(targets).values())
    check_columns_exist(table, [*targets, *events, *drop, *categorical])
    for task in weights or {}:
        if task not in targets:
            raise ConfigError("a weight for a target that does not exist", where=f"weights, {task!r}", remedy=nearest(task, tuple(targets)))
    labels = labels_of_columns(table[list(dict.fromkeys([*targets, *events]))], targets)
    kinds = {target: kind or infer_multilabel(table[target]) for target, kind in targets.items()}
    tasks = tuple(make_task(target, labels[target], kind, (weights or {}).get(target, 1.0)) for target, kind in kinds.items())
    inputs = table.drop(columns=list({*targets, *events, *drop}))
    coding = TablePreprocessor.fit(inputs, categorical)
    return Source(name, coding.encode(inputs), labels, np.asarray(table.index), preprocessor=coding), tasks


def check_columns_exist(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse names that the table has not.

    Raises:
        DataError: A column is not there; the message suggests the nearest.
    """
    for name in names:
        if name not in table:
            raise DataError("there is no such column", where=repr(name), remedy=nearest(str(name), tuple(map(str, table.columns))))
