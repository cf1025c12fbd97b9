"""The verdict at a glance, for a terminal of 80 columns: what is built here, the command line prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from polytask.report import numbers
from polytask.report.outcome import (
    ArmCost,
    Costs,
    Outcome,
    Said,
    TaskOutcome,
    as_outcome,
    choice_sentence,
    openings_sentence,
    parse,
    settle_lines,
)
from polytask.report.text import clean_text

WORD_STYLES = {"helps": "bold green", "hurts": "bold red", "same": "bold cyan", "unclear": "bold yellow"}
# Together with the numbers and the word these fit into 80 columns.
NAME_WIDTH, DIFFERENCE_WIDTH = 13, 30
COST_COLUMNS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("parameters", "parameters", numbers.short),
    ("multiply-adds", "multiply_adds", numbers.short),
    ("seconds", "seconds", numbers.measured),
)


def verdict_table(verdict: Mapping[str, Any] | Outcome, costs: Mapping[str, Any] | Costs | None = None) -> RenderableType:
    """The verdict, its cost and the recommendation, as something that Rich can print.

    Args:
        verdict: The content of verdict.json.
        costs: The content of cost.json; without it there is no table of costs.

    Raises:
        DataError: An entry of the wrong kind.

    Example:
        >>> from rich.console import Console
        >>> said = {"mean": 0.957, "difference": 0.004, "ci95": [0.001, 0.007], "verdict": "helps"}
        >>> digit = {"metric": "accuracy", "single": {"mean": 0.953}, "arms": {"equal": said}}
        >>> console = Console(width=80)
        >>> with console.capture() as shown:
        ...     console.print(verdict_table({"tasks": {"digit": digit}}))
        >>> "+0.40 [+0.10, +0.70] points" in shown.get()
        True
    """
    outcome = as_outcome(verdict)
    parts: list[RenderableType] = [_words(outcome)]
    if costs is not None:
        parts.append(_costs(outcome.baseline, costs if isinstance(costs, Costs) else parse(Costs, costs, "cost.json")))
    return Group(*(part for table in parts for part in (table, Text(""))), *_sentences(outcome))


def plain_text(text: object, style: str = "") -> Text:
    """Cleaned text in which nothing is markup."""
    return Text(clean_text(text), style=style)


def plain_table(title: str) -> Table:
    """A table with few lines."""
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )


def _words(outcome: Outcome) -> Table:
    table = plain_table("Compared with single-task training")
    for name in ("task", "arm"):
        table.add_column(name, overflow="fold", max_width=NAME_WIDTH)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("difference [95 % interval]", min_width=DIFFERENCE_WIDTH)
    table.add_column("verdict", no_wrap=True)
    for name, task in outcome.tasks.items():
        _add_task(table, outcome, name, task)
    return table


def _add_task(table: Table, outcome: Outcome, name: str, task: TaskOutcome) -> None:
    """The baseline's row, then one per arm; the metric stands below the task's name."""
    table.add_row(plain_text(name, "bold"), plain_text(outcome.baseline), plain_text(numbers.value(task.metric, task.single.mean)), "", "")
    below = [plain_text(task.metric, "dim"), *([Text("")] * len(task.arms))]
    for label, (arm, said) in zip(below, task.arms.items(), strict=False):
        mark = " *" if choice_sentence(outcome) and arm == outcome.chosen else ""
        mean = plain_text(numbers.value(task.metric, said.mean))
        table.add_row(label, plain_text(f"{clean_text(arm)}{mark}"), mean, _difference(task.metric, said), _word(said))
    table.add_section()


def _difference(metric: str, said: Said) -> Text:
    number = numbers.change(metric, said.difference, numbers.half_width(said.ci95))
    text = plain_text(f"{number} {numbers.interval(metric, said.ci95)}{numbers.unit(metric)}")
    return Text("\n").join([text, *(plain_text(line, "dim") for line in settle_lines(metric, said))])


def _word(said: Said) -> Text:
    return plain_text(said.verdict, WORD_STYLES.get(said.verdict, ""))


def _costs(baseline: str, costs: Costs) -> Table:
    table = plain_table(f"Cost (times {clean_text(baseline)})")
    table.add_column("arm", overflow="fold", max_width=NAME_WIDTH)
    for name in ("networks", *(title for title, _, _ in COST_COLUMNS)):
        table.add_column(name, justify="right")
    reference = costs.arms.get(baseline, ArmCost())
    for arm, cost in costs.arms.items():
        cells = [_cell(getattr(cost, key), getattr(reference, key), shown, arm != baseline) for _, key, shown in COST_COLUMNS]
        table.add_row(plain_text(arm), numbers.count(cost.networks), *cells)
    return table


def _cell(number: float | None, reference: float | None, shown: Callable[[float | None], str], compared: bool) -> Text:
    times = numbers.ratio(number, reference) if compared else None
    text = Text(shown(number))
    return text if times is None else text.append(f" ({times:.2f})", style="dim")


def _sentences(outcome: Outcome) -> list[Text]:
    """The recommendation, warnings, notes, and how often the test data were opened."""
    reason = [plain_text(outcome.recommendation.reason, "bold"), Text("")] if outcome.recommendation.reason else []
    warnings = [plain_text(f"Warning: {line}", "yellow") for line in outcome.warnings]
    chosen = [plain_text(f"* {choice_sentence(outcome)}", "dim")] if choice_sentence(outcome) else []
    notes = [plain_text(line, "dim") for line in ("A difference with + is better.", *outcome.notes, openings_sentence(outcome))]
    return [*reason, *warnings, *chosen, *notes]
