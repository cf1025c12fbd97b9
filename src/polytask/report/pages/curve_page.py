"""HTML report of `polytask curve`: one page that works offline, in which names from data are escaped."""

from __future__ import annotations

from polytask.metrics import formatting
from polytask.report.contents.curve_contents import CurveContents, pooled_sentences, ratio_sentences
from polytask.report.pages.charts import ARM_COLORS, arm_label, to_data_uri
from polytask.report.pages.page_contents import with_contents
from polytask.report.pages.study_page import style_hash, template_environment
from polytask.run_files import CurveTask
from polytask.verdicts.shown.difference_chart import (
    CHART_CONFIG,
    INSTALL_CHARTS,
    VEGA_LITE_SCHEMA,
    WIDTH,
    VegaSpec,
    color_scale,
    has_charts,
)


def render_curve_page(contents: CurveContents) -> str:
    """Render the page. It contains no time, so that the same contents give the same bytes.

    Args:
        contents: Content of a run folder of `polytask curve`.
    """
    environment, curve = template_environment(), contents.curve
    page = environment.get_template("curve_page.html.j2").render(
        contents=contents,
        curve=curve,
        style_hash=style_hash(environment),
        headlines=pooled_sentences(curve) or ["Learning curves"],
        ratios=ratio_sentences(curve),
        images={name: to_data_uri(curve_chart(task, curve.baseline)) for name, task in curve.tasks.items()},
        how_to_get_charts="" if has_charts() else INSTALL_CHARTS,
    )
    return with_contents(page)


def curve_chart(task: CurveTask, baseline: str) -> VegaSpec:
    """Return a chart of the mean of the metric by the number of labels (the share of the labels if their number does not vary), per arm.

    Args:
        task: Learning curve of a task, with display names of arms.
        baseline: Display name of single-task training.

    Example:
        >>> curve_chart(CurveTask(metric="rmse"), "single")["layer"][0]["mark"]["type"]
        'line'
    """
    scale = formatting.display_factor(task.metric)
    varies = len({point.labels for point in task.points}) > 1
    arms = [baseline, *dict.fromkeys(arm for point in task.points for arm in point.arms)]
    colors = {arm_label(arm): ARM_COLORS[place % len(ARM_COLORS)] for place, arm in enumerate(arms)}
    values = [
        {"arm": arm_label(arm), "labels": point.labels if varies else point.share, "value": scale * mean}
        for point in task.points
        for arm, mean in [(baseline, point.single), *((name, record.mean) for name, record in point.arms.items())]
        if mean is not None
    ]
    title = "labels" if varies else "share of the labels of the other tasks"
    across = {
        "field": "labels",
        "type": "quantitative",
        "scale": {"type": "log", "nice": False},
        "axis": {"title": title, "tickCount": 5, "grid": False},
    }
    value = {"field": "value", "type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": {"title": None, "tickCount": 6}}
    encoding = {"x": across, "y": value, "color": {"field": "arm", "type": "nominal", "scale": color_scale(colors)}}
    layers = [
        {"mark": {"type": "line", "strokeWidth": 2.5}, "encoding": encoding},
        {"mark": {"type": "point", "filled": True, "size": 60, "opacity": 1}, "encoding": encoding},
    ]
    chart = {"width": WIDTH, "height": 200, "data": {"values": values}, "layer": layers}
    return {"$schema": VEGA_LITE_SCHEMA, "config": CHART_CONFIG, **chart}
