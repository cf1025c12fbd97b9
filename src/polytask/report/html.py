"""The report as one page that works offline, in which names from data can do nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from polytask.report import charts, numbers
from polytask.report.contents import RunContents
from polytask.report.outcome import ArmCost, Piece, choice_sentence, openings_sentence, settle_lines
from polytask.report.tables import Confusion, Curve, MetricRow
from polytask.report.text import clean_text

MOST_CLASSES = 30
MOST_PAIRS = 15
SHADES = 10


def style_hash(environment: Environment) -> str:
    """SHA-256 of the style sheet, by which a page's policy allows it and nothing else."""
    style = environment.get_template("style.css").render()
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def render(contents: RunContents) -> str:
    """The page. There is no time in it: the same contents give the same bytes.

    Args:
        contents: Of a run folder.
    """
    environment = page_environment()
    return environment.get_template("template.html.j2").render(
        contents=contents,
        outcome=contents.outcome,
        style_hash=style_hash(environment),
        how_to_get_charts="" if charts.has_charts() else charts.HOW_TO_GET_CHARTS,
        intervals=_intervals(contents),
        panels=_panels(contents, contents.curves),
        gradients=_panels(contents, contents.gradients),
        sharing=_panels(contents, contents.sharing),
        leads=_panels(contents, contents.leads),
        pictures=_pictures(contents),
        matrices=[_matrix(confusion) for confusion in contents.confusions],
        metrics=list(_metric_lines(contents.metrics)),
        arms=list(dict.fromkeys(row.arm for row in contents.metrics)),
    )


def page_environment() -> Environment:
    """Where templates live: whatever reaches a page is escaped and cleaned."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=clean_text,  # whatever reaches the page, wherever it comes from
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "numbers": numbers, "settle_lines": settle_lines, "openings_sentence": openings_sentence, "choice_sentence": choice_sentence,
        "word_class": _word_class, "no_cost": ArmCost(), "ratio": _ratio,
    }  # fmt: skip
    environment.filters["minus"] = _minus
    return environment


def _word_class(word: str) -> str:
    return word if word in charts.WORD_COLOURS else "unknown"


def _minus(text: str) -> str:
    """The sign that is as wide as a plus."""
    return text.replace("-", "−")


def _ratio(number: float | None, reference: float | None) -> str:
    times = numbers.ratio(number, reference)
    return "" if times is None else f"{times:.2f} ×"


@dataclass(frozen=True)
class Interval:
    """A task's intervals as an image."""

    task: str
    image: str


def _intervals(contents: RunContents) -> list[Interval]:
    specs = {name: charts.intervals(task) for name, task in contents.outcome.tasks.items()}
    images = {name: charts.as_image(spec) for name, spec in specs.items() if spec is not None}
    return [Interval(name, image) for name, image in images.items() if image is not None]


@dataclass(frozen=True)
class Picture:
    """Who shares what, as an image and as a list; of all arms that share in the same way."""

    arms: str
    image: str
    pieces: tuple[Piece, ...]


def _pictures(contents: RunContents) -> list[Picture]:
    from polytask.architectures.picture import Part, picture_of  # torch comes with it, and only this needs it

    alike: dict[tuple[Piece, ...], list[str]] = {}
    for arm, pieces in contents.costs.parts.items():
        alike.setdefault(pieces, []).append(arm)
    found = []
    for pieces, arms in alike.items():
        drawn = picture_of([Part(piece.name, piece.tasks, piece.parameters) for piece in pieces])
        image = f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()}"
        found.append(Picture(", ".join(arms), image, pieces))
    return found


@dataclass(frozen=True)
class Panel:
    """A learning curve as an image and as a table.

    Attributes:
        image: None where charts cannot be drawn.
        arms: The table's columns.
        rows: Per epoch its number and one cell per arm.
    """

    task: str
    title: str
    image: str | None
    arms: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def _panels(contents: RunContents, curves: Sequence[Curve]) -> dict[str, list[Panel]]:
    """Curves by task."""
    panels = [panel_of(curve, contents.outcome.arm_names) for curve in curves]
    return {task: [panel for panel in panels if panel.task == task] for task in dict.fromkeys(panel.task for panel in panels)}


def panel_of(curve: Curve, arms: Sequence[str]) -> Panel:
    """A curve as an image and as a table, a colour and a column for each of `arms`."""
    split = "" if curve.split in ("sharing", "observed") else curve.split
    title = f"{split} {numbers.metric_name(curve.name)}{', %' if numbers.unit(curve.name) else ''}".strip()
    title = title[0].upper() + title[1:]
    named = tuple(
        dict.fromkeys([*(arm for arm in arms if any(mean.arm == arm for mean in curve.means)), *(mean.arm for mean in curve.means)])
    )
    cells = {
        (mean.epoch, mean.arm): numbers.value(curve.name, mean.value) + ("" if mean.complete else f" ({mean.seeds})")
        for mean in curve.means
    }
    epochs = sorted({mean.epoch for mean in curve.means})
    rows = tuple((epoch, tuple(cells.get((epoch, arm), "") for arm in named)) for epoch in epochs)
    return Panel(curve.task, title, charts.as_image(charts.learning_curve(curve, named)), named, rows)


@dataclass(frozen=True)
class Cell:
    """One cell of a confusion matrix: how often, as a share of its row, and how it is shaded."""

    count: int
    text: str
    shade: str


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix to be shown: as cells, or, with too many classes, as the most frequent confusions."""

    task: str
    arm: str
    labels: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...], int], ...]
    pairs: tuple[tuple[str, str, int], ...]


def _matrix(confusion: Confusion) -> Matrix:
    labels = confusion.labels
    if len(labels) > MOST_CLASSES:
        wrong = [
            (true, other, n) for i, true in enumerate(labels) for j, other in enumerate(labels) if i != j and (n := confusion.counts[i][j])
        ]
        return Matrix(confusion.task, confusion.arm, labels, (), tuple(sorted(wrong, key=lambda pair: -pair[2])[:MOST_PAIRS]))
    rows = tuple(
        (true, tuple(_cells(place, counts)), sum(counts)) for place, (true, counts) in enumerate(zip(labels, confusion.counts, strict=True))
    )
    return Matrix(confusion.task, confusion.arm, labels, rows, ())


def _cells(place: int, counts: Sequence[int]) -> Iterator[Cell]:
    total = max(sum(counts), 1)
    for column, count in enumerate(counts):
        share = count / total
        percent = f"{100 * share:.0f}"
        text = "" if not count else "·" if percent == "0" else percent
        # Errors are rare, so that their shades follow the root of their share.
        depth = share if column == place else share**0.5
        yield Cell(count, text, f"{'right' if column == place else 'wrong'}-{min(SHADES - 1, int(SHADES * depth))}")


@dataclass(frozen=True)
class MetricLine:
    """One metric of one task on test data, per arm."""

    task: str
    metric: str
    cells: tuple[str, ...]


def _metric_lines(rows: Sequence[MetricRow]) -> Iterator[MetricLine]:
    tested = {(row.task, row.metric, row.arm): row for row in rows if row.split == "test"}
    arms = dict.fromkeys(row.arm for row in rows)
    for task, metric in dict.fromkeys((task, metric) for task, metric, _ in tested):
        found = [tested.get((task, metric, arm)) for arm in arms]
        yield MetricLine(task, numbers.metric_name(metric), tuple("" if row is None else _with_deviation(row) for row in found))


def _with_deviation(row: MetricRow) -> str:
    mean = numbers.value(row.metric, row.mean)
    return mean if row.sd is None else f"{mean} ± {numbers.significant(numbers.factor(row.metric) * row.sd, 2)}"
