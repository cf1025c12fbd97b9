"""Summary of `polytask relate` for a terminal of 80 columns; the command line prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from polytask.metrics import formatting
from polytask.report.contents.relate_contents import (
    confidence_sentence,
    format_diagonal,
    format_scaled,
    grouping_sentence,
    is_significant,
    matrix_exponent,
    measure_label,
)
from polytask.report.terminal.study_terminal import make_table, safe_text
from polytask.run_files import CostFile, MeasureRecord, RelateFile

MAX_TASKS_WITH_INTERVALS = 3
"""Largest number of tasks for which intervals fit next to the numbers."""

MATRIX_COLUMNS = 9
"""Number of columns that fit next to the names; more tasks are split over several tables."""

NAME_WIDTH = 20


def relate_summary(content: Mapping[str, Any] | RelateFile, costs: Mapping[str, Any] | CostFile | None = None) -> RenderableType:
    """Return the matrices, their cost and the proposed groups as a Rich renderable.

    Args:
        content: Content of relate.json.
        costs: Content of cost.json; `None` omits the table of costs.

    Raises:
        DataError: An entry has the wrong type.

    Example:
        >>> from rich.console import Console
        >>> cosine = {"mean": [[1, -0.25], [-0.25, 1]], "half_width": [[0, 0.1], [0.1, 0]], "agreement": None, "significant_entries": 2}
        >>> console = Console(width=80)
        >>> with console.capture() as shown:
        ...     console.print(relate_summary({"tasks": ["a", "b"], "seeds": [0, 1], "measures": {"cosine": cosine}}))
        >>> "-0.25 ± 0.10 *" in shown.get()
        True
    """
    relatedness = RelateFile.parse(content, "relate.json")
    parts: list[RenderableType] = []
    for name, measure in relatedness.measures.items():
        parts += [*_matrix_tables(name, measure, relatedness), safe_text(confidence_sentence(measure, relatedness), "dim"), Text("")]
    if costs is not None:
        parts += [_cost_table(CostFile.parse(costs, "cost.json")), Text("")]
    sentence = safe_text(grouping_sentence(relatedness.grouping), "bold")
    notes = [
        safe_text(note, "dim")
        for note in ("Values are from the row's task to the column's task. * The 95 % interval excludes 0.", *relatedness.notes)
    ]
    return Group(*parts, sentence, Text(""), *notes)


def _matrix_tables(name: str, measure: MeasureRecord, relatedness: RelateFile) -> Iterator[Table]:
    """Yield the table of a measure; many tasks are split over several tables, in which columns are numbered."""
    tasks, unit = relatedness.tasks, matrix_exponent(measure)
    title = measure_label(name) + (f", in 10^{unit}" if unit else "")
    wide = len(tasks) <= MAX_TASKS_WITH_INTERVALS
    for first in range(0, len(tasks), MATRIX_COLUMNS):
        columns = range(first, min(first + MATRIX_COLUMNS, len(tasks)))
        table = make_table(title if first == 0 else f"{title} (continued)")
        table.add_column("", overflow="fold", max_width=NAME_WIDTH)
        for column in columns:
            table.add_column(safe_text(tasks[column] if wide else f"{column + 1}"), justify="right", no_wrap=not wide)
        for row, task in enumerate(tasks):
            cells = [_matrix_cell(measure, (row, column), unit, wide=wide) for column in columns]
            table.add_row(safe_text(task if wide else f"{row + 1} {task}"), *cells)
        yield table


def _matrix_cell(measure: MeasureRecord, place: tuple[int, int], unit: int, *, wide: bool) -> Text:
    row, column = place
    mean, half = measure.mean[row][column], measure.half_width[row][column]
    if row == column:
        return Text(f"{format_diagonal(mean, unit)}{'' if wide else ' '}", style="dim")
    text = format_scaled(mean, unit)
    clear = is_significant(mean, half)
    if wide and text and half is not None:
        text = f"{text} ± {format_scaled(half, unit).lstrip('+')}"
    style = "" if mean is None or not clear else "green" if mean > 0 else "red"
    return Text(f"{text} *" if clear and wide else f"{text}{'*' if clear else ' '}", style=style)


def _cost_table(costs: CostFile) -> Table:
    table = make_table("Cost of measuring, per seed")
    for title in ("measure", "seconds", "of joint training"):
        table.add_column(title, justify="left" if title == "measure" else "right")
    for name, cost in costs.measures.items():
        share = cost.share_of_joint_training
        table.add_row(
            safe_text(measure_label(name)), formatting.format_measurement(cost.seconds), "" if share is None else f"{100 * share:.0f} %"
        )
    return table
