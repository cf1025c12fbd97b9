"""Trivial predictors, which ignore the inputs. Every task kind defines its own (`Task.trivial_predictions`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polytask.errors import DataError
from polytask.tasks.metric import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polytask.tasks import Task

    Array = NDArray[Any]


def trivial_predictions(task: Task, training_targets: Array, targets: Array) -> Outcome:
    """Return targets and the predictions of the task's trivial predictor.

    Args:
        task: Task that defines the predictor.
        training_targets: Training targets (M,) on which the predictor is fitted, in the encoding of predictions.
        targets: Targets (N,) to predict, in the same encoding.

    Raises:
        DataError: There are no training targets.

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
