"""Tidy tables with the histories and metrics of all networks of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data import Source
from polytask.metrics.trivial_predictor import trivial_predictions
from polytask.studies.execution.job_training import Job
from polytask.tasks import Task
from polytask.training.inference import compute_task_metrics

TRIVIAL = "trivial predictor"
"""Name of the row of predictors that ignore the inputs; the name of an arm has no space."""
HISTORY_COLUMNS = ["arm", "seed", "epoch", "step", "task", "split", "name", "value"]
RESULT_COLUMNS = ["arm", "seed", "task", "split", "metric", "value"]


def history_table(facts: Sequence[tuple[Job, Mapping[str, Any]]]) -> pd.DataFrame:
    """Concatenate the histories of all networks to one tidy table with the columns arm and seed first."""
    tables = []
    for job, fact in facts:
        if not fact.get("history", {}).get("data"):  # baselines have none, and training functions need not report
            continue
        table = pd.DataFrame(fact["history"]["data"], columns=fact["history"]["columns"])
        table.insert(0, "arm", job.arm.name)
        table.insert(1, "seed", job.seed)
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=HISTORY_COLUMNS)


def result_rows(job: Job, task: str, split: str, metrics: Mapping[str, float]) -> pd.DataFrame:
    """Return metrics as rows of a tidy table with the columns arm, seed, task, split, metric, value."""
    values = pd.DataFrame({"metric": list(metrics), "value": list(metrics.values())})
    return values.assign(arm=job.arm.name, seed=job.seed, task=task, split=split)[RESULT_COLUMNS]


def validation_rows(facts: Sequence[tuple[Job, Mapping[str, Any]]]) -> pd.DataFrame:
    """Return the validation metrics of all networks as rows of a tidy table."""
    rows = [result_rows(job, task, "validation", metrics) for job, fact in facts for task, metrics in fact["validation"].items()]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=RESULT_COLUMNS)


def trivial_rows(tasks: Sequence[Task], training: Sequence[Source], test: Sequence[Source], seed: int) -> pd.DataFrame:
    """Return the test metrics of each task's trivial predictor, fitted to all training labels, as rows of a tidy table.

    The predictor has no seed: there is one row per metric, under the given one.
    """
    parts = []
    for task in tasks:
        seen, asked = _labels_of(task, training), _labels_of(task, test)
        fitted = task.fitted(seen.ravel() if task.per_token else seen)
        targets = [fitted.metric_targets(labels[fitted.labeled_rows(labels)]) for labels in (seen, asked)]
        metrics = compute_task_metrics([fitted], {task.name: trivial_predictions(fitted, *targets)})[task.name]
        rows = pd.DataFrame({"metric": list(metrics), "value": list(metrics.values())})
        parts.append(rows.assign(arm=TRIVIAL, seed=seed, task=task.name, split="test")[RESULT_COLUMNS])
    return pd.concat(parts, ignore_index=True)


def _labels_of(task: Task, sources: Sequence[Source]) -> NDArray[Any]:
    return np.concatenate([np.asarray(source.labels[task.name]) for source in sources if task.name in source.labels])
