"""Summary of `polytask study` for a terminal of 80 columns or more; the command line prints it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from polytask.metrics import formatting
from polytask.report.contents.display_names import titled_costs
from polytask.run_files import UNKNOWN_COST, ArmRecord, CostFile, PooledRecord, TaskRecord, VerdictFile
from polytask.verdicts.shown.claim_sentences import (
    advice_lines,
    chosen_arm_sentence,
    margins_sentence,
    openings_sentence,
    reference_text,
    repetitions_of,
    sample_size_lines,
)
from polytask.verdicts.shown.outcome_charts import ALL_TASKS
from polytask.verdicts.shown.sanitize import clean_text
from polytask.verdicts.shown.titled_verdict import titled_verdict
from polytask.verdicts.shown.verdict_tables import difference_text

CLAIM_STYLES = {"helps": "bold green", "hurts": "bold red", "same": "bold cyan", "unclear": "bold yellow"}
# Together with the means and the verdicts these fit into 80 columns.
NAME_WIDTH, DIFFERENCE_WIDTH = 13, 30
WIDE, WIDE_NAMES = 120, 40
"""From this many columns on, names have more room."""
COST_COLUMNS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("parameters", "parameters", formatting.format_short_count),
    ("multiply-adds", "multiply_adds", formatting.format_short_count),
    ("seconds", "seconds", formatting.format_measurement),
)


def verdict_summary(
    verdict: Mapping[str, Any] | VerdictFile, costs: Mapping[str, Any] | CostFile | None = None, folder: str = ""
) -> RenderableType:
    """Return the advice, the verdict and its cost as a Rich renderable.

    Args:
        verdict: Content of verdict.json.
        costs: Content of cost.json; `None` omits the table of costs.
        folder: Run folder, for the command that adds seeds; empty omits the command.

    Raises:
        DataError: An entry has the wrong type.

    Example:
        >>> from rich.console import Console
        >>> record = {"mean": 0.957, "difference": 0.004, "ci95": [0.001, 0.007], "verdict": "helps"}
        >>> digit = {"metric": "accuracy", "single": {"mean": 0.953}, "arms": {"equal": record}}
        >>> console = Console(width=80)
        >>> with console.capture() as shown:
        ...     console.print(verdict_summary({"tasks": {"digit": digit}}))
        >>> "+0.40 [+0.10, +0.70] points" in shown.get()
        True
    """
    stored = VerdictFile.parse(verdict, "verdict.json")
    outcome = titled_verdict(stored)
    spent = None if costs is None else CostFile.parse(costs, "cost.json")
    parts: list[RenderableType] = [FittedTable(lambda width: _verdict_table(outcome, width))]
    if spent is not None:
        titled = titled_costs(spent, stored.titles)
        parts.append(FittedTable(lambda width: _cost_table(outcome.baseline, titled, width)))
    advice = advice_lines(stored, spent, folder)
    shown = [safe_text(line, "bold" if place == 0 else "") for place, line in enumerate(advice)]
    return Group(*shown, *([Text("")] if shown else []), *(part for table in parts for part in (table, Text(""))), *_sentences(outcome))


@dataclass(frozen=True)
class FittedTable:
    """A table whose names have as much room as the terminal allows.

    Attributes:
        build: Function that returns the table for the largest width of a name.
    """

    build: Callable[[int], Table]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the table for the width of the terminal."""
        yield self.build(WIDE_NAMES if options.max_width >= WIDE else NAME_WIDTH)


def safe_text(text: object, style: str = "") -> Text:
    """Return cleaned text that Rich does not interpret as markup."""
    return Text(clean_text(text), style=style)


def make_table(title: str) -> Table:
    """Return an empty table with few lines."""
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )


def _verdict_table(outcome: VerdictFile, name_width: int) -> Table:
    """Return a table of the mean over tasks, which comes first, and of every task."""
    table = make_table(f"Compared with {clean_text(reference_text(outcome))}")
    for name in ("task", "arm"):
        table.add_column(name, overflow="fold", max_width=name_width)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("difference [95 % interval]", min_width=DIFFERENCE_WIDTH)
    table.add_column("verdict", no_wrap=True)
    for arm, summary in outcome.arms.items():
        if summary.pooled is not None:
            lines = [difference_text("margins", summary.pooled), *_pooled_lines(outcome, summary.pooled)]
            table.add_row(safe_text(ALL_TASKS, "bold"), safe_text(arm), "", _lines_text(lines), _claim_text(summary.pooled))
    if any(summary.pooled is not None for summary in outcome.arms.values()):
        table.add_section()
    for name, task in outcome.tasks.items():
        _add_task_rows(table, outcome, name, task)
    return table


def _pooled_lines(outcome: VerdictFile, record: PooledRecord) -> tuple[str, ...]:
    return () if _is_beside(outcome, record) else sample_size_lines("margins", record, repetitions_of(outcome), 1.0)


def _is_beside(outcome: VerdictFile, record: ArmRecord | PooledRecord) -> bool:
    """Return whether small print would hide the numbers: of arms outside the networks' family, if there are several families."""
    return bool(outcome.sharing) and not record.adjusted


def _lines_text(lines: Sequence[str]) -> Text:
    """Return a text whose first line is a difference, and the others small print."""
    return Text("\n").join([safe_text(lines[0]), *(safe_text(line, "dim") for line in lines[1:])])


def _add_task_rows(table: Table, outcome: VerdictFile, name: str, task: TaskRecord) -> None:
    """Add the row of the baseline and one per arm; the metric is written below the name of the task."""
    table.add_row(
        safe_text(name, "bold"), safe_text(outcome.baseline), safe_text(formatting.format_metric(task.metric, task.single.mean)), "", ""
    )
    below = [safe_text(task.metric, "dim"), *([Text("")] * len(task.arms))]
    for label, (arm, record) in zip(below, task.arms.items(), strict=False):
        mark = " *" if chosen_arm_sentence(outcome) and arm == outcome.chosen else ""
        mean = safe_text(formatting.format_metric(task.metric, record.mean))
        small = () if _is_beside(outcome, record) else sample_size_lines(task.metric, record, repetitions_of(outcome), task.margin)
        lines = [difference_text(task.metric, record), *small]
        table.add_row(label, safe_text(f"{clean_text(arm)}{mark}"), mean, _lines_text(lines), _claim_text(record))
    table.add_section()


def _claim_text(record: ArmRecord | PooledRecord) -> Text:
    return safe_text(record.verdict, CLAIM_STYLES.get(record.verdict, ""))


def _cost_table(baseline: str, costs: CostFile, name_width: int) -> Table:
    table = make_table(f"Cost (times {clean_text(baseline)})")
    table.add_column("arm", overflow="fold", max_width=name_width)
    for name in ("networks", *(title for title, _, _ in COST_COLUMNS)):
        table.add_column(name, justify="right")
    reference = costs.arms.get(baseline, UNKNOWN_COST)
    for arm, cost in costs.arms.items():
        cells = [_cost_cell(getattr(cost, key), getattr(reference, key), shown, arm != baseline) for _, key, shown in COST_COLUMNS]
        table.add_row(safe_text(arm), formatting.format_count(cost.networks), *cells)
    return table


def _cost_cell(number: float | None, reference: float | None, shown: Callable[[float | None], str], compared: bool) -> Text:
    times = formatting.quotient(number, reference) if compared else None
    text = Text(shown(number))
    return text if times is None else text.append(f" ({times:.2f})", style="dim")


def _sentences(outcome: VerdictFile) -> list[Text]:
    """Return warnings, notes, and how often the test data were opened."""
    warnings = [safe_text(f"Warning: {line}", "yellow") for line in outcome.warnings]
    chosen = [safe_text(f"* {chosen_arm_sentence(outcome)}", "dim")] if chosen_arm_sentence(outcome) else []
    notes = [
        safe_text(line, "dim")
        for line in ("Positive differences are better.", margins_sentence(outcome), *outcome.notes, openings_sentence(outcome))
        if line
    ]
    return [*warnings, *chosen, *notes]
