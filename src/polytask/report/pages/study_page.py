"""HTML report of `polytask study`: one page that works offline, in which names from data are escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from polytask.metrics import formatting
from polytask.report.contents.curves_and_confusion import LearningCurve
from polytask.report.contents.run_contents import RunContents
from polytask.report.pages import charts
from polytask.report.pages.downloads import Download, csv_download, svg_download
from polytask.report.pages.next_steps import next_steps
from polytask.report.pages.page_contents import with_contents
from polytask.report.pages.task_sections import Panel, make_panel, task_sections
from polytask.run_files import UNKNOWN_COST, ArmCost, ArmRecord, NetworkPartRecord, PooledRecord
from polytask.verdicts.shown.claim_sentences import (
    advice_lines,
    chosen_arm_sentence,
    openings_sentence,
    reference_text,
    repetitions_of,
    sample_size_lines,
)
from polytask.verdicts.shown.difference_chart import INSTALL_CHARTS, has_charts
from polytask.verdicts.shown.outcome_charts import ALL_TASKS, overview_chart
from polytask.verdicts.shown.palette import CLAIM_SIGNS, arm_styles, themed
from polytask.verdicts.shown.sanitize import clean_text
from polytask.verdicts.shown.verdict_tables import difference_text

COST_CHARTS = (("parameters", "parameters of all networks"), ("seconds", "training seconds per seed"))


def style_hash(environment: Environment) -> str:
    """Return the SHA-256 hash of the style sheet; the content security policy of a page allows no other style."""
    style = environment.get_template("style.css").render()
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def render_study_page(contents: RunContents) -> str:
    """Render the page. It contains no time, so that the same contents give the same bytes.

    Args:
        contents: Content of a run folder of `polytask study`.
    """
    environment = template_environment()
    page = environment.get_template("study_page.html.j2").render(
        contents=contents,
        outcome=contents.outcome,
        advice=advice_lines(contents.outcome, contents.costs),
        steps=next_steps(contents),
        style_hash=style_hash(environment),
        how_to_get_charts="" if has_charts() else INSTALL_CHARTS,
        overview=_overview_pictures(contents),
        verdict_numbers=_verdict_download(contents),
        cost_numbers=_cost_download(contents),
        sections=task_sections(contents),
        gradients=_panels_by_task(contents, contents.gradients),
        sharing=_panels_by_task(contents, contents.sharing),
        leads=_panels_by_task(contents, contents.leads),
        pictures=_architecture_images(contents),
        failing={arm: cost for arm, cost in contents.costs.arms.items() if cost.unsolved_steps or cost.non_finite_steps},
    )
    return with_contents(page)


def template_environment() -> Environment:
    """Return the Jinja environment of the templates, which escapes and cleans every value."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=_cleaned,  # applied to every value
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "formatting": formatting, "sample_size_lines": sample_size_lines, "repetitions_of": repetitions_of,
        "openings_sentence": openings_sentence, "chosen_arm_sentence": chosen_arm_sentence, "reference_text": reference_text,
        "difference_text": difference_text, "word_class": _claim_class, "no_cost": UNKNOWN_COST, "ratio": _ratio_text,
    }  # fmt: skip
    environment.filters["minus"] = _typographic_minus
    return environment


def _cleaned(value: object) -> object:
    """Clean a value; what a macro of the templates has rendered consists of values that are cleaned and escaped already."""
    return value if isinstance(value, Markup) else clean_text(value)


def _claim_class(word: str) -> str:
    return word if word in CLAIM_SIGNS else "unknown"


def _typographic_minus(text: str) -> str:
    """Replace hyphens by the minus sign, which is as wide as a plus."""
    return text.replace("-", "−")


def _ratio_text(number: float | None, reference: float | None) -> str:
    times = formatting.quotient(number, reference)
    return "" if times is None else f"{times:.2f} ×"


@dataclass(frozen=True)
class Picture:
    """A picture with its caption, what it shows for those who do not see it, and the link that saves it."""

    caption: str
    description: str
    image: str
    downloads: tuple[Download, ...]


def _overview_pictures(contents: RunContents) -> list[Picture]:
    """Return the pictures of the first screen: change per task, and change against cost."""
    against = reference_text(contents.outcome)
    drawn = [
        (
            f"Change from {against}, with 95 % intervals; the grey band is one margin",
            "Differences of all arms and tasks in margins; the table of the verdict has the numbers",
            overview_chart(contents.outcome),
        )
    ]
    drawn += [
        (
            f"Quality against cost: mean change over tasks, by {title}",
            f"Mean change over tasks of each arm against its {title}; the tables of verdict and cost have the numbers",
            charts.cost_chart(contents.outcome, contents.costs, field, title),
        )
        for field, title in COST_CHARTS
    ]
    images = [(caption, description, charts.to_data_uri(spec)) for caption, description, spec in drawn]
    return [
        Picture(caption, description, image, tuple(link for link in [svg_download(caption.partition(",")[0], image)] if link))
        for caption, description, image in images
        if image is not None
    ]


_Compared = tuple[str, str, str, float | None, ArmRecord | PooledRecord]
"""Task, arm, metric, mean, and the difference with its verdict."""


def _verdict_download(contents: RunContents) -> Download:
    """Return a link that saves the differences, their intervals and the claims."""
    pooled: list[_Compared] = [(ALL_TASKS, arm, "margins", None, own.pooled) for arm, own in contents.outcome.arms.items() if own.pooled]
    single: list[_Compared] = [
        (name, arm, task.metric, own.mean, own) for name, task in contents.outcome.tasks.items() for arm, own in task.arms.items()
    ]
    header = ("task", "arm", "metric", "mean", "difference", "low", "high", "claim", "p_adjusted")
    rows = [
        (task, arm, metric, mean, own.difference, *(own.ci95 or (None, None)), own.verdict, own.p_adjusted)
        for task, arm, metric, mean, own in [*pooled, *single]
    ]
    return csv_download("Verdict", header, rows)


def _cost_download(contents: RunContents) -> Download:
    """Return a link that saves the costs of all arms."""
    names = tuple(ArmCost.model_fields)
    rows = [(arm, *(getattr(cost, name) for name in names)) for arm, cost in contents.costs.arms.items()]
    return csv_download("Cost", ("arm", *names), rows)


@dataclass(frozen=True)
class ArchitectureImage:
    """The parts of a network and the tasks that reach them, as an image and as a list, for all arms with the same parts."""

    arms: str
    image: str
    pieces: tuple[NetworkPartRecord, ...]


def _architecture_images(contents: RunContents) -> list[ArchitectureImage]:
    from polytask.architectures import NetworkPart, draw_sharing  # imports torch, which nothing else here needs

    alike: dict[tuple[NetworkPartRecord, ...], list[str]] = {}
    for arm, pieces in contents.costs.parts.items():
        alike.setdefault(pieces, []).append(arm)
    found = []
    for pieces, arms in alike.items():
        drawn = themed(draw_sharing([NetworkPart(piece.name, piece.tasks, piece.parameters) for piece in pieces]))
        image = f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()}"
        found.append(ArchitectureImage(", ".join(arms), image, pieces))
    return found


def _panels_by_task(contents: RunContents, curves: Sequence[LearningCurve]) -> dict[str, list[Panel]]:
    """Return the panels of curves by task."""
    styles = arm_styles(contents.outcome.arm_names)
    panels = [make_panel(curve, styles) for curve in curves]
    return {task: [panel for panel in panels if panel.task == task] for task in dict.fromkeys(panel.task for panel in panels)}
