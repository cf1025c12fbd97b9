"""Creation of a source and its tasks from a data frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data import Source
from polytask.data.preprocessing.columns import TablePreprocessor
from polytask.datasets.tables.infer_task import infer_multilabel, make_task, reject_vectors
from polytask.datasets.tables.survival_targets import event_columns, labels_of_columns
from polytask.errors import ConfigError, DataError
from polytask.registry.suggestion import nearest
from polytask.tasks import Task

Array = NDArray[Any]


def source_from_table(
    table: pd.DataFrame,
    targets: Mapping[str, str | type[Task] | Task | None],
    *,
    name: str = "table",
    weights: Mapping[str, float] | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    text: Sequence[str] = (),
) -> tuple[Source, tuple[Task, ...]]:
    """Create a source of all rows of a table, and one task per target; all other columns are inputs.

    Args:
        table: Table with columns of any types; a missing cell of a target means that the row has no label of it.
        targets: Kind of each target column, as a name, an import path or a class, or its task; `None` infers the kind.
        name: Name of the source.
        weights: Weight αₜ of each task, 1 if not given.
        drop: Columns that are neither targets nor inputs.
        categorical: Columns to treat as categorical regardless of their cells.
        text: Columns to treat as texts regardless of their cells.

    Returns:
        Source and tasks; the units of the source are the index of the table.

    Raises:
        DataError: A column does not exist or cannot be used.
        ConfigError: A kind does not exist or does not fit, or a weight is given for a column that is not a target.

    Example:
        >>> table = pd.DataFrame({"age": [31, 7, 50], "churn": ["no", None, "yes"], "value": [1.5, 2.5, None]})
        >>> source, tasks = source_from_table(table, {"churn": None, "value": None})
        >>> source.inputs.shape, [task.kind for task in tasks]
        ((3, 1), ['binary', 'regression'])
    """
    events = list(event_columns(targets).values())
    reject_vectors(targets)
    check_columns_exist(table, [*targets, *events, *drop, *categorical, *text])
    for task in weights or {}:
        if task not in targets:
            raise ConfigError("a weight for a target that does not exist", where=f"weights, {task!r}", remedy=nearest(task, tuple(targets)))
    labels = labels_of_columns(table[list(dict.fromkeys([*targets, *events]))], targets)
    kinds = {target: kind or infer_multilabel(table[target]) for target, kind in targets.items()}
    tasks = tuple(make_task(target, labels[target], kind, (weights or {}).get(target, 1.0)) for target, kind in kinds.items())
    inputs = table.drop(columns=list({*targets, *events, *drop}))
    coding = TablePreprocessor.fit(inputs, categorical, text)
    return Source(name, coding.encode(inputs), labels, np.asarray(table.index), preprocessor=coding), tasks


def check_columns_exist(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Check that a table has the given columns.

    Raises:
        DataError: A column does not exist; the message suggests the nearest name.
    """
    for name in names:
        if name not in table:
            raise DataError("there is no such column", where=repr(name), remedy=nearest(str(name), tuple(map(str, table.columns))))
