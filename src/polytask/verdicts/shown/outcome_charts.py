"""Charts of a verdict from its record: the differences of one task in its unit, and those of all tasks in margins.

The report and `Verdict.plot` draw the same record, and so the same picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from polytask.metrics import formatting
from polytask.verdicts.shown.claim_sentences import reference_text
from polytask.verdicts.shown.difference_chart import DrawnDifference, VegaSpec, difference_chart
from polytask.verdicts.shown.palette import arm_styles
from polytask.verdicts.shown.sanitize import clean_text

if TYPE_CHECKING:
    from polytask.run_files import ArmRecord, PooledRecord, VerdictFile

ALL_TASKS = "all tasks"
"""Name of the mean over tasks."""
MOST_OVERVIEW_LINES = 48


def interval_chart(outcome: VerdictFile, task: str) -> VegaSpec | None:
    """Return a chart of the differences of all arms on one task with their intervals, and a band of differences that count as the same.

    Args:
        outcome: Verdicts of a study. Arms without an interval, or with looks that disagree, are left out;
            if none remains, the result is `None`.
        task: Name of the task.

    Example:
        >>> from polytask.run_files import TaskRecord, VerdictFile
        >>> interval_chart(VerdictFile(tasks={"digit": TaskRecord()}), "digit") is None
        True
    """
    record = outcome.tasks[task]
    scale = formatting.display_factor(record.metric)
    lines = drawn_differences((arm, arm, own, scale) for arm, own in record.arms.items())
    if not lines:
        return None
    what = f"{'points of ' if formatting.display_unit(record.metric) else ''}{clean_text(formatting.metric_label(record.metric))}"
    title = f"difference from {clean_text(reference_text(outcome))} in {what} (right of 0 is better)"
    return difference_chart(lines, arm_styles(outcome.arm_names), title, scale * (record.margin or 0.0))


def overview_chart(outcome: VerdictFile) -> VegaSpec | None:
    """Return a chart of the differences of all arms in margins: the means over tasks first, then every task.

    Args:
        outcome: Verdicts of a study. Tasks without a margin are left out; if there are more than 48 lines, only the means are drawn.

    Example:
        >>> from polytask.run_files import VerdictFile
        >>> overview_chart(VerdictFile()) is None
        True
    """
    means = drawn_differences((ALL_TASKS, arm, own.pooled, 1.0) for arm, own in outcome.arms.items() if own.pooled)
    single = drawn_differences(
        (name, arm, record, 1 / task.margin) for name, task in outcome.tasks.items() if task.margin for arm, record in task.arms.items()
    )
    lines = means if means and len(means) + len(single) > MOST_OVERVIEW_LINES else [*means, *single]
    title = f"difference from {clean_text(reference_text(outcome))} in margins (right of 0 is better)"
    return difference_chart(lines, arm_styles(outcome.arm_names), title, 1.0) if lines else None


def drawn_differences(records: Iterable[tuple[str, str, ArmRecord | PooledRecord, float]]) -> list[DrawnDifference]:
    """Return a line for each row, arm, record and factor; records without an interval, or with looks that disagree, are left out."""
    return [
        DrawnDifference(row, arm, scale * record.difference, scale * low, scale * high, record.verdict)
        for row, arm, record, scale in records
        for low, high in [record.ci95 or (None, None)]
        if low is not None and high is not None and low <= high and record.difference is not None
    ]
