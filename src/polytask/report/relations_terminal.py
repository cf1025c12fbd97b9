"""How tasks stand to each other, for a terminal of 80 columns: what is built here, the command line prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from polytask.report import numbers
from polytask.report.outcome import parse
from polytask.report.relations import (
    Measure,
    RelateCosts,
    Relatedness,
    as_relatedness,
    groups_sentence,
    in_unit,
    is_clear,
    measure_name,
    on_diagonal,
    summary_line,
    unit_of,
)
from polytask.report.terminal import plain_table, plain_text

MOST_WITH_INTERVALS = 3
"""Up to so many tasks intervals fit beside the numbers."""

COLUMNS = 9
"""So many columns of numbers fit beside the names; more tasks are shown in several tables."""

NAME_WIDTH = 20


def relations_table(content: Mapping[str, Any] | Relatedness, costs: Mapping[str, Any] | RelateCosts | None = None) -> RenderableType:
    """The matrices, what they cost, and the groups that are proposed, as something that Rich can print.

    Args:
        content: Of relate.json.
        costs: The content of cost.json; without it there is no table of costs.

    Raises:
        DataError: An entry of the wrong kind.

    Example:
        >>> from rich.console import Console
        >>> cosine = {"mean": [[1, -0.25], [-0.25, 1]], "half_width": [[0, 0.1], [0.1, 0]], "agreement": None, "told_apart": 2}
        >>> console = Console(width=80)
        >>> with console.capture() as shown:
        ...     console.print(relations_table({"tasks": ["a", "b"], "seeds": [0, 1], "measures": {"cosine": cosine}}))
        >>> "-0.25 ± 0.10 *" in shown.get()
        True
    """
    relatedness = as_relatedness(content)
    parts: list[RenderableType] = []
    for name, measure in relatedness.measures.items():
        parts += [*_tables(name, measure, relatedness), plain_text(summary_line(measure, relatedness), "dim"), Text("")]
    if costs is not None:
        parts += [_costs(costs if isinstance(costs, RelateCosts) else parse(RelateCosts, costs, "cost.json")), Text("")]
    sentence = plain_text(groups_sentence(relatedness.grouping), "bold")
    notes = [plain_text(note, "dim") for note in ("Rows act on columns. * The interval of 95 % excludes 0.", *relatedness.notes)]
    return Group(*parts, sentence, Text(""), *notes)


def _tables(name: str, measure: Measure, relatedness: Relatedness) -> Iterator[Table]:
    """One table, or several of some columns each, in which tasks go by their numbers."""
    tasks, unit = relatedness.tasks, unit_of(measure)
    title = measure_name(name) + (f", in 10^{unit}" if unit else "")
    wide = len(tasks) <= MOST_WITH_INTERVALS
    for first in range(0, len(tasks), COLUMNS):
        columns = range(first, min(first + COLUMNS, len(tasks)))
        table = plain_table(title if first == 0 else f"{title} (continued)")
        table.add_column("", overflow="fold", max_width=NAME_WIDTH)
        for column in columns:
            table.add_column(plain_text(tasks[column] if wide else f"{column + 1}"), justify="right", no_wrap=not wide)
        for row, task in enumerate(tasks):
            cells = [_cell(measure, (row, column), unit, wide=wide) for column in columns]
            table.add_row(plain_text(task if wide else f"{row + 1} {task}"), *cells)
        yield table


def _cell(measure: Measure, place: tuple[int, int], unit: int, *, wide: bool) -> Text:
    row, column = place
    mean, half = measure.mean[row][column], measure.half_width[row][column]
    if row == column:
        return Text(f"{on_diagonal(mean, unit)}{'' if wide else ' '}", style="dim")
    text = in_unit(mean, unit)
    clear = is_clear(mean, half)
    if wide and text and half is not None:
        text = f"{text} ± {in_unit(half, unit).lstrip('+')}"
    style = "" if mean is None or not clear else "green" if mean > 0 else "red"
    return Text(f"{text} *" if clear and wide else f"{text}{'*' if clear else ' '}", style=style)


def _costs(costs: RelateCosts) -> Table:
    table = plain_table("What measuring cost, per seed")
    for title in ("measure", "seconds", "of joint training"):
        table.add_column(title, justify="left" if title == "measure" else "right")
    for name, cost in costs.measures.items():
        share = cost.share_of_joint_training
        table.add_row(plain_text(measure_name(name)), numbers.measured(cost.seconds), "" if share is None else f"{100 * share:.0f} %")
    return table
