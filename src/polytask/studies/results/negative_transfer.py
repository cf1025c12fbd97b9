"""Negative transfer during training: joint networks compared with their single-task twins, epoch by epoch on validation data.

A twin is the single-task network of the same seed: it had the same rows, the same initialization and the same order of batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import pandas as pd
from scipy.special import stdtrit

from polytask.metrics.metric_functions import metric_of
from polytask.run_files import TaskTransfer
from polytask.run_files.verdict_file import LEAD_NAME
from polytask.studies.spec.arms import SINGLE
from polytask.tasks import Task
from polytask.training.loop.training_progress import COSINE_PREFIX

LEVEL = 0.05


def add_leads(history: pd.DataFrame, tasks: Sequence[Task]) -> pd.DataFrame:
    """Add rows to the history with the lead of every task of a joint network over its twin after each epoch.

    The lead is the difference between the best values so far of the task's metric, with its sign such that positive is better. A network
    that has stopped keeps its best value.

    Args:
        history: Frame with the columns arm, seed, epoch, step, task, split, name, value.
        tasks: All tasks.

    Returns:
        The history with rows named "lead over single"; unchanged without single-task networks.
    """
    best: Any = _best_so_far(history, tasks)
    if SINGLE not in best.columns.get_level_values("arm"):
        return history
    joint = best.drop(columns=SINGLE, level="arm")
    columns = joint.columns
    ahead = joint - best[SINGLE].reindex(columns=columns.droplevel("arm")).set_axis(columns, axis=1)
    ahead = ahead.melt(ignore_index=False).dropna().reset_index()
    rows: pd.DataFrame = ahead.assign(step=0, split="validation", name=LEAD_NAME)
    return pd.concat([history, rows[list(history.columns)]], ignore_index=True)


def summarize_transfer(history: pd.DataFrame) -> dict[str, dict[str, TaskTransfer]]:
    """Summarize a history with leads per joint arm and task."""
    leads = history[history["name"] == LEAD_NAME]
    ends = leads.sort_values("epoch", kind="stable").groupby(["arm", "task", "seed"], sort=False)["value"].last()
    cosines = mean_cosines(history)
    found: dict[str, dict[str, TaskTransfer]] = {}
    for arm, task in dict.fromkeys(zip(ends.index.get_level_values("arm"), ends.index.get_level_values("task"), strict=True)):
        values = ends.xs((arm, task), level=("arm", "task")).tolist()
        found.setdefault(arm, {})[task] = _task_transfer(values, _opposing_tasks(task, cosines.get(arm, {})))
    return found


def mean_cosines(history: pd.DataFrame) -> dict[str, dict[tuple[str, str], float]]:
    """Return the cosine of gradients, averaged over epochs and seeds, per arm and pair of tasks for which it was measured."""
    rows = history[history["name"].str.startswith(COSINE_PREFIX)]
    means = rows.groupby(["arm", "task", "name"], sort=False)["value"].mean().reset_index()
    found: dict[str, dict[tuple[str, str], float]] = {}
    for arm, task, name, value in means.to_numpy().tolist():
        found.setdefault(arm, {})[task, name.removeprefix(COSINE_PREFIX)] = value
    return found


def _best_so_far(history: pd.DataFrame, tasks: Sequence[Task]) -> pd.DataFrame:
    """Return the best value so far of each task's metric, with its sign such that higher is better.

    Rows are epochs; columns are arm, seed and task.
    """
    metrics = {task.name: metric_of(task) for task in tasks}
    measured = history[
        (history["split"] == "validation") & (history["name"] == history["task"].map({t: m.name for t, m in metrics.items()}))
    ]
    signs = measured["task"].map({task: metric.sign for task, metric in metrics.items()})
    values = measured.assign(value=measured["value"] * signs).set_index(["epoch", "arm", "seed", "task"])["value"]
    return values.unstack(["arm", "seed", "task"]).sort_index().cummax().ffill()


def _task_transfer(ends: Sequence[float], opposed: Mapping[str, float]) -> TaskTransfer:
    seeds = len(ends)
    mean, behind = sum(ends) / seeds, sum(end < 0 for end in ends)
    if seeds < 2:
        return TaskTransfer(lead=mean, seeds_behind=behind, behind=False, opposed_by=dict(opposed))
    deviation = sqrt(sum((end - mean) ** 2 for end in ends) / (seeds - 1))
    highest = mean + float(stdtrit(seeds - 1, 1 - LEVEL)) * deviation / sqrt(seeds)
    return TaskTransfer(lead=mean, seeds_behind=behind, behind=highest < 0, opposed_by=dict(opposed))


def _opposing_tasks(task: str, cosines: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Return the other tasks whose mean cosine with the task is negative, the most negative first."""
    found = {pair[pair[0] == task]: cosine for pair, cosine in cosines.items() if task in pair and cosine < 0}
    return dict(sorted(found.items(), key=lambda entry: entry[1]))
