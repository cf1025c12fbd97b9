"""Warnings that belong to a verdict: what limits it, from the predictions alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polytask.verdicts.estimates.task_comparison import TaskComparison
    from polytask.verdicts.prediction_frame import PredictionTable, TaskPredictions

RECOMMENDED_SEEDS = 5
MIN_SEEDS = 3
FEW_OF_A_CLASS = 10
"""Below this number of test units of the rarer class, intervals of the AUC are not reliable."""


def verdict_warnings(predictions: PredictionTable, compared: Sequence[TaskComparison], looks: int, openings: int) -> tuple[str, ...]:
    """Return a sentence for everything that limits the verdict, after this many looks and openings of the test data."""
    splits = len(predictions.tasks[0].splits)
    number, name = (splits, "splits") if splits > 1 else (len(predictions.seeds), "seeds")
    warnings = {
        f"{number} {name} are below the minimum of {MIN_SEEDS}: the result is only preliminary.": number < MIN_SEEDS,
        f"{number} {name} are fewer than the usual {RECOMMENDED_SEEDS}: intervals are wide.": MIN_SEEDS <= number < RECOMMENDED_SEEDS,
        f"The test data were opened {openings} times, but the level is adjusted for {looks} only.": openings > looks,
        "No mean relative change: a relative change is undefined for the metric of a task.": any(task.percent is None for task in compared),
        "Splits divide groups: some units of a group were tested while others may have been trained on.": any(
            map(_cuts_groups, predictions.tasks)
        ),
    }
    few = {
        f"Only {task.rarer} test units of the rarer class of {task.predictions.name}: its interval is not reliable.": True
        for task in compared
        if task.rarer is not None and task.rarer < FEW_OF_A_CLASS
    }
    return tuple(text for text, applies in (warnings | few).items() if applies)


def _cuts_groups(task: TaskPredictions) -> bool:
    """Return whether a split tests some units of a group but not all."""
    groups = [split.groups for split in task.splits if split.groups is not None]
    if not groups:
        return False
    _, first = np.unique(np.concatenate([split.units for split in task.splits]), return_index=True)
    sizes = np.bincount(np.concatenate(groups)[first])
    return any(((tested > 0) & (tested < sizes)).any() for tested in (np.bincount(own, minlength=len(sizes)) for own in groups))
