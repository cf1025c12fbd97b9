"""Chart of differences with their intervals, as a Vega-Lite specification that is rendered offline by the extra `charts`."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polytask.errors import ConfigError

INSTALL_CHARTS = "pip install 'polytask[charts]'"
VEGA_LITE_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
FONT = "Helvetica, Arial, Liberation Sans, sans-serif"
TEXT_COLOR, MUTED_COLOR, GRID_COLOR = "#24292f", "#57606a", "#e4e8ec"
CLAIM_COLORS = {"helps": "#1a7f37", "hurts": "#cf222e", "same": "#0a7ea4", "unclear": "#9a6700"}
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


@dataclass(frozen=True)
class DrawnDifference:
    """A line of the chart: a label, a difference with its interval, and the claim that gives the color."""

    label: str
    difference: float
    low: float
    high: float
    claim: str


@dataclass(frozen=True)
class SvgImage:
    """A picture that notebooks show.

    Attributes:
        svg: Content of an SVG file.
    """

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def data_uri(self) -> str:
        """Return the picture as a source of an HTML image."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"


def has_charts() -> bool:
    """Return whether charts can be rendered, i.e. whether the extra `charts` is installed."""
    return importlib.util.find_spec("vl_convert") is not None


def render(spec: VegaSpec) -> SvgImage:
    """Render a specification that includes its data.

    Raises:
        ConfigError: The extra `charts` is not installed.
    """
    if not has_charts():
        raise ConfigError("charts need an extra package", where="charts", remedy=INSTALL_CHARTS)
    return SvgImage(importlib.import_module("vl_convert").vegalite_to_svg(json.dumps(spec), vl_version="5.20"))


def difference_chart(lines: Sequence[DrawnDifference], title: str, margin: float | None) -> VegaSpec:
    """Return a chart of differences with their intervals, and a band of those that count as the same.

    Args:
        lines: Differences, in the unit of the chart.
        title: Title of the horizontal axis.
        margin: Largest difference that counts as the same; `None` or 0 draws no band.

    Example:
        >>> [len(difference_chart([DrawnDifference("equal", 0.1, 0.0, 0.2, "unclear")], "", margin)["layer"]) for margin in (None, 0.1)]
        [4, 5]
    """
    rows = [{"arm": line.label, "low": line.low, "high": line.high, "difference": line.difference, "word": line.claim} for line in lines]
    across = {"type": "quantitative", "axis": {"title": title, "tickCount": 5, "labelSeparation": 8, "grid": True}}
    calm = {"title": None, "labelColor": TEXT_COLOR, "labelFontSize": 12, "labelPadding": 8, "domain": False, "ticks": False}
    down = {"field": "arm", "type": "nominal", "sort": None, "axis": calm}
    color = {"field": "word", "type": "nominal", "legend": None, "scale": color_scale(CLAIM_COLORS)}
    spread = {"x": {"field": "low", **across}, "x2": {"field": "high"}, "y": down, "color": color}
    center = {"x": {"field": "difference", **across}, "y": down, "color": color}
    layers = [
        *_margin_band(margin, across),
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


def _margin_band(margin: float | None, across: Mapping[str, Any]) -> list[VegaSpec]:
    if not margin:
        return []
    band = {"values": [{"from": -margin, "to": margin}]}
    return [
        {"data": band, "mark": {"type": "rect", "color": "#eaeef2"}, "encoding": {"x": {"field": "from", **across}, "x2": {"field": "to"}}}
    ]


def color_scale(colors: Mapping[str, str]) -> VegaSpec:
    """Return a scale with a fixed color for every value."""
    return {"domain": list(colors), "range": list(colors.values())}
