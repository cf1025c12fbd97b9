"""Validation of a frame of predictions and its conversion to arrays.

Every arm must have the same seeds and the same test units; an error names the first difference. Usually every seed predicts the same
test units. In cross-validation the test units differ between seeds, and seeds with the same test units form one split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from polytask.errors import ConfigError, DataError, plain
from polytask.registry import find, load_class, names
from polytask.registry.resolve import described, resolve
from polytask.registry.suggestion import nearest, nearest_name
from polytask.tasks.base import LabelType, Task
from polytask.tasks.inferred_kind import inferred_kind
from polytask.tasks.metric import Runs
from polytask.tasks.prediction_parsing import numbers_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

REQUIRED_COLUMNS = ("arm", "seed", "task", "unit", "target", "prediction")
GAP_REMEDIES = {
    "target": "Leave out units without a label",
    "prediction": "Every arm must predict every unit: predict it, or leave the unit out for all arms and seeds",
}


@dataclass(frozen=True)
class SplitPredictions:
    """Test units shared by a set of seeds, with the predictions of every arm.

    Attributes:
        targets: (n,) true class codes or values.
        runs: (S, n) predictions per arm, coded like the targets.
        units: (n,) codes of the test units; all tasks use the same codes.
        groups: (n,) codes of the group that each unit belongs to (e.g. a customer); `None` if every unit is independent.
    """

    targets: Array
    runs: Mapping[str, Runs]
    units: Array
    groups: Array | None


@dataclass(frozen=True)
class TaskPredictions:
    """Predictions of every arm for one task.

    Attributes:
        name: Name of the task.
        kind: Class of the task kind, or the task itself if it was given.
        splits: One entry with all seeds, or one entry per cross-validation split; the same splits for all tasks.
    """

    name: str
    kind: type[Task] | Task
    splits: tuple[SplitPredictions, ...]


@dataclass(frozen=True)
class PredictionTable:
    """Validated predictions: every arm has the same seeds, and each seed has the same units in every arm.

    Attributes:
        arms: Names of the arms, sorted.
        seeds: Names of the seeds, sorted.
        units: Number of distinct test units.
        tasks: Predictions per task.
    """

    arms: tuple[str, ...]
    seeds: tuple[int | str, ...]
    units: int
    tasks: tuple[TaskPredictions, ...]


def read_predictions(
    frame: pd.DataFrame,
    kinds: Mapping[str, str | type[Task] | Task] | None = None,
    classes: Mapping[str, Sequence[Any]] | None = None,
    *,
    resampled: bool = False,
) -> PredictionTable:
    """Check a frame of predictions and convert it to arrays; the order of the rows does not matter.

    Args:
        frame: Columns `REQUIRED_COLUMNS`; optional columns are `probability` (given to the true label), `split` (only rows with "test"
            are read), `group` (units of one group count as one) and `kind` (task kind of the row's task).
        kinds: Kind of each task, or the task itself; a kind given neither here nor in the column `kind` is inferred.
        classes: All classes of a task in order, coded from 0; classes that are not listed here are coded in the order of their names.
        resampled: Whether test units differ between seeds, as in cross-validation.

    Raises:
        DataError: A column is missing or has missing values, rows are duplicated, arms differ in their seeds or units, numbers are not
            finite, or a label is not among the classes.
        ConfigError: A task kind does not exist, an ordinal task has no classes, or classes are given for a kind without classes.
    """
    frame = _checked_frame(frame)
    arms, seeds, tasks, units = (_codes(frame[column]) for column in ("arm", "seed", "task", "unit"))
    order = np.lexsort((units[0], seeds[0], arms[0], tasks[0]))
    keys = np.stack([tasks[0], arms[0], seeds[0], units[0]])[:, order]
    _reject_duplicates(keys, (tasks[1], arms[1], seeds[1], units[1]))
    frame = frame.take(order)
    found, split_of_seed = [], _splits(keys, len(seeds[1]), resampled)
    for code, name in enumerate(tasks[1]):
        rows = slice(*np.searchsorted(keys[0], [code, code + 1]))
        _reject_missing_units(str(name), keys[1:, rows], (arms[1], seeds[1], units[1]), resampled)
        places = (split_of_seed[keys[2, rows]], keys[3, rows])
        found.append(_task(str(name), frame.iloc[rows], places, [str(arm) for arm in arms[1]], kinds or {}, classes or {}))
    _reject_unknown_tasks([task.name for task in found], {"kinds": kinds or {}, "classes": classes or {}})
    labels = tuple(seed if isinstance(seed, str) else int(seed) for seed in seeds[1].tolist())
    return PredictionTable(tuple(str(arm) for arm in arms[1]), labels, len(units[1]), tuple(found))


def _checked_frame(frame: pd.DataFrame) -> pd.DataFrame:
    if not isinstance(frame, pd.DataFrame):
        raise ConfigError("a DataFrame of predictions is needed", where="frame", found=described(frame), remedy="Read it with pandas")
    for column in REQUIRED_COLUMNS:
        if column not in frame:
            found = ", ".join(map(str, frame.columns)) or "no column"
            remedy = f"Name the columns {', '.join(REQUIRED_COLUMNS)}"
            if close := nearest_name(column, [str(name) for name in frame.columns if name not in REQUIRED_COLUMNS]):
                remedy = f"Did you mean {close!r}? {remedy}"
            raise DataError("this column is missing", where=f"predictions, column {column!r}", found=found, remedy=remedy)
    rows = len(frame)
    if "split" in frame:
        frame = frame[frame["split"] == "test"]
    if frame.empty:
        found, remedy = ("0 rows", "Write the predictions of every arm") if not rows else ("other splits only", "Mark test rows by 'test'")
        raise DataError("there are no test predictions", where="predictions", found=found, remedy=remedy)
    for column in REQUIRED_COLUMNS:
        gaps = frame[column].isna().to_numpy()
        if gaps.any():
            found = f"{int(gaps.sum())} gaps, the first at {_place(frame, int(gaps.argmax()), column)}"
            remedy = GAP_REMEDIES.get(column, "Fill it in every row")
            raise DataError("every row needs an entry", where=f"predictions, column {column!r}", found=found, remedy=remedy)
    return frame


def _place(frame: pd.DataFrame, row: int, besides: str) -> str:
    """Return what identifies a row: arm, seed, task and unit, but for the column that it is about."""
    return ", ".join(f"{name} {plain(frame[name].iloc[row])}" for name in ("arm", "seed", "task", "unit") if name != besides)


def _codes(column: pd.Series[Any]) -> tuple[Array, Array]:
    """Return the (n,) codes of a column, numbered in sorted order, and the label of each code."""
    codes, labels = pd.factorize(column.to_numpy(), sort=True)
    return codes, np.asarray(labels)


def _reject_duplicates(keys: Array, labels: tuple[Array, ...]) -> None:
    doubled = (np.diff(keys, axis=1) == 0).all(axis=0)
    if doubled.any():
        task, arm, seed, unit = (names[code] for names, code in zip(labels, keys[:, doubled.argmax()], strict=True))
        where = f"predictions, task {task!s}, arm {arm!s}, seed {seed!s}, unit {unit!s}"
        found, remedy = f"{int(doubled.sum())} duplicate rows", "Keep one of them, or give the units distinct names"
        raise DataError("expected one prediction per arm, seed, task and unit", where=where, found=found, remedy=remedy)


def _splits(keys: Array, seeds: int, resampled: bool) -> Array:
    """Return the (S,) split of every seed, numbered in the order of the seeds."""
    if not resampled:
        return np.zeros(seeds, dtype=np.int64)
    pairs, known = keys[0] * (int(keys[3].max()) + 1) + keys[3], dict[bytes, int]()
    splits = [known.setdefault(np.unique(pairs[keys[2] == seed]).tobytes(), len(known)) for seed in range(seeds)]
    if len(known) == 1 < seeds:
        what, remedy = (
            "all seeds have the same test units and cannot be cross-validation splits",
            "Leave out train_units, or give every row a distinct unit",
        )
        raise DataError(what, where="predictions, column 'unit'", found=f"{seeds} seeds", remedy=remedy)
    return np.array(splits)


def _reject_missing_units(task: str, keys: Array, labels: tuple[Array, Array, Array], resampled: bool) -> None:
    """Check that every arm predicted the same units with the same seeds.

    Raises:
        DataError: Predictions are missing; the message names the first arm, seed and unit without one.
    """
    units = np.unique(keys[2])
    present: Array = np.zeros((len(labels[0]), len(labels[1]), len(units)), dtype=bool)
    present[keys[0], keys[1], np.searchsorted(units, keys[2])] = True
    if present.all():
        return
    everything: Array = np.ones(present.shape[1:], dtype=bool)
    own: Array = np.asarray(present.any(axis=0))
    own[~own.any(axis=1)] = True  # a seed without any prediction for this task misses all of its units
    if not resampled and (present == own).all():
        found = f"{int(own.sum(axis=1).min())} to {int(own.sum(axis=1).max())} of {len(units)} units in a seed"
        remedy = "If seeds are splits of cross-validation, give train_units, the number of training units per split"
        raise DataError("test units differ from seed to seed", where=f"predictions, task {task}", found=found, remedy=remedy)
    wanted = own if resampled else everything
    if (present == wanted).all():
        return
    arm, seed, unit = np.argwhere(wanted & ~present)[0]
    place = f"predictions, task {task}, arm {labels[0][arm]!s}, seed {labels[1][seed]!s}"
    missing, wanted_units = int((wanted[seed] & ~present[arm, seed]).sum()), int(wanted[seed].sum())
    found = f"{missing} of {wanted_units} units missing, unit {labels[2][units[unit]]!s} first"
    remedy = "Add these predictions, or leave the units out for all arms"
    if missing == wanted_units:
        remedy = f"Add these predictions, or leave {'the task' if not present[arm].any() else 'the seed'} out for all arms"
    raise DataError("every arm must have the same seeds and the same test units", where=place, found=found, remedy=remedy)


def _reject_unknown_tasks(tasks: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> None:
    for option, values in options.items():
        if set(values) - set(tasks):
            unknown = min(set(values) - set(tasks))
            raise ConfigError(
                "there are no predictions for this task", where=f"{option}[{unknown!r}]", remedy=nearest(unknown, tuple(tasks))
            )


def _task(
    name: str,
    frame: pd.DataFrame,
    keys: tuple[Array, Array],
    arms: Sequence[str],
    kinds: Mapping[str, str | type[Task] | Task],
    classes: Mapping[str, Sequence[Any]],
) -> TaskPredictions:
    """Return the predictions for one task.

    Args:
        name: Name of the task.
        frame: Rows of the task, sorted by arm, seed and unit.
        keys: Codes of the splits and of the units of these rows.
        arms: Names of all arms, in the order of the rows.
        kinds: Kind of each task, or the task itself.
        classes: Classes of each task, in order.
    """
    kind = _kind(name, frame, kinds.get(name))
    targets, predictions = kind.read_predictions(name, frame, _classes(name, kind, classes.get(name)))
    _reject_disagreement(name, "target", targets, keys[1])
    columns = {"target": targets, "prediction": predictions, "unit": keys[1]}
    if "group" in frame:
        columns["group"] = _groups(name, frame, keys[1])
    if "probability" in frame:
        columns["probability"] = _probabilities(name, frame)
    return TaskPredictions(name, kind, tuple(_split(columns, keys[0] == code, arms) for code in range(int(keys[0].max()) + 1)))


def _split(columns: Mapping[str, Array], rows: Array, arms: Sequence[str]) -> SplitPredictions:
    shape = (len(arms), -1, len(np.unique(columns["unit"][rows])))
    of_arms = {column: values[rows].reshape(shape) for column, values in columns.items()}
    of_units = {column: values[0, 0] for column, values in of_arms.items()}
    given = of_arms.get("probability", [None] * len(arms))
    runs = {arm: Runs(*pair) for arm, pair in zip(arms, zip(of_arms["prediction"], given, strict=True), strict=True)}
    return SplitPredictions(of_units["target"], runs, of_units["unit"], of_units.get("group"))


def _kind(task: str, frame: pd.DataFrame, given: str | type[Task] | Task | None) -> type[Task] | Task:
    """Return the given kind, the kind in the table, or the kind inferred from targets and predictions, in this order of preference."""
    if isinstance(given, Task):
        return given
    if given is not None:
        chosen: type[Task] = resolve("task kind", given, where=f"task {task}").cls
        return chosen
    name = _kind_in(task, frame) or inferred_kind(task, frame)
    if name not in names("task kind"):
        raise ConfigError("unknown task kind", where=f"task {task}", found=name, remedy=nearest(name, names("task kind")))
    kind: type[Task] = load_class(find("task kind", name))
    return kind


def _kind_in(task: str, frame: pd.DataFrame) -> str | None:
    found = frame["kind"].unique().tolist() if "kind" in frame else [None]
    if len(found) > 1:
        where, remedy = f"predictions, task {task}, column 'kind'", "Write the same kind in all rows of the task"
        raise DataError("a task must be of one kind", where=where, found=", ".join(map(str, found)), remedy=remedy)
    return None if pd.isna(found[0]) else str(found[0])


def _classes(task: str, kind: type[Task] | Task, given: Sequence[Any] | None) -> Sequence[Any] | None:
    """Return the classes in order: those given, otherwise those of the task; `None` if neither is known."""
    if given is not None and kind.label_type is not LabelType.CLASS:
        raise ConfigError("this kind of task has no classes", where=f"classes[{task!r}]", found=kind.kind)
    return kind.classes_in_order() if given is None and isinstance(kind, Task) else given


def _reject_disagreement(task: str, column: str, values: Array, units: Array) -> None:
    _, first, codes = np.unique(units, return_index=True, return_inverse=True)
    differs = values != values[first][codes]
    if differs.any():
        found = f"{len(np.unique(units[differs]))} units with several values"
        what, where = "a test unit must have the same value for every arm and seed", f"predictions, task {task}, column {column!r}"
        raise DataError(what, where=where, found=found, remedy="Use one name for a unit in all arms and seeds, and its one true value")


def _groups(task: str, frame: pd.DataFrame, units: Array) -> Array:
    codes, _ = _codes(frame["group"])
    if (codes < 0).any():
        remedy = "Give every unit a group, a distinct one if it stands alone"
        raise DataError(
            "every row needs an entry", where="predictions, column 'group'", found=f"{int((codes < 0).sum())} gaps", remedy=remedy
        )
    _reject_disagreement(task, "group", codes, units)
    return codes


def _probabilities(task: str, frame: pd.DataFrame) -> Floats:
    """Return the (n,) probabilities given to the true label, or NaN for a task without any.

    A gap among the probabilities is an error; a task without any is checked later, if its metric needs them.
    """
    values = numbers_in(frame["probability"])
    if frame["probability"].notna().any() and not ((values >= 0) & (values <= 1)).all():
        found = frame["probability"].iloc[int((~((values >= 0) & (values <= 1))).argmax())]
        where, remedy = f"predictions, task {task}, column 'probability'", "Give the probability of the true label in every row of the task"
        raise DataError("a probability must lie between 0 and 1", where=where, found=found, remedy=remedy)
    return values
