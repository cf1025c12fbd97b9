"""Checks that the training and the validation part have the labels that they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.errors import DataError
from polytask.metrics.metric_functions import metric_of, selection_metric_of
from polytask.tasks import LabelType, Task


def check_labels(tasks: Sequence[Task], part: str, truths: Mapping[str, NDArray[Any]]) -> None:
    """Check that every task has labels in a part of the rows, of two classes or more where that is necessary.

    A task with classes learns nothing from rows of one class, and a metric such as `auc` is not defined on them.

    Args:
        tasks: Tasks to predict.
        part: `training` or `validation`.
        truths: Per task, the labels in the part, encoded as predictions are; tasks without labels are absent.

    Raises:
        DataError: A task has no labels, or labels of one class where two are needed; the message names the task and the part.

    Example:
        >>> from polytask.tasks import Binary
        >>> check_labels([Binary(name="churn", classes=("no", "yes"))], "training", {"churn": np.zeros(37, dtype=np.int64)})
        Traceback (most recent call last):
        polytask.errors.DataError: task 'churn', training part: labels of at least two classes are needed (found 37 labels, all 'no'). ...
    """
    for task in tasks:
        found = truths.get(task.name, np.empty(0))
        where = f"task {task.name!r}, {part} part"
        if not len(found):
            raise DataError("no row has a label", where=where, remedy="Give more labeled rows")
        if _needs_two_classes(task, part) and (found == found[0]).all():
            count = f"{len(found)} labels, all" if len(found) > 1 else "1 label,"
            only = task.decode(found[:1]).tolist()[0]
            what = "labels of at least two classes are needed" + ("" if part == "training" else f" for {_comparing(task)!r}")
            remedy = "Give more rows of another class, " + ("or leave the task out" if part == "training" else "or take another metric")
            raise DataError(what, where=where, found=f"{count} {only!r}", remedy=remedy)


def _needs_two_classes(task: Task, part: str) -> bool:
    return task.label_type in (LabelType.CLASS, LabelType.SET) and (part == "training" or _comparing(task) is not None)


def _comparing(task: Task) -> str | None:
    """Return the name of the task's validation metric that is undefined on rows of one class; None if there is none."""
    return next((metric.name for metric in (metric_of(task), selection_metric_of(task)) if metric.compares_classes), None)
