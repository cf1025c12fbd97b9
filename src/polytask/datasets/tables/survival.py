"""Targets in two columns: how long, and whether it has happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.columns import Boolean
from polytask.datasets.tables.targets import labels_of
from polytask.errors import DataError
from polytask.registry.parsing import parse_component
from polytask.tasks import Survival, Task

Array = NDArray[Any]


def event_column(kind: str | None) -> str | None:
    """The column that says whether the event has happened, of a kind such as `survival(event=died)`.

    Example:
        >>> event_column("survival(event=died)"), event_column("regression"), event_column(None)
        ('died', None, None)
    """
    if kind is None:
        return None
    name, options = parse_component("task kind", kind)
    return str(options["event"]) if name == "survival" and "event" in options else None


def signed(times: pd.Series[Any], events: pd.Series[Any], target: str) -> NDArray[np.float64]:
    """(N,) times of events, and with a minus sign times at which it had not happened yet.

    Raises:
        DataError: A time is no number; whether it has happened is not true or false, or is missing beside a time.
    """
    found = Boolean(str(events.name)).encode(events)[:, 0]
    labels = labels_of(times)
    if labels.dtype.kind not in "iuf":
        row = int(pd.notna(labels).argmax())
        raise DataError("times are numbers", where=f"target {target!r}, row {row + 1}", found=repr(labels[row]))
    numbers = labels.astype(np.float64)
    early = np.flatnonzero(numbers <= 0)
    if len(early):
        remedy = "Give how long it took, or how long it has not happened"
        raise DataError("a time is above 0", where=f"target {target!r}, row {early[0] + 1}", found=f"{numbers[early[0]]:g}", remedy=remedy)
    open_ended = np.flatnonzero(np.isnan(found) & ~np.isnan(numbers))
    if len(open_ended):
        where = f"target {target!r}, row {open_ended[0] + 1}, column {events.name!r}"
        remedy = "Write true or false, or leave the time empty too"
        raise DataError("a time needs to be told whether the event has happened", where=where, found="nothing", remedy=remedy)
    return Survival.labels(numbers, np.nan_to_num(found) > 0)


def events_of(kinds: Mapping[str, str | Task | None]) -> dict[str, str]:
    """Per target of times the column that says whether they are those of events.

    Example:
        >>> events_of({"months": "survival(event=left)", "value": "regression"})
        {'months': 'left'}
    """
    found = {name: event_column(kind) for name, kind in kinds.items() if isinstance(kind, str)}
    return {name: event for name, event in found.items() if event is not None}


def labels_of_targets(table: pd.DataFrame, kinds: Mapping[str, str | Task | None]) -> dict[str, Array]:
    """Per column of a table of targets its labels; columns that say whether events have happened are no targets themselves.

    Raises:
        DataError: A column that cannot be one of labels.
    """
    events = events_of(kinds)
    return {
        str(name): signed(table[name], table[events[name]], str(name)) if name in events else labels_of(table[name])
        for name in table
        if name not in set(events.values())
    }
