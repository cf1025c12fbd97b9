"""What the report shows of one task: metrics, curves, confusions, calibration and residuals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from polytask.metrics import formatting
from polytask.report.contents.curves_and_confusion import ConfusionMatrix, LearningCurve, MetricRow
from polytask.report.contents.prediction_checks import Reliability, ResidualProfile
from polytask.report.contents.run_contents import RunContents
from polytask.report.pages import charts
from polytask.report.pages.downloads import Download, csv_download, svg_download
from polytask.verdicts.shown.outcome_charts import interval_chart
from polytask.verdicts.shown.palette import arm_styles

MAX_MATRIX_CLASSES = 30
MAX_LISTED_CONFUSIONS = 15
SHADES = 10

Downloads = tuple[Download, ...]


@dataclass(frozen=True)
class Panel:
    """A chart as an image and as a table.

    Attributes:
        task: Name of the task.
        title: Title of the chart.
        image: Data URI of the chart; `None` if charts cannot be rendered.
        columns: Columns of the table.
        rows: Cells of each row of the table, as text; the first is its heading.
        downloads: Links that save the numbers and the picture.
    """

    task: str
    title: str
    image: str | None
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    downloads: Downloads


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
    downloads: Downloads


@dataclass(frozen=True)
class MetricTable:
    """Metrics of one task on test data: a column per metric, and a row per arm, also of the predictor that ignores the inputs."""

    metrics: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    downloads: Downloads


@dataclass(frozen=True)
class TaskSection:
    """Everything that the report shows of one task.

    Attributes:
        name: Name of the task.
        intervals: Chart of the differences; `None` if there is none.
        metrics: All metrics on test data.
        panels: Learning curves, calibration and residuals.
        matrices: Confusion matrices, one per arm.
        downloads: Links that save the picture of the differences.
    """

    name: str
    intervals: str | None
    metrics: MetricTable
    panels: tuple[Panel, ...]
    matrices: tuple[ConfusionTable, ...]
    downloads: Downloads


def task_sections(contents: RunContents) -> list[TaskSection]:
    """Return what the report shows of each task, in the order of the verdict."""
    styles = arm_styles(contents.outcome.arm_names)
    found = []
    for name in contents.outcome.tasks:
        panels = [make_panel(curve, styles) for curve in contents.curves if curve.task == name]
        reliable = [one for arm in styles for one in contents.reliabilities if (one.task, one.arm) == (name, arm)]
        residuals = [one for arm in styles for one in contents.residuals if (one.task, one.arm) == (name, arm)]
        panels += [reliability_panel(reliable, styles) for _ in reliable[:1]] + [residual_panel(residuals, styles) for _ in residuals[:1]]
        intervals = charts.to_data_uri(interval_chart(contents.outcome, name))
        metrics = metric_table(name, [row for row in contents.metrics if row.task == name])
        matrices = tuple(confusion_table(confusion) for confusion in contents.confusions if confusion.task == name)
        found.append(TaskSection(name, intervals, metrics, tuple(panels), matrices, _links(svg_download(f"{name} differences", intervals))))
    return found


def _links(*found: Download | None) -> Downloads:
    return tuple(link for link in found if link is not None)


def make_panel(curve: LearningCurve, styles: charts.Styles) -> Panel:
    """Return a curve as an image and as a table, with a column for each arm that has it."""
    split = "" if curve.split in ("sharing", "observed") else curve.split
    title = f"{split} {formatting.metric_label(curve.name)}{', %' if formatting.display_unit(curve.name) else ''}".strip()
    title = title[0].upper() + title[1:]
    named = tuple(arm for arm in styles if any(mean.arm == arm for mean in curve.means))
    cells = {
        (mean.epoch, mean.arm): formatting.format_metric(curve.name, mean.value) + ("" if mean.complete else f" ({mean.seeds})")
        for mean in curve.means
    }
    epochs = sorted({mean.epoch for mean in curve.means})
    rows = tuple((str(epoch), *(cells.get((epoch, arm), "") for arm in named)) for epoch in epochs)
    image = charts.to_data_uri(charts.learning_curve_chart(curve, styles))
    what = f"{curve.task} {title}"
    points = [(point.arm, point.seed, point.epoch, point.value) for point in curve.points]
    numbers = csv_download(what, ("arm", "seed", "epoch", "value"), points)
    return Panel(curve.task, title, image, ("epoch", *named), rows, _links(numbers, svg_download(what, image)))


def reliability_panel(found: Sequence[Reliability], styles: charts.Styles) -> Panel:
    """Return the calibration of the arms on one task: the chart, and the expected calibration error of each."""
    image = charts.to_data_uri(charts.reliability_chart(found, styles))
    title = f"Calibration: probability of {found[0].label}"
    rows = tuple((one.arm, formatting.format_significant(100 * one.calibration_error, 2), f"{one.units:,}") for one in found)
    points = [(one.arm, *pair) for one in found for pair in zip(one.predicted, one.observed, strict=True)]
    numbers = csv_download(f"{found[0].task} calibration", ("arm", "predicted", "observed"), points)
    picture = svg_download(f"{found[0].task} calibration", image)
    columns = ("arm", "expected calibration error, points", "predictions")
    return Panel(found[0].task, title, image, columns, rows, _links(numbers, picture))


def residual_panel(found: Sequence[ResidualProfile], styles: charts.Styles) -> Panel:
    """Return the residuals of the arms on one task: the chart, and mean and standard deviation of each."""
    image = charts.to_data_uri(charts.residual_chart(found, styles))
    rows = tuple((one.arm, formatting.format_significant(one.bias, 2), formatting.format_significant(one.spread, 3)) for one in found)
    points = [(one.arm, part.predicted, part.low, part.median, part.high) for one in found for part in one.bins]
    numbers = csv_download(f"{found[0].task} residuals", ("arm", "prediction", "low", "median", "high"), points)
    picture = svg_download(f"{found[0].task} residuals", image)
    columns = ("arm", "mean residual", "standard deviation")
    return Panel(found[0].task, "Residuals: target − prediction", image, columns, rows, _links(numbers, picture))


def confusion_table(confusion: ConfusionMatrix) -> ConfusionTable:
    """Return a confusion matrix ready for the template; of more than 30 classes, the most frequent confusions."""
    labels, counts = confusion.labels, confusion.counts
    flat = [(true, other, counts[i][j]) for i, true in enumerate(labels) for j, other in enumerate(labels)]
    numbers = csv_download(f"{confusion.task} {confusion.arm} confusion", ("true", "predicted", "times"), [one for one in flat if one[2]])
    if len(labels) > MAX_MATRIX_CLASSES:
        wrong = [(true, other, times) for true, other, times in flat if true != other and times]
        pairs = tuple(sorted(wrong, key=lambda pair: -pair[2])[:MAX_LISTED_CONFUSIONS])
        return ConfusionTable(confusion.task, confusion.arm, labels, (), pairs, (numbers,))
    rows = tuple((true, tuple(_cells(place, own)), sum(own)) for place, (true, own) in enumerate(zip(labels, counts, strict=True)))
    return ConfusionTable(confusion.task, confusion.arm, labels, rows, (), (numbers,))


def _cells(place: int, counts: Sequence[int]) -> Iterator[ConfusionCell]:
    total = max(sum(counts), 1)
    for column, count in enumerate(counts):
        share = count / total
        percent = f"{100 * share:.0f}"
        text = "" if not count else "·" if percent == "0" else percent
        # Errors are rare, so their shades follow the square root of their share.
        depth = share if column == place else share**0.5
        yield ConfusionCell(count, text, f"{'right' if column == place else 'wrong'}-{min(SHADES - 1, int(SHADES * depth))}")


def metric_table(task: str, rows: Sequence[MetricRow]) -> MetricTable:
    """Return mean ± standard deviation over seeds of all metrics of one task on test data."""
    tested: Mapping[tuple[str, str], MetricRow] = {(row.arm, row.metric): row for row in rows if row.split == "test"}
    arms, metrics = dict.fromkeys(arm for arm, _ in tested), tuple(dict.fromkeys(metric for _, metric in tested))
    lines = tuple((arm, tuple(_with_deviation(tested.get((arm, metric))) for metric in metrics)) for arm in arms)
    numbers = [(row.arm, row.metric, row.mean, row.sd) for row in tested.values()]
    saved = csv_download(f"{task} metrics", ("arm", "metric", "mean", "standard deviation"), numbers)
    return MetricTable(tuple(formatting.metric_label(metric) for metric in metrics), lines, (saved,))


def _with_deviation(row: MetricRow | None) -> str:
    if row is None:
        return ""
    mean = formatting.format_metric(row.metric, row.mean)
    return mean if row.sd is None else f"{mean} ± {formatting.format_significant(formatting.display_factor(row.metric) * row.sd, 2)}"
