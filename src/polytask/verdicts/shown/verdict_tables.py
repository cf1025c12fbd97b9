"""A verdict as text, Markdown, a frame, LaTeX, and a chart."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from polytask.errors import ConfigError
from polytask.metrics import formatting
from polytask.metrics.notebook_html import html_paragraphs, html_table
from polytask.registry.suggestion import nearest
from polytask.verdicts.shown.claim_sentences import pooled_text, repetitions_text, sample_size_lines
from polytask.verdicts.shown.difference_chart import SvgImage, has_charts, render
from polytask.verdicts.shown.outcome_charts import ALL_TASKS, interval_chart, overview_chart
from polytask.verdicts.shown.titled_verdict import titled_verdict

if TYPE_CHECKING:
    import pandas as pd

    from polytask.run_files import ArmRecord, PooledRecord, VerdictFile
    from polytask.verdicts.shown.advice_sentences import RecommendedArm
    from polytask.verdicts.verdict_result import VerdictData

LATEX_SPECIALS = str.maketrans({letter: f"\\{letter}" for letter in "&%$#_{}"} | {"~": r"\textasciitilde{}", "\\": r"\textbackslash{}"})


def difference_text(metric: str, record: ArmRecord | PooledRecord) -> str:
    """Return a difference with its interval, in the display unit of the metric.

    Example:
        >>> from polytask.run_files import ArmRecord
        >>> difference_text("accuracy", ArmRecord(difference=0.004, ci95=(0.001, 0.007)))
        '+0.40 [+0.10, +0.70] points'
    """
    number = formatting.format_difference(metric, record.difference, formatting.half_width(record.ci95))
    return f"{number} {formatting.format_interval(metric, record.ci95)}{formatting.display_unit(metric)}".replace("  ", " ")


def verdict_text(verdict: VerdictData, found: RecommendedArm | None) -> str:
    """Return a verdict as plain text: the advice, the means over tasks, and each task."""
    baseline = verdict.title(verdict.baseline)
    lines = [str(found), ""] if found else []
    arms, repeated = formatting.number_of(len(verdict.arms), "arm"), repetitions_text(len(verdict.seeds), resampled=verdict.resampled)
    lines.append(f"{arms} against {baseline}, {repeated}; positive differences are better")
    pooled = {arm: pooled_text(None if summary.pooled is None else summary.pooled.record()) for arm, summary in verdict.arms.items()}
    lines += [f"{ALL_TASKS}, {verdict.title(arm)}: {text}" for arm, text in pooled.items() if text]
    for name, task in verdict.tasks.items():
        lines.append(f"{name}: {task.metric} {formatting.format_metric(task.metric, task.single[0])} with {baseline}")
        for arm, one in task.arms.items():
            record = one.record()
            lines.append(f"  {verdict.title(arm)}: {one.claim}, {difference_text(task.metric, record)}")
            lines += [f"    {line}" for line in sample_size_lines(task.metric, record, repeated, task.margin)]
    return "\n".join([*lines, *(f"warning: {warning}" for warning in verdict.warnings)])


def verdict_markdown(verdict: VerdictData, found: RecommendedArm | None) -> str:
    """Return a verdict in Markdown: the advice, and a table with a row per task and arm."""
    rows = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in _cells(verdict)]
    table = ["| task | arm | mean | difference and 95 % interval | claim |", "|---|---|---|---|---|", *rows]
    warnings = [f"Warning: {warning}" for warning in verdict.warnings]
    return "\n\n".join([*([found._repr_markdown_()] if found else []), "\n".join(table), *warnings])


def verdict_html(verdict: VerdictData, found: RecommendedArm | None) -> str:
    """Return a verdict as HTML for notebooks: the advice, the chart of all tasks where charts can be drawn, and the table."""
    advice = html_paragraphs(found.sentences.lines) if found else ""
    table = html_table(["task", "arm", "mean", "difference and 95 % interval", "claim"], _cells(verdict))
    warnings = "".join(f"<p>{escape(f'Warning: {warning}')}</p>" for warning in verdict.warnings)
    outcome = titled_record(verdict)
    spec = overview_chart(outcome) if has_charts() else None
    return f"{advice}{'' if spec is None else render(spec).svg}{table}{warnings}"


def titled_record(verdict: VerdictData) -> VerdictFile:
    """Return the record of a verdict with display names of arms."""
    return titled_verdict(verdict.record().model_copy(update={"titles": dict(verdict.titles)}))


def _cells(verdict: VerdictData) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the cells of each row of a table: means over tasks first, then the tasks."""
    for arm, summary in verdict.arms.items():
        text = pooled_text(None if summary.pooled is None else summary.pooled.record())
        if text and summary.pooled is not None:
            yield ALL_TASKS, verdict.title(arm), "", text.split(", ", 1)[1], summary.pooled.claim
    for name, task in verdict.tasks.items():
        yield name, verdict.title(verdict.baseline), formatting.format_metric(task.metric, task.single[0]), "", ""
        for arm, one in task.arms.items():
            mean = formatting.format_metric(task.metric, one.mean)
            yield name, verdict.title(arm), mean, difference_text(task.metric, one.record()), one.claim


def verdict_frame(verdict: VerdictData) -> pd.DataFrame:
    """Return a frame with the columns task, arm, metric, mean, difference, low, high, claim, p_adjusted and margin.

    If looks disagree, there is no interval: low and high are not a number.
    """
    import pandas as pd

    rows: list[dict[str, object]] = []
    for arm, summary in verdict.arms.items():
        if summary.pooled is not None:
            own = summary.pooled
            rows.append(
                _row(ALL_TASKS, arm, "margins", None, own.difference, own.decision.interval, own.claim, own.decision.p_adjusted, 1.0)
            )
    for name, task in verdict.tasks.items():
        for arm, one in task.arms.items():
            found = one.decision
            rows.append(_row(name, arm, task.metric, one.mean, one.difference, found.interval, one.claim, found.p_adjusted, task.margin))
    return pd.DataFrame(rows)


def _row(
    task: str, arm: str, metric: str, mean: float | None, difference: float, interval: tuple[float, float], *rest: object
) -> dict[str, object]:
    names = ("task", "arm", "metric", "mean", "difference", "low", "high", "claim", "p_adjusted", "margin")
    bounds = interval if interval[0] <= interval[1] else (float("nan"), float("nan"))
    return dict(zip(names, (task, arm, metric, mean, difference, *bounds, *rest), strict=True))


def verdict_latex(verdict: VerdictData) -> str:
    """Return a table in LaTeX, for the package booktabs."""
    rows = [" & ".join(cell.translate(LATEX_SPECIALS) for cell in cells) + r" \\" for cells in _cells(verdict)]
    head = r"task & arm & mean & difference and 95\,\% interval & claim \\"
    lines = [r"\begin{tabular}{llrll}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def verdict_chart(verdict: VerdictData, task: str | None) -> SvgImage:
    """Draw the differences of one task in its unit, or those of all tasks in margins, as the report does.

    Raises:
        ConfigError: The task does not exist, nothing has an interval, or the extra `charts` is not installed.
    """
    if task is not None and task not in verdict.tasks:
        raise ConfigError("there is no such task", where=f"plot, {task!r}", remedy=nearest(task, tuple(verdict.tasks)))
    outcome = titled_record(verdict)
    spec = overview_chart(outcome) if task is None else interval_chart(outcome, task)
    if spec is None:
        raise ConfigError("a chart needs at least one difference with an interval", where="plot", remedy="Show the verdict as a table")
    return render(spec)
