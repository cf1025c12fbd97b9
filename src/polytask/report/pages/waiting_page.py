"""Page of a run that is not finished: its log, which is loaded again every few seconds."""

from __future__ import annotations

from collections.abc import Sequence

from polytask.report.pages.study_page import style_hash, template_environment

MOST_LINES = 40


def render_waiting_page(name: str, log: Sequence[str]) -> str:
    """Render the page.

    Args:
        name: Name of the run.
        log: Lines of its log; the last 40 are shown.
    """
    environment = template_environment()
    template = environment.get_template("waiting_page.html.j2")
    return template.render(name=name, log=log[-MOST_LINES:], style_hash=style_hash(environment))
