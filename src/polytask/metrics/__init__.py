"""What predictions are worth, and whether a difference between two ways of training is real.

`verdict` is the whole of it; the files beside it hold one step each: `metrics` (defined, with their influences, in `class_metrics`,
`number_metrics`, `find_entities`, `label_sets`, `ranks`, `quantiles` and `concordance`), `trivial` (predictors), `predictions` (reading a
frame), `influence` (of each test unit),
`crossed` (one test set) and `resampled` (splits), two analyses that can be asked the same (`analysis`), `words` (helps, hurts, same,
unclear), `settle`, `results`.
Only the metrics are re-exported here: `polytask.verdicts.compute_verdict.verdict` needs pandas, which workers should not pay for.
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
