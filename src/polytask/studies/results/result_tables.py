"""Tidy tables with the histories and metrics of all networks of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from polytask.studies.execution.jobs import Job

RESULT_COLUMNS = ["arm", "seed", "task", "split", "metric", "value"]


def history_table(facts: Sequence[tuple[Job, Mapping[str, Any]]]) -> pd.DataFrame:
    """Concatenate the histories of all networks to one tidy table with the columns arm and seed first."""
    tables = []
    for job, fact in facts:
        if "history" not in fact:  # baselines have none
            continue
        table = pd.DataFrame(fact["history"]["data"], columns=fact["history"]["columns"])
        table.insert(0, "arm", job.arm.name)
        table.insert(1, "seed", job.seed)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def result_rows(job: Job, task: str, split: str, metrics: Mapping[str, float]) -> pd.DataFrame:
    """Return metrics as rows of a tidy table with the columns arm, seed, task, split, metric, value."""
    values = pd.DataFrame({"metric": list(metrics), "value": list(metrics.values())})
    return values.assign(arm=job.arm.name, seed=job.seed, task=task, split=split)[RESULT_COLUMNS]


def validation_rows(facts: Sequence[tuple[Job, Mapping[str, Any]]]) -> pd.DataFrame:
    """Return the validation metrics of all networks as rows of a tidy table."""
    rows = [result_rows(job, task, "validation", metrics) for job, fact in facts for task, metrics in fact["validation"].items()]
    return pd.concat(rows, ignore_index=True)
