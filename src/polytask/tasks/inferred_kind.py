"""Inference of the kind of a task from its targets and predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import DataError
from polytask.tasks.multiclass import FEW_CLASSES, SHARE_OF_CLASSES
from polytask.tasks.prediction_parsing import numbers_in
from polytask.tasks.type_of_target import LabelFacts, suggested_kind


def inferred_kind(task: str, frame: pd.DataFrame) -> str:
    """Infer the kind of a task: fractional targets mean regression, other targets mean classes.

    Args:
        task: Name of the task.
        frame: Rows of the task, with the columns unit, target and prediction.

    Raises:
        DataError: Targets are whole numbers that may be values: predictions are fractional, there are many different targets, or most
            of the different predictions are no target.
    """
    targets, predictions, distinct = numbers_in(frame["target"]), numbers_in(frame["prediction"]), frame["target"].nunique()
    of_numbers, of_classes = suggested_kind(LabelFacts(distinct, numeric=True)), suggested_kind(LabelFacts(distinct))
    if not np.isfinite(targets).all():
        return of_classes
    if _fractional(targets):
        return of_numbers
    doubt = ""
    if _fractional(predictions):
        doubt = "predictions are not"
    elif distinct > max(FEW_CLASSES, SHARE_OF_CLASSES * frame["unit"].nunique()):
        doubt = f"{distinct} different ones"
    elif len(np.setdiff1d(predictions, targets)) > max(distinct, 2):
        doubt = "most of the predicted ones are no target"
    if doubt:
        remedy = f"Give kinds={{{task!r}: {of_numbers!r}}} (--kind {task}={of_numbers}) if they are values, or {of_classes!r} if classes"
        what = f"cannot infer the kind of task: targets are whole numbers, {doubt}"
        raise DataError(what, where=f"predictions, task {task}", remedy=remedy)
    return of_classes


def _fractional(values: NDArray[np.float64]) -> bool:
    finite = values[np.isfinite(values)]
    return bool((finite != np.round(finite)).any())
