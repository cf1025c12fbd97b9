"""Charts: Vega-Lite specifications as plain data, drawn without a browser or a network."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from polytask.report.text import IN_PERCENT, clean_text

INSTALL = "pip install 'polytask[charts]'"
COLOURS = ["#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#475569"]
WORD_COLOURS = {"helps": "#059669", "hurts": "#dc2626", "same": "#2563eb", "unclear": "#9ca3af"}
_CONFIG = {
    "font": "sans-serif",
    "background": "white",
    "axis": {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "gridColor": "#e5e7eb", "domain": False},
    "legend": {"labelFontSize": 11, "title": None, "orient": "bottom"},
    "view": {"stroke": None},
    "range": {"category": COLOURS},
}


def available() -> bool:
    """Whether charts can be drawn."""
    try:
        import vl_convert  # noqa: F401
    except ImportError:
        return False
    return True


def curve(table: pd.DataFrame, name: str, title: str) -> dict[str, Any]:
    """One line per arm over epochs.

    Args:
        table: Columns arm, epoch, value.
        name: Of the metric: its axis.
        title: What stands above.
    """
    scale = 100 if name in IN_PERCENT else 1
    values = [
        {"arm": clean_text(arm), "epoch": int(epoch), "value": float(value) * scale}
        for arm, epoch, value in table[["arm", "epoch", "value"]].itertuples(index=False)
    ]
    axis = f"{name} (%)" if scale == 100 else name
    return {
        "title": {"text": clean_text(title), "fontSize": 13, "anchor": "start"},
        "width": 320,
        "height": 200,
        "data": {"values": values},
        "mark": {"type": "line", "strokeWidth": 2, "interpolate": "monotone"},
        "encoding": {
            "x": {"field": "epoch", "type": "quantitative", "axis": {"tickMinStep": 1, "format": "d", "title": "epoch"}},
            "y": {"field": "value", "type": "quantitative", "scale": {"zero": False}, "axis": {"title": axis}},
            "color": {"field": "arm", "type": "nominal", "sort": None},
        },
        "config": _CONFIG,
    }


def intervals(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """The differences with their intervals, in percent of the task's single-task metric, so that tasks share an axis."""
    values = []
    for task, said in verdict["tasks"].items():
        base = abs(said["single"]["mean"]) or 1.0
        for arm, found in said["arms"].items():
            low, high = (100 * bound / base for bound in found["ci95"])
            difference = 100 * found["difference"] / base
            label = f"{clean_text(task)} · {clean_text(arm)}"
            values.append({"row": label, "low": low, "high": high, "difference": difference, "word": found["verdict"]})
    colour = {
        "field": "word",
        "type": "nominal",
        "scale": {"domain": list(WORD_COLOURS), "range": list(WORD_COLOURS.values())},
        "legend": {"title": None, "orient": "bottom"},
    }
    row = {"field": "row", "type": "nominal", "sort": None, "axis": {"title": None, "labelLimit": 260, "ticks": False}}
    x = {"type": "quantitative", "axis": {"title": "better than single-task training by (%)"}}
    return {
        "width": 420,
        "height": {"step": 30},
        "data": {"values": values},
        "layer": [
            {"mark": {"type": "rule", "color": "#6b7280", "strokeDash": [4, 3]}, "encoding": {"x": {"datum": 0}}},
            {
                "mark": {"type": "rule", "strokeWidth": 3},
                "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}, "y": row, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {"x": {"field": "difference", **x}, "y": row, "color": colour},
            },
        ],
        "config": _CONFIG,
    }


def picture(specification: Mapping[str, Any]) -> str:
    """The chart as the address of an image that holds itself: nothing in it can reach the page around it."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(json.dumps(specification), vl_version="5.20")
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
