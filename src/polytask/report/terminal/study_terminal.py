"""Summary of `polytask study` for a terminal of 80 columns; the command line prints it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from polytask.report import formatting
from polytask.report.contents.display_names import titled_costs, titled_verdict
from polytask.report.contents.verdict_sentences import chosen_arm_sentence, openings_sentence, sample_size_lines
from polytask.report.sanitize import clean_text
from polytask.run_files import UNKNOWN_COST, ArmRecord, CostFile, TaskRecord, VerdictFile

CLAIM_STYLES = {"helps": "bold green", "hurts": "bold red", "same": "bold cyan", "unclear": "bold yellow"}
# Together with the means and the verdicts these fit into 80 columns.
NAME_WIDTH, DIFFERENCE_WIDTH = 13, 30
COST_COLUMNS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("parameters", "parameters", formatting.format_short_count),
    ("multiply-adds", "multiply_adds", formatting.format_short_count),
    ("seconds", "seconds", formatting.format_measurement),
)


def verdict_summary(verdict: Mapping[str, Any] | VerdictFile, costs: Mapping[str, Any] | CostFile | None = None) -> RenderableType:
    """Return the verdict, its cost and the recommendation as a Rich renderable.

    Args:
        verdict: Content of verdict.json.
        costs: Content of cost.json; `None` omits the table of costs.

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
    parts: list[RenderableType] = [_verdict_table(outcome)]
    if costs is not None:
        parts.append(_cost_table(outcome.baseline, titled_costs(CostFile.parse(costs, "cost.json"), stored.titles)))
    return Group(*(part for table in parts for part in (table, Text(""))), *_sentences(outcome))


def safe_text(text: object, style: str = "") -> Text:
    """Return cleaned text that Rich does not interpret as markup."""
    return Text(clean_text(text), style=style)


def make_table(title: str) -> Table:
    """Return an empty table with few lines."""
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )


def _verdict_table(outcome: VerdictFile) -> Table:
    table = make_table("Compared with single-task training")
    for name in ("task", "arm"):
        table.add_column(name, overflow="fold", max_width=NAME_WIDTH)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("difference [95 % interval]", min_width=DIFFERENCE_WIDTH)
    table.add_column("verdict", no_wrap=True)
    for name, task in outcome.tasks.items():
        _add_task_rows(table, outcome, name, task)
    return table


def _add_task_rows(table: Table, outcome: VerdictFile, name: str, task: TaskRecord) -> None:
    """Add the row of the baseline and one per arm; the metric is written below the name of the task."""
    table.add_row(
        safe_text(name, "bold"), safe_text(outcome.baseline), safe_text(formatting.format_metric(task.metric, task.single.mean)), "", ""
    )
    below = [safe_text(task.metric, "dim"), *([Text("")] * len(task.arms))]
    for label, (arm, record) in zip(below, task.arms.items(), strict=False):
        mark = " *" if chosen_arm_sentence(outcome) and arm == outcome.chosen else ""
        mean = safe_text(formatting.format_metric(task.metric, record.mean))
        table.add_row(label, safe_text(f"{clean_text(arm)}{mark}"), mean, _difference_text(task.metric, record), _claim_text(record))
    table.add_section()


def _difference_text(metric: str, record: ArmRecord) -> Text:
    number = formatting.format_difference(metric, record.difference, formatting.half_width(record.ci95))
    text = safe_text(f"{number} {formatting.format_interval(metric, record.ci95)}{formatting.display_unit(metric)}")
    return Text("\n").join([text, *(safe_text(line, "dim") for line in sample_size_lines(metric, record))])


def _claim_text(record: ArmRecord) -> Text:
    return safe_text(record.verdict, CLAIM_STYLES.get(record.verdict, ""))


def _cost_table(baseline: str, costs: CostFile) -> Table:
    table = make_table(f"Cost (times {clean_text(baseline)})")
    table.add_column("arm", overflow="fold", max_width=NAME_WIDTH)
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
    """Return the recommendation, warnings, notes, and how often the test data were opened."""
    recommended = outcome.recommendation.reason if outcome.recommendation else ""
    reason = [safe_text(recommended, "bold"), Text("")] if recommended else []
    warnings = [safe_text(f"Warning: {line}", "yellow") for line in outcome.warnings]
    chosen = [safe_text(f"* {chosen_arm_sentence(outcome)}", "dim")] if chosen_arm_sentence(outcome) else []
    notes = [safe_text(line, "dim") for line in ("Positive differences are better.", *outcome.notes, openings_sentence(outcome))]
    return [*reason, *warnings, *chosen, *notes]
