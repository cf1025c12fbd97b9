"""HTML report of `polytask study`: one page that works offline, in which names from data are escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from polytask.metrics import formatting
from polytask.report.contents.curves_and_confusion import ConfusionMatrix, LearningCurve, MetricRow
from polytask.report.contents.run_contents import RunContents
from polytask.report.pages import charts
from polytask.report.pages.page_contents import with_contents
from polytask.report.sanitize import clean_text
from polytask.run_files import UNKNOWN_COST, NetworkPartRecord
from polytask.verdicts.shown.claim_sentences import advice_lines, chosen_arm_sentence, openings_sentence, reference_text, sample_size_lines
from polytask.verdicts.shown.difference_chart import CLAIM_COLORS, INSTALL_CHARTS, has_charts
from polytask.verdicts.shown.verdict_tables import difference_text

MAX_MATRIX_CLASSES = 30
MAX_LISTED_CONFUSIONS = 15
SHADES = 10


def style_hash(environment: Environment) -> str:
    """Return the SHA-256 hash of the style sheet; the content security policy of a page allows no other style."""
    style = environment.get_template("style.css").render()
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def render_study_page(contents: RunContents) -> str:
    """Render the page. It contains no time, so that the same contents give the same bytes.

    Args:
        contents: Content of a run folder of `polytask study`.
    """
    environment = template_environment()
    page = environment.get_template("study_page.html.j2").render(
        contents=contents,
        outcome=contents.outcome,
        advice=advice_lines(contents.outcome, contents.costs, contents.folder),
        style_hash=style_hash(environment),
        how_to_get_charts="" if has_charts() else INSTALL_CHARTS,
        overview=charts.to_data_uri(charts.overview_chart(contents.outcome)),
        intervals=_interval_images(contents),
        panels=_panels_by_task(contents, contents.curves),
        gradients=_panels_by_task(contents, contents.gradients),
        sharing=_panels_by_task(contents, contents.sharing),
        leads=_panels_by_task(contents, contents.leads),
        pictures=_architecture_images(contents),
        matrices=[_confusion_table(confusion) for confusion in contents.confusions],
        metrics=list(_metric_lines(contents.metrics)),
        arms=list(dict.fromkeys(row.arm for row in contents.metrics)),
        failing={arm: cost for arm, cost in contents.costs.arms.items() if cost.unsolved_steps or cost.non_finite_steps},
    )
    return with_contents(page)


def template_environment() -> Environment:
    """Return the Jinja environment of the templates, which escapes and cleans every value."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=clean_text,  # applied to every value
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "formatting": formatting, "sample_size_lines": sample_size_lines, "openings_sentence": openings_sentence,
        "chosen_arm_sentence": chosen_arm_sentence, "reference_text": reference_text,
        "difference_text": difference_text, "word_class": _claim_class, "no_cost": UNKNOWN_COST, "ratio": _ratio_text,
    }  # fmt: skip
    environment.filters["minus"] = _typographic_minus
    return environment


def _claim_class(word: str) -> str:
    return word if word in CLAIM_COLORS else "unknown"


def _typographic_minus(text: str) -> str:
    """Replace hyphens by the minus sign, which is as wide as a plus."""
    return text.replace("-", "−")


def _ratio_text(number: float | None, reference: float | None) -> str:
    times = formatting.quotient(number, reference)
    return "" if times is None else f"{times:.2f} ×"


@dataclass(frozen=True)
class IntervalImage:
    """The intervals of one task as an image."""

    task: str
    image: str


def _interval_images(contents: RunContents) -> list[IntervalImage]:
    images = {name: charts.to_data_uri(charts.interval_chart(task)) for name, task in contents.outcome.tasks.items()}
    return [IntervalImage(name, image) for name, image in images.items() if image is not None]


@dataclass(frozen=True)
class ArchitectureImage:
    """The parts of a network and the tasks that reach them, as an image and as a list, for all arms with the same parts."""

    arms: str
    image: str
    pieces: tuple[NetworkPartRecord, ...]


def _architecture_images(contents: RunContents) -> list[ArchitectureImage]:
    from polytask.architectures import NetworkPart, draw_sharing  # imports torch, which nothing else here needs

    alike: dict[tuple[NetworkPartRecord, ...], list[str]] = {}
    for arm, pieces in contents.costs.parts.items():
        alike.setdefault(pieces, []).append(arm)
    found = []
    for pieces, arms in alike.items():
        drawn = draw_sharing([NetworkPart(piece.name, piece.tasks, piece.parameters) for piece in pieces])
        image = f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()}"
        found.append(ArchitectureImage(", ".join(arms), image, pieces))
    return found


@dataclass(frozen=True)
class CurvePanel:
    """A learning curve as an image and as a table.

    Attributes:
        task: Name of the task.
        title: Title of the chart.
        image: Data URI of the chart; `None` if charts cannot be rendered.
        arms: Columns of the table.
        rows: Number of each epoch, and one cell per arm.
    """

    task: str
    title: str
    image: str | None
    arms: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def _panels_by_task(contents: RunContents, curves: Sequence[LearningCurve]) -> dict[str, list[CurvePanel]]:
    """Curves by task."""
    panels = [make_panel(curve, contents.outcome.arm_names) for curve in curves]
    return {task: [panel for panel in panels if panel.task == task] for task in dict.fromkeys(panel.task for panel in panels)}


def make_panel(curve: LearningCurve, arms: Sequence[str]) -> CurvePanel:
    """Return a curve as an image and as a table, with a color and a column for each of `arms`."""
    split = "" if curve.split in ("sharing", "observed") else curve.split
    title = f"{split} {formatting.metric_label(curve.name)}{', %' if formatting.display_unit(curve.name) else ''}".strip()
    title = title[0].upper() + title[1:]
    named = tuple(
        dict.fromkeys([*(arm for arm in arms if any(mean.arm == arm for mean in curve.means)), *(mean.arm for mean in curve.means)])
    )
    cells = {
        (mean.epoch, mean.arm): formatting.format_metric(curve.name, mean.value) + ("" if mean.complete else f" ({mean.seeds})")
        for mean in curve.means
    }
    epochs = sorted({mean.epoch for mean in curve.means})
    rows = tuple((epoch, tuple(cells.get((epoch, arm), "") for arm in named)) for epoch in epochs)
    return CurvePanel(curve.task, title, charts.to_data_uri(charts.learning_curve_chart(curve, named)), named, rows)


@dataclass(frozen=True)
class ConfusionCell:
    """One cell of a confusion matrix: count, percentage of its row as text, and CSS class."""

    count: int
    text: str
    shade: str


@dataclass(frozen=True)
class ConfusionTable:
    """A confusion matrix ready for the template: its cells, or the most frequent confusions if there are too many classes."""

    task: str
    arm: str
    labels: tuple[str, ...]
    rows: tuple[tuple[str, tuple[ConfusionCell, ...], int], ...]
    pairs: tuple[tuple[str, str, int], ...]


def _confusion_table(confusion: ConfusionMatrix) -> ConfusionTable:
    labels = confusion.labels
    if len(labels) > MAX_MATRIX_CLASSES:
        wrong = [
            (true, other, n) for i, true in enumerate(labels) for j, other in enumerate(labels) if i != j and (n := confusion.counts[i][j])
        ]
        return ConfusionTable(
            confusion.task, confusion.arm, labels, (), tuple(sorted(wrong, key=lambda pair: -pair[2])[:MAX_LISTED_CONFUSIONS])
        )
    rows = tuple(
        (true, tuple(_cells(place, counts)), sum(counts)) for place, (true, counts) in enumerate(zip(labels, confusion.counts, strict=True))
    )
    return ConfusionTable(confusion.task, confusion.arm, labels, rows, ())


def _cells(place: int, counts: Sequence[int]) -> Iterator[ConfusionCell]:
    total = max(sum(counts), 1)
    for column, count in enumerate(counts):
        share = count / total
        percent = f"{100 * share:.0f}"
        text = "" if not count else "·" if percent == "0" else percent
        # Errors are rare, so their shades follow the square root of their share.
        depth = share if column == place else share**0.5
        yield ConfusionCell(count, text, f"{'right' if column == place else 'wrong'}-{min(SHADES - 1, int(SHADES * depth))}")


@dataclass(frozen=True)
class MetricLine:
    """One metric of one task on test data, with a cell per arm."""

    task: str
    metric: str
    cells: tuple[str, ...]


def _metric_lines(rows: Sequence[MetricRow]) -> Iterator[MetricLine]:
    tested = {(row.task, row.metric, row.arm): row for row in rows if row.split == "test"}
    arms = dict.fromkeys(row.arm for row in rows)
    for task, metric in dict.fromkeys((task, metric) for task, metric, _ in tested):
        found = [tested.get((task, metric, arm)) for arm in arms]
        yield MetricLine(task, formatting.metric_label(metric), tuple("" if row is None else _with_deviation(row) for row in found))


def _with_deviation(row: MetricRow) -> str:
    mean = formatting.format_metric(row.metric, row.mean)
    return mean if row.sd is None else f"{mean} ± {formatting.format_significant(formatting.display_factor(row.metric) * row.sd, 2)}"
