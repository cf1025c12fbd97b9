"""Summary of `polytask curve` for a terminal of 80 columns; the command line prints it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from polytask.metrics import formatting
from polytask.report.contents.curve_contents import pooled_sentences, ratio_sentences, titled_curve
from polytask.report.terminal.study_terminal import CLAIM_STYLES, make_table, safe_text
from polytask.run_files import CurveFile, CurvePointRecord, CurveTask
from polytask.verdicts.shown.sanitize import clean_text
from polytask.verdicts.shown.verdict_tables import difference_text

NAME_WIDTH = 14


def curve_summary(content: Mapping[str, Any] | CurveFile) -> RenderableType:
    """Return the learning curves as a Rich renderable: the means, the labels that joint training needs, and a table per task.

    Args:
        content: Content of curve.json.

    Raises:
        DataError: An entry has the wrong type.

    Example:
        >>> from rich.console import Console
        >>> record = {"mean": 0.9, "difference": 0.01, "ci95": [0.004, 0.016], "verdict": "helps"}
        >>> point = {"share": 0.5, "labels": 40, "single": 0.89, "arms": {"equal": record}}
        >>> console = Console(width=80)
        >>> with console.capture() as shown:
        ...     console.print(curve_summary({"tasks": {"digit": {"metric": "accuracy", "points": [point]}}}))
        >>> "+1.00 [+0.40, +1.60] points" in shown.get()
        True
    """
    curve = titled_curve(CurveFile.parse(content, "curve.json"))
    first = [safe_text(line, "bold") for line in pooled_sentences(curve)]
    tables = [part for name, task in curve.tasks.items() for part in (_task_table(name, task, curve.baseline), Text(""))]
    ratios = [safe_text(line) for line in ratio_sentences(curve)]
    warnings = [safe_text(f"Warning: {line}", "yellow") for line in curve.warnings]
    notes = [safe_text(line, "dim") for line in ("Positive differences are better.", *curve.notes)]
    return Group(*first, *ratios, Text(""), *tables, *warnings, *notes)


def _task_table(name: str, task: CurveTask, baseline: str) -> Table:
    table = make_table(f"{clean_text(name)}, {clean_text(formatting.metric_label(task.metric))}")
    table.add_column("labels", justify="right", no_wrap=True)
    table.add_column(safe_text(baseline or "separately"), justify="right", max_width=NAME_WIDTH)
    table.add_column("arm", overflow="fold", max_width=NAME_WIDTH)
    table.add_column("difference [95 % interval]")
    table.add_column("verdict", no_wrap=True)
    for point in task.points:
        _add_rows(table, task, point)
    return table


def _add_rows(table: Table, task: CurveTask, point: CurvePointRecord) -> None:
    for place, (arm, record) in enumerate(point.arms.items()):
        labels, single = (
            (formatting.format_count(point.labels), formatting.format_metric(task.metric, point.single)) if not place else ("", "")
        )
        claim = safe_text(record.verdict, CLAIM_STYLES.get(record.verdict, ""))
        table.add_row(labels, safe_text(single), safe_text(arm), safe_text(difference_text(task.metric, record)), claim)
