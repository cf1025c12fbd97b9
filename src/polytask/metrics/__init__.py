"""Metrics, their influence functions, and the trivial predictors that relative scores are based on.

A module holds one family of metrics, each metric with its influence function; `metric_functions` finds metrics by name.
"""

from polytask.metrics.metric_functions import METRICS, compute_metrics, find_metric, metric_of, relative_score, selection_metric_of
from polytask.metrics.trivial_predictor import trivial_predictions
from polytask.tasks import Metric, Outcome

__all__ = [
    "METRICS",
    "Metric",
    "Outcome",
    "compute_metrics",
    "find_metric",
    "metric_of",
    "relative_score",
    "selection_metric_of",
    "trivial_predictions",
]
