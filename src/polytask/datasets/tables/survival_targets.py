"""Targets in two columns, as how long, and whether it has happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from polytask.data.preprocessing.columns import BooleanColumn
from polytask.datasets.tables.infer_task import column_labels, kind_called
from polytask.registry.parsing import parse_component
from polytask.tasks import Task

Array = NDArray[Any]


def event_column(kind: str | None) -> str | None:
    """The column that says whether the event has happened, of a kind such as `survival(event=died)`.

    Example:
        >>> event_column("survival(event=died)"), event_column("regression"), event_column(None)
        ('died', None, None)
    """
    if kind is None:
        return None
    flag, options = kind_called(kind).flag_column, parse_component("task kind", kind)[1]
    return str(options[flag.option]) if flag is not None and flag.option in options else None


def labels_of_target(table: pd.DataFrame, target: str, kind: str | None) -> Array:
    """(N,) the labels of a column, made with a second one where its kind names it: `survival(event=died)`.

    Raises:
        DataError: A column that cannot be one of labels, or two that do not go together.
    """
    column = event_column(kind)
    if kind is None or column is None:
        return column_labels(table[target])
    flags = BooleanColumn(column).encode(table[column])[:, 0]
    flag = kind_called(kind).flag_column
    labels = column_labels(table[target])
    return labels if flag is None else flag.join(target, labels, flags, column)


def event_columns(kinds: Mapping[str, str | Task | None]) -> dict[str, str]:
    """Per target of times the column that says whether they are those of events.

    Example:
        >>> event_columns({"months": "survival(event=left)", "value": "regression"})
        {'months': 'left'}
    """
    found = {name: event_column(kind) for name, kind in kinds.items() if isinstance(kind, str)}
    return {name: event for name, event in found.items() if event is not None}


def labels_of_columns(table: pd.DataFrame, kinds: Mapping[str, str | Task | None]) -> dict[str, Array]:
    """Per column of a table of targets its labels; columns that say whether events have happened are no targets themselves.

    Raises:
        DataError: A column that cannot be one of labels.
    """
    events = event_columns(kinds)
    return {
        str(name): labels_of_target(table, str(name), str(kinds[name]) if name in events else None)
        for name in table
        if name not in set(events.values())
    }
