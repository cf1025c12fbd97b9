"""HTML report of `polytask curve`: one page that works offline, in which names from data are escaped."""

from __future__ import annotations

from polytask.report.contents.curve_contents import CurveContents, pooled_sentences, ratio_sentences
from polytask.report.pages.charts import label_curve_chart, to_data_uri
from polytask.report.pages.page_contents import with_contents
from polytask.report.pages.study_page import style_hash, template_environment
from polytask.verdicts.shown.difference_chart import INSTALL_CHARTS, has_charts


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
        images={name: to_data_uri(label_curve_chart(task, curve.baseline)) for name, task in curve.tasks.items()},
        how_to_get_charts="" if has_charts() else INSTALL_CHARTS,
    )
    return with_contents(page)
