"""All metrics that predictions allow, in the form of results.csv."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from polytask.errors import ConfigError, DataError
from polytask.metrics.metric_functions import find_metric
from polytask.tasks import Outcome, Task
from polytask.tasks.metric import Metric, Runs
from polytask.verdicts.prediction_frame import PredictionTable, SplitPredictions, TaskPredictions

METRIC_COLUMNS = ("arm", "seed", "task", "split", "metric", "value")


def metric_rows_of(table: PredictionTable) -> Iterator[tuple[Any, ...]]:
    """Yield every metric that the predictions allow per arm, seed and task, as rows with the columns `METRIC_COLUMNS`.

    With several splits of a cross-validation, `seed` counts the seeds split by split.
    """
    for task in table.tasks:
        for metric in _metrics(task):
            for arm in table.arms:
                values = [value for split in task.splits for value in _values(metric, split, split.runs[arm])]
                seeds = table.seeds if len(task.splits) == 1 else range(len(values))
                for seed, value in zip(seeds, values, strict=True) if np.isfinite(values).all() else ():
                    yield arm, seed, task.name, "test", metric.name, float(value)


def _metrics(task: TaskPredictions) -> list[Metric]:
    known = task.kind.available_metrics if isinstance(task.kind, Task) else task.kind.metrics
    return [find_metric(metric) for metric in known]


def _values(metric: Metric, split: SplitPredictions, run: Runs) -> list[float]:
    """Return a metric of every seed; NaN if it needs more than the predictions hold, such as probabilities of all classes.

    The area under the curve of several classes needs them, and has no influence function.
    """
    try:
        if metric.influence is not None:
            return [float(value) for value in metric.influence(split.targets, run).mean(axis=1)]
        return [metric.function(Outcome(split.targets, row)) for row in run.predictions]
    except (ConfigError, DataError):
        return [float("nan")] * len(run.predictions)
