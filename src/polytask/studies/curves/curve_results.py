"""What the studies of all shares of the labels say together: one family of claims, and the labels that joint training needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data import Source
from polytask.metrics.metric_functions import metric_of
from polytask.options import CurveConfig
from polytask.run_files import CurveFile, CurvePointRecord, CurveTask, LabelRatioRecord
from polytask.studies.spec.arms import SINGLE, ResolvedArm, arm_titles
from polytask.tasks import Metric, Task
from polytask.training import prepare_data
from polytask.training.preparation.label_share import LabelShare
from polytask.verdicts.advised_verdict import Verdict
from polytask.verdicts.compute_verdict import verdict
from polytask.verdicts.estimates.label_ratio import label_ratio

SAME_ROWS = (
    "The labels of a smaller share are among those of a larger one, all arms of a seed use the same ones, and every network takes the same "
    "number of steps."
)
FAMILY = "All differences, of every task and share, are one family with a false alarm rate of 5 %."
OF_SEEDS = (
    "The ratio of labels rests on log error = a + b log labels with one slope for both arms; its interval is about further seeds on the "
    "same test rows."
)


class TestTables(NamedTuple):
    """What the study of one share found on the test data.

    Attributes:
        predictions: Predictions of every arm, seed, task and unit.
        results: Metrics of every arm, seed and task.
    """

    predictions: pd.DataFrame
    results: pd.DataFrame


def curve_file(
    config: CurveConfig, sources: Sequence[Source], tasks: Sequence[Task], arms: Sequence[ResolvedArm], studies: Mapping[float, TestTables]
) -> CurveFile:
    """Return the content of curve.json. It holds no time, so that a repeated run writes the same bytes.

    Args:
        config: Resolved configuration.
        sources: Training sources.
        tasks: All tasks.
        arms: All arms.
        studies: Predictions and metrics of every share.
    """
    claims = _claims(config, tasks, studies)
    counts = {share: labels_per_task(config, sources, tasks, share) for share in config.shares}
    content = {
        "source": config.source or " + ".join(config.tables) or "sources given in Python",
        "version": config.version,
        "seeds": list(config.seeds),
        "shares": list(config.shares),
        "labels_of": list(config.labels_of),
        "baseline": SINGLE,
        "titles": arm_titles(arms),
        "tasks": {task.name: _curve_task(config, task, claims, counts, studies) for task in tasks},
        "pooled": {name: summary.pooled.record() for name, summary in claims.arms.items() if summary.pooled is not None},
        "warnings": list(claims.warnings),
        "notes": [SAME_ROWS, FAMILY, OF_SEEDS],
    }
    return CurveFile.from_content(content)


def points_table(curve: CurveFile) -> pd.DataFrame:
    """Return a row per task, share and joint arm: labels, metric, means, difference with its interval, and claim."""
    rows = [
        {
            "task": name,
            "share": point.share,
            "labels": point.labels,
            "arm": arm,
            "metric": task.metric,
            "single": point.single,
            "mean": record.mean,
            "difference": record.difference,
            "low": (record.ci95 or (None, None))[0],
            "high": (record.ci95 or (None, None))[1],
            "verdict": record.verdict,
        }
        for name, task in curve.tasks.items()
        for point in task.points
        for arm, record in point.arms.items()
    ]
    return pd.DataFrame(rows)


def _point_name(task: str, share: float) -> str:
    return f"{task} at {share:g}"


def _claims(config: CurveConfig, tasks: Sequence[Task], studies: Mapping[float, TestTables]) -> Verdict:
    """Return the verdict about all points, each of which is a task of its own."""
    frames = [
        tables.predictions.assign(task=[_point_name(task, share) for task in tables.predictions["task"]])
        for share, tables in studies.items()
    ]
    kinds = {name: dataclasses.replace(task, name=name) for task in tasks for share in studies for name in [_point_name(task.name, share)]}
    margins = {_point_name(task, share): margin for task, margin in config.margins.items() for share in studies}
    return verdict(pd.concat(frames, ignore_index=True), baseline=SINGLE, kinds=kinds, margins=margins)


def labels_per_task(config: CurveConfig, sources: Sequence[Source], tasks: Sequence[Task], share: float) -> dict[str, int]:
    """Return the number of labels per task in the training part of the first seed."""
    used = LabelShare(share, config.labels_of)
    data = prepare_data(sources, tasks, validation_fraction=config.training.validation_fraction, seed=config.seeds[0], label_share=used)
    counts = [source.rows.counts() for source in data.training.values()]
    return {task.name: sum(own.get(task.name, 0) for own in counts) for task in tasks}


def _curve_task(
    config: CurveConfig, task: Task, claims: Verdict, counts: Mapping[float, Mapping[str, int]], studies: Mapping[float, TestTables]
) -> CurveTask:
    points = []
    for share in config.shares:
        found = claims.tasks[_point_name(task.name, share)]
        records = {arm: own.record() for arm, own in found.arms.items()}
        points.append(
            CurvePointRecord(share=share, labels=counts[share][task.name], margin=found.margin, single=found.single[0], arms=records)
        )
    metric = metric_of(task)
    ratios = dict(_label_ratios(task, metric, [(point.labels, studies[point.share].results) for point in points], list(claims.arms)))
    return CurveTask(
        kind=found.kind, metric=metric.name, higher_is_better=metric.higher_is_better, points=tuple(points), label_ratio=ratios
    )


def _label_ratios(
    task: Task, metric: Metric, tables: Sequence[tuple[int, pd.DataFrame]], arms: Sequence[str]
) -> Iterator[tuple[str, LabelRatioRecord]]:
    """Yield the labels that every joint arm needs; none if the number of labels does not vary, or an error has no logarithm."""
    labels = [count for count, _ in tables]
    if metric.perfect is None or len(set(labels)) < 2:
        return
    errors = {arm: np.stack([_errors(table, task.name, metric, arm) for _, table in tables], axis=1) for arm in (SINGLE, *arms)}
    for arm in arms:
        if all(np.isfinite(errors[name]).all() and (errors[name] > 0).all() for name in (SINGLE, arm)):
            found = label_ratio(labels, errors[SINGLE], errors[arm])
            yield arm, LabelRatioRecord(ratio=found.ratio, ci95=found.interval, slope=found.slope)


def _errors(results: pd.DataFrame, task: str, metric: Metric, arm: str) -> NDArray[np.float64]:
    """Return the distances (S,) of an arm's test metric from its best value, in the order of the seeds."""
    own = results[(results["task"] == task) & (results["metric"] == metric.name) & (results["arm"] == arm) & (results["split"] == "test")]
    values: NDArray[np.float64] = own.sort_values("seed")["value"].to_numpy(dtype=np.float64)
    return np.abs(values - float(metric.perfect or 0.0))
