"""Charts of differences with their intervals, as Vega-Lite specifications that are rendered offline by the extra `charts`."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from polytask.errors import ConfigError
from polytask.verdicts.shown.palette import BAND, CLAIM_SIGNS, GRID, INK, MUTED, PAPER, ArmStyle, themed
from polytask.verdicts.shown.sanitize import clean_text

INSTALL_CHARTS = "pip install 'polytask[charts]'"
VEGA_LITE_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
FONT = "Helvetica, Arial, Liberation Sans, sans-serif"
WIDTH = 340
ROW_HEIGHT, OFFSET_HEIGHT = 34, 19
FAR = 4.0
"""Differences beyond this many times the median size are drawn at the edge of the chart, with their number."""
MAX_LABEL_LENGTH = 24

LONG_DECIMALS = re.compile(r"(\.\d)\d+")
FONT_ATTRIBUTE = f' font-family="{FONT}"'
UNSEEN_ATTRIBUTES = re.compile(
    r' (?:(?:aria-[a-z]+|role|class|pointer-events|xmlns:xlink)="[^"]*"|(?:opacity|stroke-width)="1"|transform="translate\(0,0\)")'
)
EMPTY_SHAPES = re.compile(r'<path d="(?:M0,0h0v0h0Z)?"(?: display="none")?/>|<g></g>')

VegaSpec = dict[str, Any]

CHART_CONFIG: VegaSpec = {
    "background": PAPER,
    "font": FONT,
    # Text is measured in the font of this machine and drawn in the reader's, which may be wider.
    "padding": {"left": 22, "right": 10, "top": 6, "bottom": 6},
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED, "titleColor": MUTED, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11,
        "gridColor": GRID, "domainColor": GRID, "tickColor": GRID, "labelLimit": 170,
    },
    "axisY": {"minExtent": 30},
    "legend": {
        "labelFontSize": 11, "labelColor": INK, "orient": "top", "title": None, "columns": 2,
        "symbolOpacity": 1, "symbolStrokeWidth": 3, "labelLimit": 170,
    },
}  # fmt: skip


@dataclass(frozen=True)
class DrawnDifference:
    """A line of the chart: its row, its arm, and a difference with its interval and the claim that is written beside it."""

    row: str
    arm: str
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
    """Render a specification that includes its data; the picture follows the theme of its reader.

    Raises:
        ConfigError: The extra `charts` is not installed.
    """
    if not has_charts():
        raise ConfigError("charts need an extra package", where="charts", remedy=INSTALL_CHARTS)
    return SvgImage(themed(_compact(importlib.import_module("vl_convert").vegalite_to_svg(json.dumps(spec), vl_version="5.20"))))


def _compact(svg: str) -> str:
    """Return the same picture in about half as many bytes: one decimal, the font once, and nothing that draws nothing.

    Texts keep their numbers: only what stands in tags is changed.
    """
    tags = re.sub(r"<[^>]*>", lambda tag: UNSEEN_ATTRIBUTES.sub("", LONG_DECIMALS.sub(r"\1", tag[0])), svg)
    drawn = EMPTY_SHAPES.sub("", tags).replace(FONT_ATTRIBUTE, "")
    return drawn.replace("<svg ", f"<svg{FONT_ATTRIBUTE} ", 1)


def chart_label(name: str) -> str:
    """Return a name as charts show it: cleaned, and truncated if it is long.

    Example:
        >>> chart_label("a task with a very long name"), chart_label("digit")
        ('a task with a very long…', 'digit')
    """
    cleaned = clean_text(name)
    return cleaned if len(cleaned) <= MAX_LABEL_LENGTH else f"{cleaned[: MAX_LABEL_LENGTH - 1]}…"


def difference_chart(lines: Sequence[DrawnDifference], styles: Mapping[str, ArmStyle], title: str, margin: float | None) -> VegaSpec:
    """Return a chart of differences with their intervals, and a band of those that count as the same.

    The arms of a row are drawn below each other; their color and shape say which arm it is, and the claim is written beside the interval.

    Args:
        lines: Differences, in the unit of the chart.
        styles: Style of each arm.
        title: Title of the horizontal axis.
        margin: Largest difference that counts as the same; `None` or 0 draws no band.

    Example:
        >>> from polytask.verdicts.shown.palette import arm_styles
        >>> lines = [DrawnDifference("digit", "equal", 0.1, 0.0, 0.2, "unclear")]
        >>> [len(difference_chart(lines, arm_styles(["single", "equal"]), "", margin)["layer"]) for margin in (None, 0.1)]
        [4, 5]
    """
    limit = drawn_limit([(line.low, line.high) for line in lines], margin or 0.0)
    rows = [_row_values(line, limit) for line in lines]
    several = len({line.row for line in lines}) < len(lines)
    across = {"type": "quantitative", "axis": {"title": title, "tickCount": 5, "labelSeparation": 8, "grid": True}}
    calm = {"title": None, "labelColor": INK, "labelFontSize": 12, "labelPadding": 8, "domain": False, "ticks": False, "labelLimit": 130}
    arms = list(dict.fromkeys(line.arm for line in lines))
    legend: VegaSpec | None = {} if several else None
    down: VegaSpec = {"y": {"field": "row", "type": "nominal", "sort": None, "axis": calm}}
    if several:
        down |= {"yOffset": {"field": "arm", "type": "nominal", "sort": [chart_label(arm) for arm in arms]}}
    color = {"color": color_encoding(arms, styles, legend)}
    spread = {"x": {"field": "low", **across}, "x2": {"field": "high"}, **down, **color}
    center = {"x": {"field": "difference", **across}, **down, **color, "shape": shape_encoding(arms, styles, legend)}
    words = {"x": {"field": "high", **across}, **down, "text": {"field": "word"}}
    layers = [
        *_margin_band(margin, across),
        {"data": {"values": [{"zero": 0}]}, "mark": {"type": "rule", "color": MUTED}, "encoding": {"x": {"field": "zero", **across}}},
        {"mark": {"type": "rule", "strokeWidth": 2.5, "strokeCap": "round"}, "encoding": spread},
        {"mark": {"type": "point", "filled": True, "size": 80, "opacity": 1}, "encoding": center},
        {"mark": {"type": "text", "align": "left", "dx": 7, "fontSize": 11, "color": INK}, "encoding": words},
    ]
    return {
        "$schema": VEGA_LITE_SCHEMA,
        "config": CHART_CONFIG,
        "width": WIDTH,
        "height": {"step": OFFSET_HEIGHT, "for": "offset"} if several else {"step": ROW_HEIGHT},
        "data": {"values": rows},
        "layer": layers,
    }


def drawn_limit(intervals: Iterable[tuple[float, float]], margin: float) -> float:
    """Return the largest size that is drawn: one arm that is far worse would leave no room to tell the others apart.

    Example:
        >>> drawn_limit([(-1.0, 2.0), (-2.0, 1.0), (-90.0, -70.0)], 1.0)
        8.0
    """
    return max(2 * margin, FAR * median(max(abs(low), abs(high)) for low, high in intervals))


def _row_values(line: DrawnDifference, limit: float) -> VegaSpec:
    claim = clean_text(line.claim)
    word = f"{CLAIM_SIGNS.get(claim, '')} {claim}".strip()
    if abs(line.difference) > limit:
        word = f"{word}, at {line.difference:+.3g}".replace("-", "−")
    numbers = {"low": line.low, "high": line.high, "difference": line.difference}
    inside = {name: min(max(number, -limit), limit) for name, number in numbers.items()}
    return {"row": chart_label(line.row), "arm": chart_label(line.arm), **inside, "word": word}


def _margin_band(margin: float | None, across: Mapping[str, Any]) -> list[VegaSpec]:
    if not margin:
        return []
    band = {"values": [{"from": -margin, "to": margin}]}
    return [{"data": band, "mark": {"type": "rect", "color": BAND}, "encoding": {"x": {"field": "from", **across}, "x2": {"field": "to"}}}]


def color_encoding(arms: Iterable[str], styles: Mapping[str, ArmStyle], legend: VegaSpec | None) -> VegaSpec:
    """Return the encoding that colors a field `arm` of labels; without a legend if it is `None`."""
    return _arm_encoding({chart_label(arm): styles[arm].color for arm in arms}, legend)


def shape_encoding(arms: Iterable[str], styles: Mapping[str, ArmStyle], legend: VegaSpec | None) -> VegaSpec:
    """Return the encoding of the shape of points by a field `arm` of labels; without a legend if it is `None`."""
    return _arm_encoding({chart_label(arm): styles[arm].shape for arm in arms}, legend)


def dash_encoding(arms: Iterable[str], styles: Mapping[str, ArmStyle], legend: VegaSpec | None) -> VegaSpec:
    """Return the encoding of the dashes of lines by a field `arm` of labels; without a legend if it is `None`."""
    return _arm_encoding({chart_label(arm): list(styles[arm].dash) or [1, 0] for arm in arms}, legend)


def _arm_encoding(values: Mapping[str, Any], legend: VegaSpec | None) -> VegaSpec:
    return {"field": "arm", "type": "nominal", "legend": legend, "scale": {"domain": list(values), "range": list(values.values())}}
