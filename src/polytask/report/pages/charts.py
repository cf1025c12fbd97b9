"""Charts of training, of costs and of predictions as Vega-Lite specifications, rendered to SVG offline if the extra `charts` is installed.

Charts are embedded as image sources, so that nothing in them can run or fetch anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polytask.metrics import formatting
from polytask.report.contents.curves_and_confusion import CurvePoint, LearningCurve
from polytask.report.contents.prediction_checks import Reliability, ResidualProfile
from polytask.run_files import CostFile, CurveTask, VerdictFile
from polytask.verdicts.shown.difference_chart import (
    CHART_CONFIG,
    VEGA_LITE_SCHEMA,
    WIDTH,
    VegaSpec,
    chart_label,
    color_encoding,
    dash_encoding,
    drawn_limit,
    has_charts,
    render,
    shape_encoding,
)
from polytask.verdicts.shown.outcome_charts import ALL_TASKS, drawn_differences
from polytask.verdicts.shown.palette import BAND, INK, MUTED, ArmStyle, arm_styles
from polytask.verdicts.shown.sanitize import clean_text

Styles = Mapping[str, ArmStyle]

LINE_LEGEND: VegaSpec = {"symbolType": "stroke", "symbolSize": 500}
POINT_LEGEND: VegaSpec = {"symbolSize": 90}
HEIGHT = 200


def to_data_uri(spec: VegaSpec | None) -> str | None:
    """Render a specification to SVG in a data URI; `None` if there is none, or if the extra `charts` is not installed.

    Args:
        spec: Vega-Lite specification that includes its data.
    """
    return render(spec).data_uri() if spec is not None and has_charts() else None


def cost_chart(outcome: VerdictFile, costs: CostFile, field: str, title: str) -> VegaSpec | None:
    """Return a chart of quality against cost: a point per arm with its interval of the mean over tasks, the baseline at zero.

    Args:
        outcome: Verdicts of a study.
        costs: Costs of its arms.
        field: Name of the figure in `ArmCost` that is drawn across.
        title: Title of the horizontal axis.

    Returns:
        `None` if fewer than two arms have the figure and an interval.

    Example:
        >>> cost_chart(VerdictFile(), CostFile(), "seconds", "seconds per seed") is None
        True
    """
    points = _cost_points(outcome, costs, field)
    if len(points) < 2:
        return None
    arms = [arm for arm in outcome.arm_names if chart_label(arm) in {point["arm"] for point in points}]
    styles = arm_styles(outcome.arm_names)
    across = {"field": "cost", "type": "quantitative", "axis": {"title": title, "tickCount": 5, "grid": False, "format": "~s"}}
    axis = {"title": "margins, up is better", "tickCount": 6}
    up = {"type": "quantitative", "axis": axis}
    color = color_encoding(arms, styles, {})
    rule = {"x": across, "y": {"field": "low", **up}, "y2": {"field": "high"}, "color": color}
    center = {"x": across, "y": {"field": "difference", **up}, "color": color, "shape": shape_encoding(arms, styles, {})}
    words = {"x": across, "y": {"field": "difference", **up}, "text": {"field": "word"}}
    band = {"data": {"values": [{"from": -1, "to": 1}]}, "mark": {"type": "rect", "color": BAND}}
    layers: list[VegaSpec] = [
        {**band, "encoding": {"y": {"field": "from", **up}, "y2": {"field": "to"}}},
        {"data": {"values": [{"zero": 0}]}, "mark": {"type": "rule", "color": MUTED}, "encoding": {"y": {"field": "zero", **up}}},
        {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": rule},
        {"mark": {"type": "point", "filled": True, "size": 90, "opacity": 1}, "encoding": center},
        {"mark": {"type": "text", "dx": 9, "align": "left", "fontSize": 11, "color": INK}, "encoding": words},
    ]
    return _chart(layers, {"values": points})


def _cost_points(outcome: VerdictFile, costs: CostFile, field: str) -> list[VegaSpec]:
    """Return a point for the baseline and for every arm with an interval, as far as the figure is known."""
    points: list[VegaSpec] = [
        {"arm": chart_label(outcome.baseline), "cost": _cost(costs, outcome.baseline, field), "difference": 0.0, "word": ""}
    ]
    drawn = drawn_differences((ALL_TASKS, arm, own.pooled, 1.0) for arm, own in outcome.arms.items() if own.pooled)
    limit = drawn_limit([(line.low, line.high) for line in drawn], 1.0) if drawn else 1.0
    for line in drawn:
        inside = [min(max(number, -limit), limit) for number in (line.difference, line.low, line.high)]
        numbers = dict(zip(("difference", "low", "high"), inside, strict=True))
        word = f"{line.difference:+.3g}".replace("-", "−") if abs(line.difference) > limit else ""
        points.append({"arm": chart_label(line.arm), "cost": _cost(costs, line.arm, field), **numbers, "word": word})
    return [point for point in points if point["cost"] is not None]


def _cost(costs: CostFile, arm: str, field: str) -> float | None:
    return getattr(costs.arms[arm], field) if arm in costs.arms else None


def learning_curve_chart(curve: LearningCurve, styles: Styles) -> VegaSpec:
    """Return a chart of a curve: a faint line per seed, and a strong line for the mean while all seeds were training.

    Args:
        curve: The curve to draw.
        styles: Style of each arm, the same in all charts of a page.
    """
    scale = formatting.display_factor(curve.name)
    arms = [arm for arm in styles if any(point.arm == arm for point in (*curve.points, *curve.means))]
    epochs = {"field": "epoch", "type": "quantitative", "axis": {"title": "epoch", "tickMinStep": 1, "tickCount": 7, "grid": False}}
    value = {"field": "value", "type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": {"title": None, "tickCount": 6}}
    color = color_encoding(arms, styles, LINE_LEGEND)
    own, means = _point_values(curve.points, scale), _point_values([mean for mean in curve.means if mean.complete], scale)
    faint, strong = {"type": "line", "opacity": 0.25, "strokeWidth": 1}, {"type": "line", "strokeWidth": 2.5}
    both = {"x": epochs, "y": value, "color": color}
    layers = [
        {"data": {"values": own}, "mark": faint, "encoding": {**both, "detail": {"field": "seed"}}},
        {"data": {"values": means}, "mark": strong, "encoding": {**both, "strokeDash": dash_encoding(arms, styles, LINE_LEGEND)}},
    ]
    return _chart(layers)


def _point_values(points: Sequence[CurvePoint], scale: float) -> list[VegaSpec]:
    return [
        {"arm": chart_label(point.arm), "seed": clean_text(point.seed), "epoch": point.epoch, "value": scale * point.value}
        for point in points
    ]


def reliability_chart(found: Sequence[Reliability], styles: Styles) -> VegaSpec:
    """Return a chart of the observed frequency of a class against its predicted probability, in bins; the diagonal is perfect.

    Args:
        found: Reliabilities of one task, one per arm.
        styles: Style of each arm.
    """
    rows = [
        {"arm": chart_label(one.arm), "predicted": 100 * low, "observed": 100 * high}
        for one in found
        for low, high in zip(one.predicted, one.observed, strict=True)
    ]
    across = {"field": "predicted", "type": "quantitative", "scale": {"domain": [0, 100]}, "axis": {"title": "predicted probability, %"}}
    up = {"field": "observed", "type": "quantitative", "scale": {"domain": [0, 100]}, "axis": {"title": "observed, %"}}
    diagonal = {"values": [{"predicted": end, "observed": end} for end in (0, 100)]}
    layers = [
        {"data": diagonal, "mark": {"type": "line", "color": MUTED, "strokeWidth": 1}, "encoding": {"x": across, "y": up}},
        *_lines_with_points(rows, across, up, [one.arm for one in found], styles),
    ]
    return _chart(layers)


def residual_chart(found: Sequence[ResidualProfile], styles: Styles) -> VegaSpec:
    """Return a chart of the middle residual (target − prediction) by predicted value, with the middle 80 % of each arm as bars.

    Args:
        found: Profiles of one task, one per arm.
        styles: Style of each arm.
    """
    arms = [one.arm for one in found]
    rows = [
        {"arm": chart_label(one.arm), "predicted": bin_.predicted, "middle": bin_.median, "low": bin_.low, "high": bin_.high}
        for one in found
        for bin_ in one.bins
    ]
    across = {"field": "predicted", "type": "quantitative", "scale": {"zero": False}, "axis": {"title": "prediction", "grid": False}}
    up = {"field": "middle", "type": "quantitative", "axis": {"title": "target − prediction"}}
    bars = {"x": across, "y": {**up, "field": "low"}, "y2": {"field": "high"}, "color": color_encoding(arms, styles, POINT_LEGEND)}
    layers = [
        {"data": {"values": [{"middle": 0}]}, "mark": {"type": "rule", "color": INK}, "encoding": {"y": up}},
        {"data": {"values": rows}, "mark": {"type": "rule", "opacity": 0.35}, "encoding": bars},
        *_lines_with_points(rows, across, up, arms, styles),
    ]
    return _chart(layers)


def label_curve_chart(task: CurveTask, baseline: str) -> VegaSpec:
    """Return a chart of the mean metric by the number of labels, per arm; by their share, if the number does not vary.

    Args:
        task: Learning curve of a task, with display names of arms.
        baseline: Display name of single-task training.

    Example:
        >>> label_curve_chart(CurveTask(metric="rmse"), "single")["layer"][0]["mark"]["type"]
        'line'
    """
    scale = formatting.display_factor(task.metric)
    varies = len({point.labels for point in task.points}) > 1
    arms = [baseline, *dict.fromkeys(arm for point in task.points for arm in point.arms)]
    rows = [
        {"arm": chart_label(arm), "labels": point.labels if varies else point.share, "value": scale * mean}
        for point in task.points
        for arm, mean in [(baseline, point.single), *((name, record.mean) for name, record in point.arms.items())]
        if mean is not None
    ]
    axis = {"title": "labels" if varies else "share of the labels of the other tasks", "tickCount": 5, "grid": False}
    across = {"field": "labels", "type": "quantitative", "scale": {"type": "log", "nice": False}, "axis": axis}
    up = {"field": "value", "type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": {"title": None, "tickCount": 6}}
    return _chart(_lines_with_points(rows, across, up, arms, arm_styles(arms)))


def _lines_with_points(rows: list[VegaSpec], across: VegaSpec, up: VegaSpec, arms: Sequence[str], styles: Styles) -> list[VegaSpec]:
    color = color_encoding(arms, styles, POINT_LEGEND)
    dash, shape = dash_encoding(arms, styles, POINT_LEGEND), shape_encoding(arms, styles, None)
    line = {"data": {"values": rows}, "mark": {"type": "line", "strokeWidth": 2}}
    points = {"data": {"values": rows}, "mark": {"type": "point", "filled": True, "size": 40, "opacity": 1}}
    return [
        {**line, "encoding": {"x": across, "y": up, "color": color, "strokeDash": dash}},
        {**points, "encoding": {"x": across, "y": up, "color": color, "shape": shape}},
    ]


def _chart(layers: list[VegaSpec], data: Any = None) -> VegaSpec:  # noqa: ANN401 - JSON
    own = {} if data is None else {"data": data}
    return {"$schema": VEGA_LITE_SCHEMA, "config": CHART_CONFIG, "width": WIDTH, "height": HEIGHT, **own, "layer": layers}
