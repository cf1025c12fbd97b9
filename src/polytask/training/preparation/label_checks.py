"""What labels every part must have before anything can be learned from it, or chosen on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.errors import DataError
from polytask.metrics.metric_functions import metric_of, selection_metric_of
from polytask.tasks import LabelType, Task


def check_labels(tasks: Sequence[Task], part: str, truths: Mapping[str, NDArray[Any]]) -> None:
    """Refuse a part of the rows in which a task has no labels, or labels of one class where that is not enough.

    A task with classes learns nothing from rows of one class, and a metric such as `auc` is not defined on them.

    Args:
        tasks: What is to be predicted.
        part: `training` or `validation`.
        truths: Per task the labels that the part has, in the coding of predictions; nothing where it has none.

    Raises:
        DataError: What a task lacks; the message names task and part, says what was found and what to do.

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
    """The metric that is computed on validation rows and undefined on rows of one class; None where there is none."""
    return next((metric.name for metric in (metric_of(task), selection_metric_of(task)) if metric.compares_classes), None)
