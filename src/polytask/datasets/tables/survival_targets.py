"""Survival targets in two columns: a time, and whether the event has happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from polytask.data.preprocessing.columns import BooleanColumn
from polytask.datasets.tables.infer_task import column_labels, kind_called, read_kind, reject_vectors
from polytask.tasks import Task
from polytask.tasks.ignored_labels import check_ignore_index, mask_ignored

Array = NDArray[Any]


def event_column(kind: str | type[Task] | None, where: str = "") -> str | None:
    """Return the event column that a kind such as `survival(event=died)` names; `None` if it names none.

    Example:
        >>> event_column("survival(event=died)"), event_column("regression"), event_column(None)
        ('died', None, None)
    """
    if kind is None:
        return None
    target, options = read_kind(kind, where)
    flag = target.flag_column
    return str(options[flag.option]) if flag is not None and flag.option in options else None


def ignored_label(kind: str) -> Any:  # noqa: ANN401 - a label of any type
    """Return the label that a kind such as `multiclass(ignore_index=-1)` ignores; `None` if it ignores none.

    Raises:
        ConfigError: The kind does not exist, or what it ignores is not a label.

    Example:
        >>> ignored_label("multiclass(ignore_index=-1)"), ignored_label("regression")
        (-1, None)
    """
    ignored = read_kind(kind)[1].get("ignore_index")
    check_ignore_index(f"kind {kind!r}, ignore_index", ignored)
    return ignored


def labels_of_target(table: pd.DataFrame, target: str, kind: str | None) -> Array:
    """Return the labels of a target (N,), combined with the event column if its kind names one, as in `survival(event=died)`.

    Labels that the kind ignores, as in `multiclass(ignore_index=-1)`, are missing.

    Args:
        table: Table with the target and event columns.
        target: Name of the target column.
        kind: Kind of the target with its options; `None` if it is to be inferred.

    Raises:
        DataError: A column cannot hold labels, or the two columns do not match.
    """
    if kind is None:
        return column_labels(table[target])
    column = event_column(kind)
    if column is None:
        return mask_ignored(column_labels(table[target]), ignored_label(kind))
    flags = BooleanColumn(column).encode(table[column])[:, 0]
    flag = kind_called(kind).flag_column
    labels = column_labels(table[target])
    return labels if flag is None else flag.join(target, labels, flags, column)


def event_columns(kinds: Mapping[str, str | type[Task] | Task | None]) -> dict[str, str]:
    """Return the event column of each target that has one.

    Example:
        >>> event_columns({"months": "survival(event=left)", "value": "regression"})
        {'months': 'left'}
    """
    found = {name: event_column(kind, f"target {name!r}") for name, kind in kinds.items() if not isinstance(kind, Task)}
    return {name: event for name, event in found.items() if event is not None}


def labels_of_columns(table: pd.DataFrame, kinds: Mapping[str, str | type[Task] | Task | None]) -> dict[str, Array]:
    """Return the labels (N,) of each target column of a table; event columns are not targets themselves.

    Args:
        table: Table with target and event columns only.
        kinds: Kind or task of each target; `None` if it is to be inferred.

    Raises:
        DataError: A column cannot hold labels.
    """
    events = event_columns(kinds)
    reject_vectors(kinds)
    found = {}
    for name in map(str, table):
        if name not in set(events.values()):
            kind = kinds.get(name)
            labels = labels_of_target(table, name, kind if isinstance(kind, str) else None)
            found[name] = kind.known_labels(labels) if isinstance(kind, Task) else labels
    return found
