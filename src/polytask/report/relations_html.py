"""How tasks stand to each other, as one page that works offline, in which names from data can do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from polytask.report import charts
from polytask.report.html import SHADES, Panel, page_environment, panel_of, style_hash
from polytask.report.relations import (
    Measure,
    Relatedness,
    RelationContents,
    groups_sentence,
    in_unit,
    is_clear,
    meaning,
    measure_name,
    on_diagonal,
    summary_line,
    unit_of,
)

MOST_WITH_INTERVALS = 8


def render(contents: RelationContents) -> str:
    """The page. There is no time in it: the same contents give the same bytes.

    Args:
        contents: Of a run folder of `polytask relate`.
    """
    environment = page_environment()
    relatedness = contents.relatedness
    panels = [panel_of(curve, relatedness.tasks) for curve in contents.curves]
    return environment.get_template("relate.html.j2").render(
        contents=contents,
        relatedness=relatedness,
        style_hash=style_hash(environment),
        headline=groups_sentence(relatedness.grouping),
        how_to_get_charts="" if charts.has_charts() else charts.HOW_TO_GET_CHARTS,
        maps=[_heat_map(name, measure, relatedness) for name, measure in relatedness.measures.items()],
        measure_name=measure_name,
        panels=_by_task(panels, relatedness),
    )


def _by_task(panels: list[Panel], relatedness: Relatedness) -> dict[str, list[Panel]]:
    found = {task: [panel for panel in panels if panel.task == task] for task in relatedness.tasks}
    return {task: own for task, own in found.items() if own}


@dataclass(frozen=True)
class HeatCell:
    """A number of a matrix, its interval, how it is shaded, and what it says in full."""

    text: str
    interval: str
    shade: str
    said: str


@dataclass(frozen=True)
class HeatMap:
    """A measure to be shown.

    Attributes:
        title: With the power of ten in which it is shown.
        note: What the numbers mean, and how far they can be trusted.
        rows: Per task its name and its cells.
        tall: Whether the columns' names stand upright.
    """

    title: str
    note: str
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]
    tall: bool


def _heat_map(name: str, measure: Measure, relatedness: Relatedness) -> HeatMap:
    unit = unit_of(measure)
    title = measure_name(name) + (f", in 10^{unit}" if unit else "")
    rows = tuple((task, tuple(_cells(place, measure, unit, relatedness.tasks))) for place, task in enumerate(relatedness.tasks))
    tall = len(relatedness.tasks) > MOST_WITH_INTERVALS or max(map(len, relatedness.tasks)) > 12
    return HeatMap(title, f"{meaning(name)} {summary_line(measure, relatedness)}", rows, tall)


def _cells(place: int, measure: Measure, unit: int, tasks: tuple[str, ...]) -> Iterator[HeatCell]:
    largest = max((abs(v) for i, row in enumerate(measure.mean) for j, v in enumerate(row) if i != j and v is not None), default=0.0)
    for column, (mean, half) in enumerate(zip(measure.mean[place], measure.half_width[place], strict=True)):
        text, spread = in_unit(mean, unit), in_unit(half, unit).lstrip("+")
        shown = f"± {spread}" if spread and len(tasks) <= MOST_WITH_INTERVALS else ""
        said = f"{tasks[place]} → {tasks[column]}: {text}" + (f" ± {spread}" if spread else "") if text else "not measured"
        if column == place:
            yield HeatCell(on_diagonal(mean, unit), "", "own", said)
        else:
            yield HeatCell(text, shown, _shade(mean, half, largest), said)


def _shade(mean: float | None, half: float | None, largest: float) -> str:
    if mean is None or not largest:
        return "nothing"
    depth = min(SHADES - 1, int(SHADES * abs(mean) / largest))
    return f"{'right' if mean > 0 else 'wrong'}-{depth}{' clear' if is_clear(mean, half) else ''}"
