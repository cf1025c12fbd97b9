"""Learning curves, confusion matrices and mean metrics, from the tables of a run folder."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import DataError
from polytask.report.sanitize import clean_text
from polytask.storage import storage_errors

RESULT_COLUMNS = ("arm", "seed", "task", "split", "metric", "value")
HISTORY_COLUMNS = ("arm", "seed", "epoch", "step", "task", "split", "name", "value")
PREDICTION_COLUMNS = ("arm", "task", "split", "target", "prediction")
NUMERIC = ("value", "epoch", "step")
LEAD_NAME = "lead over single"
GRADIENT_NUMBERS = ("weight", "gradient norm", "conflict rate")
MISSING = ("", "NA", "null")


@dataclass(frozen=True)
class CurvePoint:
    """One epoch of one seed, or of the mean over seeds.

    Attributes:
        arm: Its arm.
        seed: The seed; empty for a mean.
        epoch: From 1.
        value: The loss or the metric.
        seeds: Over how many seeds; 1 for a seed's own point.
        complete: Whether every seed of the arm was still training.
    """

    arm: str
    seed: str
    epoch: int
    value: float
    seeds: int = 1
    complete: bool = True


@dataclass(frozen=True)
class LearningCurve:
    """How one number of one task went, per arm.

    Attributes:
        task: The task.
        split: training or validation.
        name: loss, or the metric.
        points: Per arm, seed and epoch.
        means: Per arm and epoch, over the seeds that were still training.
    """

    task: str
    split: str
    name: str
    points: tuple[CurvePoint, ...]
    means: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class ConfusionMatrix:
    """How often which class was taken for which, on test data, summed over seeds.

    Attributes:
        task: The task.
        arm: The arm.
        labels: (C,) classes in order.
        counts: (C, C) rows are true classes, columns predicted ones.
    """

    task: str
    arm: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class MetricRow:
    """One metric of one arm on one task and split: its mean and standard deviation over seeds.

    Attributes:
        sd: None for a single seed.
    """

    task: str
    split: str
    metric: str
    arm: str
    mean: float
    sd: float | None


def read_run_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV or Parquet table of a run folder: numbers in `value` and `epoch`, text elsewhere.

    Raises:
        StorageError: The file cannot be read.
        DataError: It is no such table.
    """
    with storage_errors(path):
        try:
            return _read_parquet(path, columns) if path.suffix == ".parquet" else _read_csv(path, columns)
        except (ValueError, csv.Error) as error:  # pyarrow's errors about content are ValueErrors
            what = f"this is no table with the columns {', '.join(columns)}"
            raise DataError(what, where=str(path), found=clean_text(error)[:200], remedy="Run the study again") from None


def _read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """By the standard library's reader: it keeps every name as it is, whatever it looks like."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = [row for row in csv.reader(file, strict=True) if row] or [[]]
    uneven = [row for row in rows if len(row) != len(header)]
    if uneven:
        raise ValueError(f"a row of {len(uneven[0])} entries below a head of {len(header)}")
    places = {name: header.index(name) for name in columns}
    return pd.DataFrame({name: _parse_column(name, [row[place] for row in rows]) for name, place in places.items()})


def _parse_column(name: str, entries: list[str]) -> NDArray[Any]:
    if name not in NUMERIC:
        return np.array(entries, dtype=object)
    return np.array([math.nan if entry in MISSING else float(entry) for entry in entries], dtype=np.float64)


def _read_parquet(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    table = pd.read_parquet(path, columns=list(columns))
    return table.dropna(subset=["target", "prediction"])


def learning_curves(history: pd.DataFrame, metrics: Mapping[str, str]) -> tuple[LearningCurve, ...]:
    """Per task the training loss and the validation metric, averaged over seeds per epoch.

    Args:
        history: Columns `HISTORY_COLUMNS`.
        metrics: Per task its primary metric.
    """
    wanted = [(task, split, name) for task in metrics for split, name in (("training", "loss"), ("validation", metrics[task]))]
    finite = history[np.isfinite(history["value"].to_numpy()) & np.isfinite(history["epoch"].to_numpy())]
    found = (make_curve(finite, *key) for key in wanted)
    return tuple(curve for curve in found if curve.points)


def gradient_curves(history: pd.DataFrame, tasks: Sequence[str]) -> tuple[LearningCurve, ...]:
    """Per task its weight, where any arm changed it, and what its gradients of shared parameters say, where an arm looked at them.

    Args:
        history: Columns `HISTORY_COLUMNS`.
        tasks: All tasks.
    """
    finite = history[np.isfinite(history["value"].to_numpy()) & np.isfinite(history["epoch"].to_numpy())]
    named = [str(name) for name in finite["name"].unique()]
    wanted = [name for name in named if name in GRADIENT_NUMBERS or name.startswith("cosine with ")]
    found = (make_curve(finite, task, split, name) for task in tasks for name in wanted for split in ("training", "observed"))
    return tuple(curve for curve in found if curve.points and not _is_constant(curve))


def sharing_curves(history: pd.DataFrame, tasks: Sequence[str]) -> tuple[LearningCurve, ...]:
    """Per task what ways of sharing have learned (gates, stitches, distances), where it changed over the epochs.

    Args:
        history: Columns `HISTORY_COLUMNS`.
        tasks: All tasks.
    """
    finite = history[np.isfinite(history["value"].to_numpy()) & np.isfinite(history["epoch"].to_numpy())]
    named = [str(name) for name in finite.loc[finite["split"] == "sharing", "name"].unique()]
    found = (make_curve(finite, task, "sharing", name) for task in tasks for name in named)
    return tuple(curve for curve in found if len({point.value for point in curve.points}) > len({point.arm for point in curve.points}))


def transfer_curves(history: pd.DataFrame, tasks: Sequence[str]) -> tuple[LearningCurve, ...]:
    """Per task how far joint networks are ahead of their single-task twins, epoch by epoch.

    Args:
        history: Columns `HISTORY_COLUMNS`.
        tasks: All tasks.
    """
    found = (make_curve(history, task, "validation", LEAD_NAME) for task in tasks)
    return tuple(curve for curve in found if curve.points)


def _is_constant(curve: LearningCurve) -> bool:
    """Whether it is a weight that no arm ever changed."""
    return curve.name == "weight" and len({point.value for point in curve.points}) == 1


def make_curve(history: pd.DataFrame, task: str, split: str, name: str) -> LearningCurve:
    """One number of one task, per arm and seed, and averaged over the seeds."""
    rows = history[(history["task"] == task) & (history["split"] == split) & (history["name"] == name)]
    own = rows.groupby(["arm", "seed", "epoch"], sort=False)["value"].mean().reset_index()
    seeds_of_arm = own.groupby("arm", sort=False)["seed"].nunique()
    means = own.groupby(["arm", "epoch"])["value"].agg(["mean", "count"]).reset_index()
    points = tuple(CurvePoint(str(a), str(s), int(e), float(v)) for a, s, e, v in own.itertuples(index=False, name=None))
    averages = tuple(
        CurvePoint(str(arm), "", int(epoch), float(mean), int(count), bool(count == seeds_of_arm[arm]))
        for arm, epoch, mean, count in means.itertuples(index=False, name=None)
    )
    return LearningCurve(task, split, name, points, averages)


def confusion_matrices(predictions: pd.DataFrame, tasks: Sequence[str]) -> tuple[ConfusionMatrix, ...]:
    """One matrix per classification task and arm, summed over seeds.

    Args:
        predictions: Columns `PREDICTION_COLUMNS`; only the split "test" counts.
        tasks: The classification tasks.
    """
    tested = predictions[predictions["split"] == "test"]
    found = []
    for task in tasks:
        rows = tested[tested["task"] == task]
        labels = _sort_labels({*rows["target"].map(str), *rows["prediction"].map(str)})
        found += [ConfusionMatrix(task, str(arm), labels, _count_pairs(part, labels)) for arm, part in rows.groupby("arm", sort=False)]
    return tuple(found)


def _sort_labels(labels: set[str]) -> tuple[str, ...]:
    """Labels in numerical order where all are numbers, else in that of the alphabet."""
    try:
        return tuple(sorted(labels, key=lambda label: (float(label), label)))
    except ValueError:
        return tuple(sorted(labels))


def _count_pairs(rows: pd.DataFrame, labels: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    place = {label: code for code, label in enumerate(labels)}
    true, predicted = (rows[column].map(str).map(place).to_numpy(dtype=np.int64) for column in ("target", "prediction"))
    flat: NDArray[np.int64] = np.bincount(true * len(labels) + predicted, minlength=len(labels) ** 2)
    return tuple(tuple(row) for row in flat.reshape(len(labels), len(labels)).tolist())


def metric_rows(results: pd.DataFrame) -> tuple[MetricRow, ...]:
    """Mean and standard deviation over seeds of every metric that results.csv holds."""
    spread = results.groupby(["task", "split", "metric", "arm"], sort=False)["value"].agg(["mean", "std"]).reset_index()
    return tuple(
        MetricRow(str(task), str(split), str(metric), str(arm), float(mean), None if np.isnan(sd) else float(sd))
        for task, split, metric, arm, mean, sd in spread.itertuples(index=False, name=None)
    )
