"""Charts as Vega-Lite specifications, rendered to SVG offline if the extra `charts` is installed.

Charts are embedded as image sources, so that nothing in them can run or fetch anything.
"""

from __future__ import annotations

import base64
import importlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from typing import Any

from polytask.report import formatting
from polytask.report.contents.curves_and_matrices import CurvePoint, LearningCurve
from polytask.report.sanitize import clean_text
from polytask.run_files import TaskRecord

INSTALL_CHARTS = "pip install 'polytask[charts]'"
VEGA_LITE_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
FONT = "Helvetica, Arial, Liberation Sans, sans-serif"
TEXT_COLOR, MUTED_COLOR, GRID_COLOR = "#24292f", "#57606a", "#e4e8ec"
# The first is the baseline's. Most are from Okabe and Ito's palette, which is safe for color-blind readers.
ARM_COLORS = (TEXT_COLOR, "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7b4ea3")
CLAIM_COLORS = {"helps": "#1a7f37", "hurts": "#cf222e", "same": "#0a7ea4", "unclear": "#9a6700"}
MAX_LABEL_LENGTH = 24
WIDTH = 340

VegaSpec = dict[str, Any]

CHART_CONFIG: VegaSpec = {
    "background": "#ffffff",
    "font": FONT,
    # Text is measured in the font of this machine and drawn in the reader's, which may be wider.
    "padding": {"left": 22, "right": 10, "top": 6, "bottom": 6},
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED_COLOR, "titleColor": MUTED_COLOR, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11,
        "gridColor": GRID_COLOR, "domainColor": GRID_COLOR, "tickColor": GRID_COLOR, "labelLimit": 170,
    },
    "axisY": {"minExtent": 30},
    "legend": {
        "labelFontSize": 11, "labelColor": TEXT_COLOR, "orient": "top", "title": None,
        "symbolOpacity": 1, "symbolStrokeWidth": 3, "symbolType": "stroke", "labelLimit": 170,
    },
}  # fmt: skip


def has_charts() -> bool:
    """Return whether charts can be rendered, i.e. whether the extra `charts` is installed."""
    return importlib.util.find_spec("vl_convert") is not None


def to_data_uri(spec: VegaSpec) -> str | None:
    """Render a specification to SVG in a data URI; `None` if the extra `charts` is not installed.

    Args:
        spec: Vega-Lite specification that includes its data.
    """
    if not has_charts():
        return None
    svg = importlib.import_module("vl_convert").vegalite_to_svg(json.dumps(spec), vl_version="5.20")
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def arm_label(name: str) -> str:
    """Return the name of an arm as charts show it: cleaned, and truncated if it is long."""
    cleaned = clean_text(name)
    return cleaned if len(cleaned) <= MAX_LABEL_LENGTH else f"{cleaned[: MAX_LABEL_LENGTH - 1]}…"


def interval_chart(task_record: TaskRecord) -> VegaSpec | None:
    """Return a chart of the differences of all arms on one task with their intervals, and a band of differences that count as the same.

    Args:
        task_record: Verdicts for the task. Arms without an interval are left out; if none remains, the result is `None`.

    Example:
        >>> interval_chart(TaskRecord()) is None
        True
    """
    scale = formatting.display_factor(task_record.metric)
    rows = [
        {
            "arm": arm_label(name), "low": scale * low, "high": scale * high, "difference": scale * record.difference,
            "word": clean_text(record.verdict),
        }
        for name, record in task_record.arms.items()
        for low, high in [record.ci95 or (None, None)]
        if low is not None and high is not None and record.difference is not None
    ]  # fmt: skip
    if not rows:
        return None
    what = f"{'points of ' if formatting.display_unit(task_record.metric) else ''}{clean_text(formatting.metric_label(task_record.metric))}"
    title = f"difference in {what} (right of 0 is better)"
    across = {"type": "quantitative", "axis": {"title": title, "tickCount": 5, "labelSeparation": 8, "grid": True}}
    calm = {"title": None, "labelColor": TEXT_COLOR, "labelFontSize": 12, "labelPadding": 8, "domain": False, "ticks": False}
    down = {"field": "arm", "type": "nominal", "sort": None, "axis": calm}
    color = {"field": "word", "type": "nominal", "legend": None, "scale": _color_scale(CLAIM_COLORS)}
    spread = {"x": {"field": "low", **across}, "x2": {"field": "high"}, "y": down, "color": color}
    center = {"x": {"field": "difference", **across}, "y": down, "color": color}
    layers = [
        *_margin_band(task_record.margin, scale, across),
        {"data": {"values": [{"zero": 0}]}, "mark": {"type": "rule", "color": MUTED_COLOR}, "encoding": {"x": {"field": "zero", **across}}},
        {"mark": {"type": "rule", "strokeWidth": 2.5, "strokeCap": "round"}, "encoding": spread},
        {"mark": {"type": "point", "filled": True, "size": 90, "opacity": 1}, "encoding": center},
        {"mark": {"type": "text", "dy": -13, "fontSize": 11, "fontWeight": "bold"}, "encoding": {**center, "text": {"field": "word"}}},
    ]
    return {
        "$schema": VEGA_LITE_SCHEMA,
        "config": CHART_CONFIG,
        "width": WIDTH,
        "height": {"step": 46},
        "data": {"values": rows},
        "layer": layers,
    }


def _margin_band(margin: float | None, scale: float, across: Mapping[str, Any]) -> list[VegaSpec]:
    if not margin:
        return []
    band = {"values": [{"from": -scale * margin, "to": scale * margin}]}
    return [
        {"data": band, "mark": {"type": "rect", "color": "#eaeef2"}, "encoding": {"x": {"field": "from", **across}, "x2": {"field": "to"}}}
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
    color = {"field": "arm", "type": "nominal", "scale": _color_scale(colors)}
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


def _color_scale(colors: Mapping[str, str]) -> VegaSpec:
    return {"domain": list(colors), "range": list(colors.values())}
