"""Choice among models of a table by their predictions of rows that they have not learned from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data import Source, TablePreprocessor
from polytask.data.splitting.stratified_split import k_fold_split
from polytask.errors import ConfigError, DataError
from polytask.registry.suggestion import nearest
from polytask.table_arms.blend import TaskBlend, blend_task
from polytask.table_arms.light_trees import LightTreesArm, has_lightgbm
from polytask.table_arms.linear_arms import LinearArm, SharedLinearArm
from polytask.table_arms.network_arm import NetworkArm, codes_as_floats
from polytask.table_arms.proper_scores import trivial_outputs
from polytask.table_arms.shared_trees import SharedTreesArm, has_scikit_learn
from polytask.table_arms.table_model_base import Floats, TableArm, TableRows, supported
from polytask.table_arms.trivial_arm import TrivialArm
from polytask.tasks import Outcome, Predictions, Task

ARMS = ("trivial", "linear", "trees@shared", "trees", "linear@shared", "network", "network@apart")
"""Arms of `model="auto"`, in the order in which they are tried; `network@apart` is one network per target."""
CLASSICAL: Mapping[str, type[TableArm]] = {arm.name: arm for arm in (TrivialArm, LinearArm, SharedLinearArm, LightTreesArm, SharedTreesArm)}
MANY_FOLDS, FEW_FOLDS, MANY_ROWS = 5, 3, 5_000
Member = TableArm | NetworkArm


@dataclass
class ChosenModel:
    """Models of a table's targets, one per arm and fold, and the weights of their predictions.

    Each member has learned from the rows outside one fold; an arm predicts the mean of its members, so that no row is left out.

    Attributes:
        tasks: Tasks, all of which the model predicts.
        members: Members of each arm that some task uses.
        blends: Choice of each task.
        decisions: What was decided by the clock or by scores; given again, it repeats the run without a clock.
        notes: What a user should know about the choice, one line each.
        outcomes: Targets and predictions of each task for rows that the members have not learned from; empty in a model that was loaded.
    """

    tasks: tuple[Task, ...]
    members: dict[str, list[Member]]
    blends: dict[str, TaskBlend]
    decisions: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)

    def predict(self, inputs: NDArray[np.float32], coding: TablePreprocessor) -> dict[str, Predictions]:
        """Return the predictions of each task for encoded inputs (N, F)."""
        source = Source("table", inputs, {}, preprocessor=coding)
        raw = {arm: _mean_outputs([_outputs(member, source) for member in members]) for arm, members in self.members.items()}
        return {task.name: _mixed(task, self.blends[task.name], raw) for task in self.tasks}

    def table(self) -> pd.DataFrame:
        """Return one row per task: its arms with their weights, and out-of-fold losses in units of that of a trivial model.

        `gain` is the difference to the second-best arm alone in the same units, with its standard error over rows.
        """
        rows = []
        for task, own in self.blends.items():
            chosen = " + ".join(f"{weight:.2f} {arm}" if len(own.weights) > 1 else arm for arm, weight in own.weights.items())
            unit = own.trivial or 1.0
            alone = {arm: loss / unit for arm, loss in own.losses.items()}
            rows.append(
                {"target": task, "chosen": chosen, "loss": own.loss / unit, "gain": own.gain / unit, "error": own.error / unit, **alone}
            )
        return pd.DataFrame(rows)


def choose_model(
    source: Source,
    tasks: Sequence[Task],
    *,
    seed: int,
    arms: Sequence[str] = ARMS,
    time_limit: float | None = None,
    decisions: Mapping[str, Any] | None = None,
) -> ChosenModel:
    """Fit arms on folds of a table, and choose and blend them for each task by the rows that they have not learned from.

    An arm is given up after its first fold if all of its folds would end after the time limit; the linear models are never given up.

    Args:
        source: Table with its preprocessor, labels, weights and groups; groups stay together in all splits.
        tasks: Tasks with classes, numbers or counts.
        seed: Seed of all random numbers.
        arms: Names of the arms to try, from the cheapest.
        time_limit: Seconds; `None` tries all arms.
        decisions: Those of an earlier run on the same rows, which is then repeated whatever the clock says.

    Raises:
        ConfigError: An arm does not exist, no arm is left, or a task is of a kind that only networks learn.
    """
    started = time.monotonic()
    learnings = {task.name: learning_of(task) for task in tasks}
    tried, notes = _available(arms)
    if decisions is not None:
        tried, time_limit = tuple(decisions["arms"]), None
    fitted = tuple(task.fitted(source.labels[task.name]) for task in tasks)
    targets = {task.name: codes_as_floats(task, source.labels[task.name]) for task in fitted}
    rows = table_rows(source, targets)
    splits = list(_splits(source, seed))
    fold_of = np.zeros(len(source), dtype=np.int64)
    for fold, (_, test) in enumerate(splits):
        fold_of[test] = fold
    members: dict[str, list[Member]] = {}
    outputs: dict[str, dict[str, Floats]] = {}
    for arm in tried:
        found = _fit_folds(
            arm, source, rows, fitted, splits, seed, None if time_limit is None or len(members) < 2 else started + time_limit
        )
        if found is None:
            notes.append(f"{arm} was given up: all of its folds would have ended after the time limit of {time_limit:g} s")
            continue
        members[arm], outputs[arm] = found
    blends, outcomes = {}, {}
    for task in fitted:
        place, y, w = rows.labeled(task.name)
        learning = learnings[task.name]
        own = {arm: found[task.name][place] for arm, found in outputs.items()}
        blends[task.name] = blend_task(learning, y, fold_of[place], own, trivial_outputs(learning, y, w, len(y)), w)
        predictions = _mixed(task, blends[task.name], {arm: {task.name: raw} for arm, raw in own.items()})
        outcomes[task.name] = Outcome(task.metric_targets(source.labels[task.name][place]), *predictions)
    used = {arm for own in blends.values() for arm in own.weights}
    stored = {"arms": list(members), "weights": {name: dict(own.weights) for name, own in blends.items()}}
    return ChosenModel(fitted, {arm: own for arm, own in members.items() if arm in used}, blends, stored, tuple(notes), outcomes)


def _mixed(task: Task, blend: TaskBlend, raw: Mapping[str, Mapping[str, Floats]]) -> Predictions:
    """Return the predictions of a task from the raw outputs of arms."""
    mixed: Any = sum(weight * raw[arm][task.name] for arm, weight in blend.weights.items())
    return learning_of(task).predictions(mixed)  # type: ignore[no-any-return]


def table_rows(source: Source, targets: Mapping[str, Floats]) -> TableRows:
    """Return the rows of a source for arms without networks."""
    spec: Mapping[str, Any] = {} if source.preprocessor is None else source.preprocessor.input_spec()
    cardinalities = np.asarray(spec.get("cardinalities", np.zeros(source.inputs.shape[1])), dtype=np.int64)
    weights = {name: np.asarray(own, dtype=np.float64) for name, own in (source.weights or {}).items()}
    return TableRows(np.asarray(source.inputs), cardinalities, targets, weights, source.groups)


def learning_of(task: Task) -> Any:  # noqa: ANN401 - a TabularLearning
    """Return how a task is learned from a table.

    Raises:
        ConfigError: Only networks learn its kind.
    """
    learning = task.tabular_learning()
    if not supported(learning):
        remedy = "Use model='network' for it, or leave the target out"
        raise ConfigError(
            "the choice of a model takes classes, numbers and counts", where=f"task {task.name!r}", found=task.kind, remedy=remedy
        )
    return learning


def _available(arms: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the arms whose packages are installed, and notes on the others."""
    for arm in arms:
        if arm not in ARMS:
            raise ConfigError("unknown model", where="model", found=repr(arm), remedy=nearest(arm, ("auto", *ARMS)))
    absent = {"trees": ("LightGBM", "trees")} if not has_lightgbm() else {}
    absent |= {"trees@shared": ("scikit-learn", "sklearn")} if not has_scikit_learn() else {}
    left = tuple(arm for arm in arms if arm not in absent)
    notes = [
        f"{arm} is left out: {absent[arm][0]} is not installed (pip install 'polytask[{absent[arm][1]}]')" for arm in arms if arm in absent
    ]
    if not left:
        raise ConfigError("no model is left", where="model", found=", ".join(arms), remedy=notes[0])
    return left, notes


def _splits(source: Source, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the folds; fewer if there are not so many rows or groups."""
    most = MANY_FOLDS if len(source) < MANY_ROWS else FEW_FOLDS
    for folds in range(most, 1, -1):
        with suppress(DataError):
            return k_fold_split(source, folds, seed)
    raise DataError("too few rows or groups to choose a model", where="table", found=len(source), remedy="Use model='network'")


def _fit_folds(
    arm: str,
    source: Source,
    rows: TableRows,
    tasks: Sequence[Task],
    splits: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    seed: int,
    end: float | None,
) -> tuple[list[Member], dict[str, Floats]] | None:
    """Fit an arm on each fold; return its members and its predictions out of fold, or `None` if it would end too late."""
    begun, members, found = time.monotonic(), [], dict[str, Floats]()
    for fold, (train, test) in enumerate(splits):
        member = _fit_member(arm, source, rows, tasks, train, seed + fold)
        for name, raw in _outputs(member, replace(source, labels={}, weights=None).take(test)).items():
            found.setdefault(name, np.zeros((len(source), *raw.shape[1:])))[test] = raw
        members.append(member)
        each = (time.monotonic() - begun) / (fold + 1)
        if end is not None and fold + 1 < len(splits) and time.monotonic() + each * (len(splits) - fold - 1) > end:
            return None
    return members, found


def _fit_member(arm: str, source: Source, rows: TableRows, tasks: Sequence[Task], train: NDArray[np.int64], seed: int) -> Member:
    if arm in CLASSICAL:
        model = CLASSICAL[arm]({task.name: learning_of(task) for task in tasks})
        model.fit(rows.take(train), seed)
        return model
    network = NetworkArm(apart=arm.endswith("@apart"))
    network.fit(source.take(train), tasks, seed)
    return network


def _outputs(member: Member, source: Source) -> dict[str, Floats]:
    return member.outputs(source) if isinstance(member, NetworkArm) else member.outputs(np.asarray(source.inputs))


def _mean_outputs(parts: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    return {name: np.asarray(sum(part[name] for part in parts) / len(parts)) for name in parts[0]}
