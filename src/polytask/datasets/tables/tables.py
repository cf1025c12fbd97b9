"""One source and its tasks from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data import Source
from polytask.data.columns import Columns
from polytask.datasets.tables.survival import events_of, labels_of_targets
from polytask.datasets.tables.targets import kind_of_sets, task_for
from polytask.errors import ConfigError, DataError
from polytask.registry.suggestion import nearest
from polytask.tasks import Task

Array = NDArray[Any]


def table_source(
    table: pd.DataFrame,
    targets: Mapping[str, str | Task | None],
    *,
    name: str = "table",
    weights: Mapping[str, float] | None = None,
    without: Sequence[str] = (),
    categories: Sequence[str] = (),
) -> tuple[Source, tuple[Task, ...]]:
    """One source of all rows, and a task per target; every other column is an input.

    Args:
        table: Of any types; gaps in a target are rows without its label.
        targets: Per target column its kind, or nothing to have it inferred.
        name: Of the source.
        weights: Per task its weight αₜ, by default 1.
        without: Columns that are neither.
        categories: Columns that hold categories, whatever they look like.

    Raises:
        DataError: A column that is not there, or that cannot be used.
        ConfigError: A kind that does not exist or does not fit.

    Example:
        >>> table = pd.DataFrame({"age": [31, 7, 50], "churn": ["no", None, "yes"], "value": [1.5, 2.5, None]})
        >>> source, tasks = table_source(table, {"churn": None, "value": None})
        >>> source.inputs.shape, [task.kind for task in tasks]
        ((3, 1), ['binary', 'regression'])
    """
    events = list(events_of(targets).values())
    check_columns(table, [*targets, *events, *without, *categories])
    for task in weights or {}:
        if task not in targets:
            raise ConfigError("a weight for a target that does not exist", where=f"weights, {task!r}", remedy=nearest(task, tuple(targets)))
    labels = labels_of_targets(table[list(dict.fromkeys([*targets, *events]))], targets)
    kinds = {target: kind or kind_of_sets(table[target]) for target, kind in targets.items()}
    tasks = tuple(task_for(target, labels[target], kind, (weights or {}).get(target, 1.0)) for target, kind in kinds.items())
    inputs = table.drop(columns=list({*targets, *events, *without}))
    coding = Columns.fit(inputs, categories)
    return Source(name, coding.encode(inputs), labels, np.asarray(table.index), coding=coding), tasks


def check_columns(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse names that the table has not.

    Raises:
        DataError: A column is not there; the message suggests the nearest.
    """
    for name in names:
        if name not in table:
            raise DataError("there is no such column", where=repr(name), remedy=nearest(str(name), tuple(map(str, table.columns))))
