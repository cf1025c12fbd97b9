"""Learning curves, confusion matrices and mean metrics from the tables of a run folder."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
from numpy.typing import NDArray

from polytask.errors import DataError
from polytask.run_files.verdict_file import LEAD_NAME
from polytask.storage import storage_errors
from polytask.storage.csv_table import unescaped
from polytask.verdicts.shown.sanitize import clean_text

RESULT_COLUMNS = ("arm", "seed", "task", "split", "metric", "value")
HISTORY_COLUMNS = ("arm", "seed", "epoch", "step", "task", "split", "name", "value")
PREDICTION_COLUMNS = ("arm", "task", "split", "target", "prediction", "probability")
OPTIONAL_COLUMN = "probability"
"""Column that predictions of another program may lack; its values are then missing."""
NUMERIC = ("value", "epoch", "step")
LEAD_TITLE = "lead over separate networks"
"""What charts call the rows named `LEAD_NAME` in history.csv."""
GRADIENT_NUMBERS = ("weight", "gradient norm", "conflict rate")
MISSING = ("", "NA", "null")


@dataclass(frozen=True)
class CurvePoint:
    """A value at one epoch, of one seed or averaged over seeds.

    Attributes:
        arm: Name of the arm.
        seed: The seed; empty for a mean.
        epoch: Epoch, from 1.
        value: Loss or metric.
        seeds: Number of seeds in the mean; 1 for the point of a single seed.
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
    """Values of one quantity of one task over the epochs, for all arms.

    Attributes:
        task: Name of the task.
        split: Split of the history, such as training or validation.
        name: Name of the quantity: loss, a metric, or another name in the history.
        points: One point per arm, seed and epoch.
        means: One point per arm and epoch, averaged over the seeds that were still training.
    """

    task: str
    split: str
    name: str
    points: tuple[CurvePoint, ...]
    means: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class ConfusionMatrix:
    """Confusion matrix on test data, summed over seeds.

    Attributes:
        task: Name of the task.
        arm: Name of the arm.
        labels: (C,) classes in order.
        counts: (C, C) counts; rows are true classes, columns predicted ones.
    """

    task: str
    arm: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class MetricRow:
    """One metric of one arm on one task and split: its mean and standard deviation over seeds.

    Attributes:
        sd: Standard deviation; `None` for a single seed.
    """

    task: str
    split: str
    metric: str
    arm: str
    mean: float
    sd: float | None


def read_run_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read columns of a CSV or Parquet table of a run folder.

    In CSV files, the columns `value`, `epoch` and `step` are read as numbers and all others as text.

    Raises:
        StorageError: The file cannot be read.
        DataError: The file is not a table with these columns.
    """
    with storage_errors(path):
        try:
            return _read_parquet(path, columns) if path.suffix == ".parquet" else _read_csv(path, columns)
        except (ValueError, csv.Error) as error:  # pyarrow's errors about content are ValueErrors
            what = f"this file is not a table with the columns {', '.join(columns)}"
            raise DataError(what, where=str(path), found=clean_text(error)[:200], remedy="Run the study again") from None


def empty_table(columns: Sequence[str]) -> pd.DataFrame:
    """Return a table of a run folder without rows."""
    return pd.DataFrame({name: _parse_column(name, []) for name in columns})


def _read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV file with the standard library, which does not interpret names such as NA or 007."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = [row for row in csv.reader(file, strict=True) if row] or [[]]
    uneven = [row for row in rows if len(row) != len(header)]
    if uneven:
        raise ValueError(f"a row has {len(uneven[0])} entries, the header has {len(header)}")
    places = {name: header.index(name) for name in columns}
    return pd.DataFrame({name: _parse_column(name, [row[place] for row in rows]) for name, place in places.items()})


def _parse_column(name: str, entries: list[str]) -> NDArray[Any]:
    if name not in NUMERIC:
        return np.array([unescaped(entry) for entry in entries], dtype=object)
    return np.array([math.nan if entry in MISSING else float(entry) for entry in entries], dtype=np.float64)


def _read_parquet(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    there = set(pyarrow.parquet.read_schema(path).names)
    table = pd.read_parquet(path, columns=[name for name in columns if name in there or name != OPTIONAL_COLUMN])
    return table.reindex(columns=list(columns)).dropna(subset=["target", "prediction"])


def learning_curves(history: pd.DataFrame, metrics: Mapping[str, str]) -> tuple[LearningCurve, ...]:
    """Return the curves of the training loss and the validation metric of every task.

    Args:
        history: Table with the columns `HISTORY_COLUMNS`.
        metrics: Primary metric of each task.
    """
    wanted = [(task, split, name) for task in metrics for split, name in (("training", "loss"), ("validation", metrics[task]))]
    finite = history[np.isfinite(history["value"].to_numpy()) & np.isfinite(history["epoch"].to_numpy())]
    found = (make_curve(finite, *key) for key in wanted)
    return tuple(curve for curve in found if curve.points)


def gradient_curves(history: pd.DataFrame, tasks: Sequence[str]) -> tuple[LearningCurve, ...]:
    """Return the curves of the weights and the gradients of each task.

    Weights are left out if no arm changed them; gradients of the shared parameters are in the history if an arm computed them.

    Args:
        history: Table with the columns `HISTORY_COLUMNS`.
        tasks: Names of all tasks.
    """
    finite = history[np.isfinite(history["value"].to_numpy()) & np.isfinite(history["epoch"].to_numpy())]
    named = [str(name) for name in finite["name"].unique()]
    wanted = [name for name in named if name in GRADIENT_NUMBERS or name.startswith("cosine with ")]
    found = (make_curve(finite, task, split, name) for task in tasks for name in wanted for split in ("training", "observed"))
    return tuple(curve for curve in found if curve.points and not _is_constant(curve))


def sharing_curves(history: pd.DataFrame, tasks: Sequence[str]) -> tuple[LearningCurve, ...]:
    """Return curves of what architectures learned about sharing (gates, stitches, distances), if it changed over the epochs.

    Args:
        history: Table with the columns `HISTORY_COLUMNS`.
        tasks: Names of all tasks.
    """
    finite = history[np.isfinite(history["value"].to_numpy()) & np.isfinite(history["epoch"].to_numpy())]
    named = [str(name) for name in finite.loc[finite["split"] == "sharing", "name"].unique()]
    found = (make_curve(finite, task, "sharing", name) for task in tasks for name in named)
    return tuple(curve for curve in found if len({point.value for point in curve.points}) > len({point.arm for point in curve.points}))


def transfer_curves(history: pd.DataFrame, tasks: Sequence[str]) -> tuple[LearningCurve, ...]:
    """Return curves of the lead of joint networks over their single-task twins, per task.

    Args:
        history: Table with the columns `HISTORY_COLUMNS`.
        tasks: Names of all tasks.
    """
    found = (replace(make_curve(history, task, "validation", LEAD_NAME), name=LEAD_TITLE) for task in tasks)
    return tuple(curve for curve in found if curve.points)


def _is_constant(curve: LearningCurve) -> bool:
    """Return whether a curve is a weight that no arm ever changed."""
    return curve.name == "weight" and len({point.value for point in curve.points}) == 1


def make_curve(history: pd.DataFrame, task: str, split: str, name: str) -> LearningCurve:
    """Return the curve of one quantity of one task: per arm and seed, and averaged over seeds."""
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
    """Return one confusion matrix per classification task and arm, summed over seeds.

    Args:
        predictions: Table with the columns `PREDICTION_COLUMNS`; only rows of the split "test" are used.
        tasks: Names of the classification tasks.
    """
    tested = predictions[predictions["split"] == "test"]
    found = []
    for task in tasks:
        rows = tested[tested["task"] == task]
        labels = _sort_labels({*rows["target"].map(str), *rows["prediction"].map(str)})
        found += [ConfusionMatrix(task, str(arm), labels, _count_pairs(part, labels)) for arm, part in rows.groupby("arm", sort=False)]
    return tuple(found)


def _sort_labels(labels: set[str]) -> tuple[str, ...]:
    """Sort labels by number if all of them are numbers, else alphabetically."""
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
    """Return mean and standard deviation over seeds of every metric in results.csv."""
    spread = results.groupby(["task", "split", "metric", "arm"], sort=False)["value"].agg(["mean", "std"]).reset_index()
    return tuple(
        MetricRow(str(task), str(split), str(metric), str(arm), float(mean), None if np.isnan(sd) else float(sd))
        for task, split, metric, arm, mean, sd in spread.itertuples(index=False, name=None)
    )
