"""The verdict at a glance, for a terminal of 80 columns: what is built here, the command line prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from polytask.report import numbers
from polytask.report.outcome import ArmCost, Costs, Outcome, Said, TaskOutcome, as_outcome, openings_sentence, parse, settle_lines
from polytask.report.text import clean_text

WORD_STYLES = {"helps": "bold green", "hurts": "bold red", "same": "bold cyan", "unclear": "bold yellow"}
COST_COLUMNS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("parameters", "parameters", numbers.short),
    ("multiply-adds", "multiply_adds", numbers.short),
    ("seconds", "seconds", lambda seconds: numbers.NOTHING if seconds is None else numbers.significant(seconds, 2)),
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
        >>> console = Console(width=80, record=True, quiet=True)
        >>> console.print(verdict_table({"tasks": {"digit": digit}}))
        >>> "+0.40 [+0.10, +0.70] points" in console.export_text()
        True
    """
    outcome = as_outcome(verdict)
    parts: list[RenderableType] = [_words(outcome)]
    if costs is not None:
        parts.append(_costs(outcome.baseline, costs if isinstance(costs, Costs) else parse(Costs, costs, "cost.json")))
    return Group(*parts, *_sentences(outcome))


def _plain(text: object, style: str = "") -> Text:
    """Cleaned text in which nothing is markup."""
    return Text(clean_text(text), style=style)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, expand=False)


def _words(outcome: Outcome) -> Table:
    table = _table("Compared with single-task training")
    for name in ("task", "arm"):
        table.add_column(name, overflow="fold", max_width=16)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("difference, 95 % interval\n(+ is better)")
    table.add_column("verdict")
    for name, task in outcome.tasks.items():
        _add_task(table, outcome, name, task)
    return table


def _add_task(table: Table, outcome: Outcome, name: str, task: TaskOutcome) -> None:
    label = Text("\n").join([_plain(name, "bold"), _plain(task.metric, "dim")])
    base = _plain(numbers.value(task.metric, task.single.mean))
    table.add_row(label, _plain(outcome.baseline), base, "", "", end_section=not task.arms)
    for position, (arm, said) in enumerate(task.arms.items(), start=1):
        mark = " *" if len(task.arms) > 1 and arm == outcome.chosen else ""
        mean = _plain(numbers.value(task.metric, said.mean))
        last = position == len(task.arms)
        table.add_row("", _plain(f"{clean_text(arm)}{mark}"), mean, _difference(task.metric, said), _word(task.metric, said), end_section=last)


def _difference(metric: str, said: Said) -> Text:
    seen = [line for line in settle_lines(metric, said) if line.startswith("could")]
    number = numbers.change(metric, said.difference, numbers.half_width(said.ci95))
    text = _plain(f"{number} {numbers.interval(metric, said.ci95)}{numbers.unit(metric)}")
    return Text("\n").join([text, *(Text(line, style="dim") for line in seen)])


def _word(metric: str, said: Said) -> Text:
    ways = [line for line in settle_lines(metric, said) if not line.startswith("could")]
    return Text("\n").join([_plain(said.verdict, WORD_STYLES.get(said.verdict, "")), *(Text(line, style="dim") for line in ways)])


def _costs(baseline: str, costs: Costs) -> Table:
    table = _table(f"Cost (times {clean_text(baseline)})")
    table.add_column("arm", overflow="fold", max_width=16)
    for name in ("networks", *(title for title, _, _ in COST_COLUMNS)):
        table.add_column(name, justify="right")
    reference = costs.arms.get(baseline, ArmCost())
    for arm, cost in costs.arms.items():
        cells = [_cell(getattr(cost, key), getattr(reference, key), shown, arm != baseline) for _, key, shown in COST_COLUMNS]
        table.add_row(_plain(arm), numbers.count(cost.networks), *cells)
    return table


def _cell(number: float | None, reference: float | None, shown: Callable[[float | None], str], compared: bool) -> Text:  # noqa: FBT001
    times = numbers.ratio(number, reference) if compared else None
    text = Text(shown(number))
    return text if times is None else text.append(f" ({times:.2f})", style="dim")


def _sentences(outcome: Outcome) -> list[Text]:
    """The recommendation, warnings, notes, and how often the test data were opened."""
    alone = any(not said.adjusted for task in outcome.tasks.values() for said in task.arms.values())
    marked = any(len(task.arms) > 1 for task in outcome.tasks.values())
    star = "* chosen on validation data: its words and intervals hold for all tasks together; those of other arms stand alone."
    reason = [_plain(outcome.recommendation.reason, "bold"), Text("")] if outcome.recommendation.reason else []
    warnings = [_plain(f"Warning: {line}", "yellow") for line in outcome.warnings]
    notes = [_plain(line, "dim") for line in (*outcome.notes, *([star] if alone and marked else []), openings_sentence(outcome))]
    return [*reason, *warnings, *notes]
