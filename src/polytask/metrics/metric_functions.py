"""Lookup of metrics by name, their evaluation, and relative scores.

The other modules of this package hold the metrics of one type of labels each. The metrics of an empty outcome are NaN, never 0.
"""

from __future__ import annotations

from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING

from polytask.errors import ConfigError
from polytask.metrics.classification_metrics import CLASS_METRICS
from polytask.metrics.concordance_index import CONCORDANCE
from polytask.metrics.entity_metrics import ENTITY_METRICS
from polytask.metrics.multilabel_metrics import LABEL_SET_METRICS
from polytask.metrics.ordinal_and_count_metrics import POISSON_DEVIANCE, RANK_METRICS
from polytask.metrics.quantile_metrics import QUANTILE_METRICS
from polytask.metrics.regression_metrics import NUMBER_METRICS, VECTOR_METRICS
from polytask.registry.suggestion import nearest
from polytask.tasks.metric import Metric

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polytask.tasks import Task
    from polytask.tasks.metric import Outcome

_EVERY = (
    *CLASS_METRICS,
    *ENTITY_METRICS,
    *LABEL_SET_METRICS,
    *RANK_METRICS,
    POISSON_DEVIANCE,
    *QUANTILE_METRICS,
    CONCORDANCE,
    *NUMBER_METRICS,
    *VECTOR_METRICS,
)
METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _EVERY})


def find_metric(metric: str | Metric) -> Metric:
    """Return the metric of a name; a `Metric` is returned unchanged.

    Raises:
        ConfigError: There is no such metric; the message suggests the nearest name.

    Example:
        >>> find_metric("rmse").higher_is_better
        False
    """
    if isinstance(metric, Metric):
        return metric
    if metric not in METRICS:
        raise ConfigError("unknown metric", where=metric, remedy=nearest(metric, tuple(METRICS)))
    return METRICS[metric]


def metric_of(task: Task) -> Metric:
    """Return the metric that a task's verdicts and scores are based on.

    Example:
        >>> from polytask.tasks import Regression
        >>> metric_of(Regression(name="price")).name
        'rmse'
    """
    return find_metric(task.metric_called(task.metric))


def selection_metric_of(task: Task) -> Metric:
    """Return the metric on validation rows that selects a task's best epoch and hyperparameters.

    Example:
        >>> from polytask.tasks import Binary
        >>> selection_metric_of(Binary(name="churn", selection_metric="log-loss")).name
        'log-loss'
    """
    return find_metric(task.metric_called(task.selection_metric or task.metric))


def compute_metrics(outcome: Outcome, metrics: Iterable[str | Metric]) -> dict[str, float]:
    """Compute metrics of an outcome, by name; all are NaN if the outcome is empty.

    Args:
        outcome: Targets, predictions and, for `log-loss` and `auc`, probabilities of N units.
        metrics: Metrics, or keys of `METRICS`.

    Raises:
        ConfigError: A metric does not exist.
        DataError: A metric needs probabilities, and the outcome has none.

    Example:
        >>> import numpy as np
        >>> from polytask.metrics import Outcome
        >>> compute_metrics(Outcome(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])), ["accuracy", "recall"])
        {'accuracy': 0.75, 'recall': 0.75}
    """
    found = [find_metric(metric) for metric in metrics]
    return {metric.name: metric.function(outcome) if len(outcome.targets) else float("nan") for metric in found}


def metric_range(metric: Metric) -> tuple[float, float]:
    """Return the lowest and the highest value that a metric can have, as far as its properties tell.

    The best value is one end; the other one is 0 for shares, which are 1 at best and never negative.

    Example:
        >>> [metric_range(find_metric(name)) for name in ("accuracy", "rmse", "r2")]
        [(0.0, 1.0), (0.0, inf), (-inf, 1.0)]
    """
    if metric.perfect is None:
        return -inf, inf
    if not metric.higher_is_better:
        return metric.perfect, inf
    return 0.0 if metric.perfect == 1.0 and metric.relative_change else -inf, metric.perfect


def relative_score(metric: Metric, value: float, trivial_value: float) -> float:
    """Compute the skill (value − trivial) / (perfect − trivial): 0 for the trivial predictor, 1 for a perfect one.

    Whether higher or lower values are better cancels in the ratio. If the trivial predictor is perfect, the skill is 0. If the best
    value is not known, the skill is the improvement over the trivial predictor in units of `|trivial|`, which is the same if the best
    value is 0.

    Args:
        metric: Metric of both values.
        value: Value to score.
        trivial_value: Value of the trivial predictor.

    Example:
        >>> relative_score(find_metric("rmse"), value=1.0, trivial_value=4.0)
        0.75
    """
    if metric.perfect is None:
        return metric.sign * (value - trivial_value) / (abs(trivial_value) or 1.0)
    if trivial_value == metric.perfect:
        return 0.0
    return (value - trivial_value) / (metric.perfect - trivial_value)
