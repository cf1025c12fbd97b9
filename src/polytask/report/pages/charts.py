"""Charts as Vega-Lite specifications, rendered to SVG offline if the extra `charts` is installed.

Charts are embedded as image sources, so that nothing in them can run or fetch anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from polytask.metrics import formatting
from polytask.report.contents.curves_and_confusion import CurvePoint, LearningCurve
from polytask.report.sanitize import clean_text
from polytask.run_files import ArmRecord, PooledRecord, TaskRecord, VerdictFile
from polytask.verdicts.shown.difference_chart import (
    CHART_CONFIG,
    TEXT_COLOR,
    VEGA_LITE_SCHEMA,
    WIDTH,
    DrawnDifference,
    VegaSpec,
    color_scale,
    difference_chart,
    has_charts,
    render,
)
from polytask.verdicts.shown.verdict_tables import ALL_TASKS

# The first is the baseline's. Most are from Okabe and Ito's palette, which is safe for color-blind readers.
ARM_COLORS = (TEXT_COLOR, "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7b4ea3")
MAX_LABEL_LENGTH = 24
MOST_OVERVIEW_LINES = 24


def to_data_uri(spec: VegaSpec | None) -> str | None:
    """Render a specification to SVG in a data URI; `None` if there is none, or if the extra `charts` is not installed.

    Args:
        spec: Vega-Lite specification that includes its data.
    """
    return render(spec).data_uri() if spec is not None and has_charts() else None


def arm_label(name: str) -> str:
    """Return the name of an arm as charts show it: cleaned, and truncated if it is long."""
    cleaned = clean_text(name)
    return cleaned if len(cleaned) <= MAX_LABEL_LENGTH else f"{cleaned[: MAX_LABEL_LENGTH - 1]}…"


def interval_chart(task_record: TaskRecord) -> VegaSpec | None:
    """Return a chart of the differences of all arms on one task with their intervals, and a band of differences that count as the same.

    Args:
        task_record: Verdicts for the task. Arms without an interval, or with looks that disagree, are left out;
            if none remains, the result is `None`.

    Example:
        >>> interval_chart(TaskRecord()) is None
        True
    """
    scale = formatting.display_factor(task_record.metric)
    lines = _drawn((arm_label(name), record, scale) for name, record in task_record.arms.items())
    if not lines:
        return None
    what = f"{'points of ' if formatting.display_unit(task_record.metric) else ''}{clean_text(formatting.metric_label(task_record.metric))}"
    return difference_chart(lines, f"difference in {what} (right of 0 is better)", scale * (task_record.margin or 0.0))


def overview_chart(outcome: VerdictFile) -> VegaSpec | None:
    """Return a chart of the differences of all arms in margins: the means over tasks first, then every task.

    Args:
        outcome: Verdicts of a study. Tasks without a margin are left out; if there are more than 24 lines, only the means are drawn.

    Example:
        >>> overview_chart(VerdictFile()) is None
        True
    """
    means = [(_overview_label(ALL_TASKS, arm, outcome), own.pooled, 1.0) for arm, own in outcome.arms.items() if own.pooled]
    single = [
        (_overview_label(name, arm, outcome), record, 1 / task.margin)
        for name, task in outcome.tasks.items()
        if task.margin
        for arm, record in task.arms.items()
    ]
    lines = _drawn([*means, *single])
    if len(lines) > MOST_OVERVIEW_LINES:
        lines = _drawn(means)
    return difference_chart(lines, "difference in margins (right of 0 is better)", 1.0) if lines else None


def _overview_label(task: str, arm: str, outcome: VerdictFile) -> str:
    return arm_label(task) if len(outcome.arms) <= 1 else f"{arm_label(task)}, {arm_label(arm)}"


def _drawn(records: Iterable[tuple[str, ArmRecord | PooledRecord, float]]) -> list[DrawnDifference]:
    """Return a line for each label, record and factor; records without an interval, or with looks that disagree, are left out."""
    return [
        DrawnDifference(label, scale * record.difference, scale * low, scale * high, clean_text(record.verdict))
        for label, record, scale in records
        for low, high in [record.ci95 or (None, None)]
        if low is not None and high is not None and low <= high and record.difference is not None
    ]


def learning_curve_chart(curve: LearningCurve, arms: Sequence[str]) -> VegaSpec:
    """Return a chart of a curve: a faint line per seed, and a strong line for the mean while all seeds were training.

    Args:
        curve: The curve to draw.
        arms: All arms of the study in order, so that colors are the same in all panels.
    """
    scale = formatting.display_factor(curve.name)
    labels = {arm: arm_label(arm) for arm in arms}
    colors = {label: ARM_COLORS[place % len(ARM_COLORS)] for place, label in enumerate(labels.values())}
    epochs = {"field": "epoch", "type": "quantitative", "axis": {"title": "epoch", "tickMinStep": 1, "tickCount": 7, "grid": False}}
    value = {"field": "value", "type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": {"title": None, "tickCount": 6}}
    color = {"field": "arm", "type": "nominal", "scale": color_scale(colors)}
    encoding = {"x": epochs, "y": value, "color": color}
    own, means = _point_values(curve.points, scale, labels), _point_values([mean for mean in curve.means if mean.complete], scale, labels)
    faint, strong = {"type": "line", "opacity": 0.25, "strokeWidth": 1}, {"type": "line", "strokeWidth": 2.5}
    layers = [
        {"data": {"values": own}, "mark": faint, "encoding": {**encoding, "detail": {"field": "seed"}}},
        {"data": {"values": means}, "mark": strong, "encoding": encoding},
    ]
    return {"$schema": VEGA_LITE_SCHEMA, "config": CHART_CONFIG, "width": WIDTH, "height": 200, "layer": layers}


def _point_values(points: Sequence[CurvePoint], scale: float, labels: Mapping[str, str]) -> list[VegaSpec]:
    return [
        {"arm": labels[point.arm], "seed": clean_text(point.seed), "epoch": point.epoch, "value": scale * point.value} for point in points
    ]
