"""HTML report of `polytask relate`: one page that works offline, in which names from data are escaped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from polytask.report.contents.relate_contents import (
    RelateContents,
    confidence_sentence,
    format_diagonal,
    format_scaled,
    grouping_sentence,
    is_significant,
    matrix_exponent,
    measure_label,
    measure_meaning,
)
from polytask.report.pages.downloads import Download, csv_download
from polytask.report.pages.page_contents import with_contents
from polytask.report.pages.study_page import style_hash, template_environment
from polytask.report.pages.task_sections import SHADES, Panel, make_panel
from polytask.run_files import MeasureRecord, RelateFile
from polytask.verdicts.shown.difference_chart import INSTALL_CHARTS, has_charts
from polytask.verdicts.shown.palette import arm_styles

MAX_TASKS_WITH_INTERVALS = 8


def render_relate_page(contents: RelateContents) -> str:
    """Render the page. It contains no time, so that the same contents give the same bytes.

    Args:
        contents: Content of a run folder of `polytask relate`.
    """
    environment = template_environment()
    relatedness = contents.relatedness
    styles = arm_styles(relatedness.tasks)
    panels = [make_panel(curve, styles) for curve in contents.curves]
    page = environment.get_template("relate_page.html.j2").render(
        contents=contents,
        relatedness=relatedness,
        style_hash=style_hash(environment),
        headline=grouping_sentence(relatedness.grouping),
        how_to_get_charts="" if has_charts() else INSTALL_CHARTS,
        maps=[_heat_map(name, measure, relatedness) for name, measure in relatedness.measures.items()],
        measure_label=measure_label,
        panels=_group_by_task(panels, relatedness),
    )
    return with_contents(page)


def _group_by_task(panels: list[Panel], relatedness: RelateFile) -> dict[str, list[Panel]]:
    found = {task: [panel for panel in panels if panel.task == task] for task in relatedness.tasks}
    return {task: own for task, own in found.items() if own}


@dataclass(frozen=True)
class HeatCell:
    """One cell of a matrix.

    Attributes:
        text: The number.
        interval: The half-width of its interval; empty if it is not shown.
        shade: CSS classes of the cell.
        tooltip: Full text for the tooltip.
    """

    text: str
    interval: str
    shade: str
    tooltip: str


@dataclass(frozen=True)
class HeatMap:
    """The matrix of a measure, ready for the template.

    Attributes:
        title: Name of the measure, with the power of ten in which it is shown.
        note: Explanation of the numbers and their uncertainty.
        rows: Name and cells of each task.
        tall: Whether the names of the columns are written vertically.
        downloads: Links that save the numbers.
    """

    title: str
    note: str
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]
    tall: bool
    downloads: tuple[Download, ...]


def _heat_map(name: str, measure: MeasureRecord, relatedness: RelateFile) -> HeatMap:
    unit = matrix_exponent(measure)
    title = measure_label(name) + (f", in 10^{unit}" if unit else "")
    rows = tuple((task, tuple(_heat_cells(place, measure, unit, relatedness.tasks))) for place, task in enumerate(relatedness.tasks))
    tall = len(relatedness.tasks) > MAX_TASKS_WITH_INTERVALS or max(map(len, relatedness.tasks)) > 12
    tasks = relatedness.tasks
    pairs = [(one, other, measure.mean[i][j], measure.half_width[i][j]) for i, one in enumerate(tasks) for j, other in enumerate(tasks)]
    saved = csv_download(measure_label(name), ("from", "to", "mean", "half width of the 95 % interval"), pairs)
    return HeatMap(title, f"{measure_meaning(name)} {confidence_sentence(measure, relatedness)}", rows, tall, (saved,))


def _heat_cells(place: int, measure: MeasureRecord, unit: int, tasks: tuple[str, ...]) -> Iterator[HeatCell]:
    largest = max((abs(v) for i, row in enumerate(measure.mean) for j, v in enumerate(row) if i != j and v is not None), default=0.0)
    for column, (mean, half) in enumerate(zip(measure.mean[place], measure.half_width[place], strict=True)):
        text, spread = format_scaled(mean, unit), format_scaled(half, unit).lstrip("+")
        shown = f"± {spread}" if spread and len(tasks) <= MAX_TASKS_WITH_INTERVALS else ""
        tooltip = f"{tasks[place]} → {tasks[column]}: {text}" + (f" ± {spread}" if spread else "") if text else "not measured"
        if column == place:
            yield HeatCell(format_diagonal(mean, unit), "", "own", tooltip)
        else:
            yield HeatCell(text, shown, _shade(mean, half, largest), tooltip)


def _shade(mean: float | None, half: float | None, largest: float) -> str:
    if mean is None or not largest:
        return "nothing"
    depth = min(SHADES - 1, int(SHADES * abs(mean) / largest))
    return f"{'right' if mean > 0 else 'wrong'}-{depth}{' clear' if is_significant(mean, half) else ''}"
