"""The report as one page that works offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from polytask.report import charts
from polytask.report.contents import FILES, RunContents, read_run
from polytask.report.text import change_text, clean_text, count_text, interval_text, settle_text, value_text
from polytask.storage import write_text

MOST_CLASSES = 30


def write_report(folder: str | Path) -> Path:
    """Build report.html from the files of a run folder, and return where it is.

    Raises:
        StorageError: A file is missing or damaged, or the page cannot be written.
        DataError: A table lacks a column.
    """
    page = Path(folder) / "report.html"
    write_text(page, render(read_run(Path(folder))))
    return page


def render(run: RunContents) -> str:
    """The page. There is no time in it: the same files give the same bytes."""
    environment = Environment(
        loader=PackageLoader("polytask.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"clean": clean_text, "count": count_text}
    environment.globals |= {"value": value_text, "change": change_text, "interval": interval_text, "settle": settle_text}
    return environment.get_template("template.html.j2").render(
        verdict=run.verdict,
        cost=run.cost,
        config=_flat(run.config),
        environment=run.environment,
        intervals=charts.picture(charts.intervals(run.verdict)) if charts.available() else None,
        curves=_curves(run),
        confusions=_confusions(run),
        install=charts.INSTALL,
        files=FILES,
        words=charts.WORD_COLOURS,
    )


def _curves(run: RunContents) -> list[dict[str, Any]]:
    """Per task and quantity a picture, and the same as a table: the last epoch's value per arm, and the best."""
    found = []
    for (task, split, name), table in run.curves().groupby(["task", "split", "name"], sort=False):
        title = f"{task}: {split} {name}"
        picture = charts.picture(charts.curve(table, str(name), title)) if charts.available() else None
        found.append({"title": title, "picture": picture, "metric": name, "rows": _ends(table)})
    return found


def _ends(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for arm, values in table.groupby("arm", sort=False):
        series = values.sort_values("epoch")["value"]
        rows.append({"arm": arm, "first": float(series.iloc[0]), "last": float(series.iloc[-1]), "epochs": len(series)})
    return rows


def _confusions(run: RunContents) -> list[dict[str, Any]]:
    """Per classification task and arm the confusion matrix with its shares."""
    found = []
    for task, said in run.verdict["tasks"].items():
        for arm in ("single", *said["arms"]) if said["kind"] != "regression" else ():
            table = run.confusion(task, arm)
            if 0 < len(table) <= MOST_CLASSES:
                totals = table.sum(axis=1).clip(lower=1)
                rows = [_confusion_row(label, table.loc[label], int(totals[label])) for label in table.index]
                found.append({"task": task, "arm": arm, "labels": list(table.columns), "rows": rows})
    return found


def _confusion_row(label: str, counts: pd.Series[int], total: int) -> dict[str, Any]:
    cells = [{"count": int(count), "percent": round(100 * int(count) / total), "right": other == label} for other, count in counts.items()]
    return {"label": label, "cells": cells}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested names with dots, values as text."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return flat
