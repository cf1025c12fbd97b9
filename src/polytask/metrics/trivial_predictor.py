"""Predictors that never look at the inputs: what a network must be better than. Every kind of task brings its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polytask.errors import DataError
from polytask.tasks.metric import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polytask.tasks import Task

    Array = NDArray[Any]


def trivial_predictions(task: Task, training_targets: Array, targets: Array) -> Outcome:
    """What the task's trivial predictor makes of these targets.

    Args:
        task: Whose predictor it is (`Task.trivial_predictions`).
        training_targets: (M,) training targets that the predictor is fitted on, in the coding of predictions.
        targets: (N,) targets that it is applied to, in the same coding.

    Raises:
        DataError: No training targets.

    Example:
        >>> import numpy as np
        >>> from polytask.tasks import Binary, Quantile
        >>> trivial_predictions(Binary(name="churn"), np.array([1, 1, 0, 1]), np.array([0, 1])).probabilities.tolist()
        [[0.25, 0.75], [0.25, 0.75]]
        >>> trivial_predictions(Quantile(name="price", levels=(0.1, 0.5)), np.arange(11.0), np.array([3.0])).predictions.tolist()
        ['0.1:1.0 0.5:5.0']
    """
    if not len(training_targets):
        raise DataError("a trivial predictor needs at least one training target", where=f"task {task.name!r}", found="none")
    return Outcome(targets, *task.trivial_predictions(training_targets, targets))
