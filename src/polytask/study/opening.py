"""The door to the test data. It opens once all networks are trained, and every opening is written down first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data import Source
from polytask.errors import DataError, StorageError
from polytask.storage import make_folder, read_json, write_json
from polytask.study.backends import place_for
from polytask.study.folder import read_table, write_table
from polytask.study.jobs import Assignment, Job, facts_of, grown_for, result_of
from polytask.study.running import run
from polytask.study.shared import Shared, shared
from polytask.study.tables import result_rows
from polytask.tasks import Outcome, Task
from polytask.tasks.task import present
from polytask.training import PreparedSource, prepare_source
from polytask.training.machine import threads
from polytask.training.predicting import join_outcomes, measured, outcome_of

PREDICTION_COLUMNS = ["arm", "seed", "task", "unit", "split", "target", "prediction", "probability", "group"]


@dataclass(frozen=True)
class Finished:
    """Proof that every network of a study is trained: without one the test data cannot be asked for.

    Attributes:
        jobs: All of them.
    """

    jobs: tuple[Job, ...]

    def __post_init__(self) -> None:
        for job in self.jobs:
            if not job.finished:
                raise StorageError("test data stay closed until every network is trained", where=job.label, found="no trained network")


@dataclass(frozen=True)
class Tested:
    """What came of the test data.

    Attributes:
        predictions: A frame: arm, seed, task, unit, split, target, prediction, probability (given to the true label).
        results: A frame: arm, seed, task, split, metric, value.
    """

    predictions: pd.DataFrame
    results: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Keep it: the predictions last, so that where they are, all is."""
        make_folder(folder)
        for name in ("results", "predictions"):
            write_table(folder / f"{name}.parquet", getattr(self, name))

    @classmethod
    def read(cls, folder: Path) -> Tested | None:
        """What was kept, if it was."""
        if not (folder / "predictions.parquet").exists():
            return None
        return cls(read_table(folder / "predictions.parquet"), read_table(folder / "results.parquet"))

    @classmethod
    def joined(cls, parts: Sequence[Tested]) -> Tested:
        """Of several looks, each with seeds of its own."""
        return cls(*(pd.concat([getattr(part, name) for part in parts], ignore_index=True) for name in ("predictions", "results")))


def open_test(finished: Finished, door: Callable[[], tuple[Source, ...]], ledger: Path, assigned: Assignment, workers: int) -> Tested:
    """Load the test rows, and let every network predict them.

    Args:
        finished: Proof that nothing is left to choose.
        door: Loads the test sources.
        ledger: The file in which openings are counted.
        assigned: What all jobs have in common: training sources, tasks, and the threads of each process, whose number can
            change the last bit of a prediction.
        workers: Processes side by side.

    Raises:
        DataError: A task has no labelled test row that its networks can predict.
    """
    write_json(ledger, {"openings": openings(ledger) + 1})
    sources = door()
    _check_every_task_has_test_rows(sources, assigned)
    jobs = [replace(job, folder=job.folder.absolute()) for job in finished.jobs]
    place, bare = place_for(len(jobs), workers), replace(assigned, sources=())
    training = assigned.sources if any(job.arm.trees for job in jobs) else ()  # trees are grown again
    with shared([*training, *sources], ledger.parent, place) as common:
        parts = run(place, _test, [(job, common, bare, len(training)) for job in jobs])
    predictions = pd.concat([part.predictions for part in parts], ignore_index=True)
    if all(source.groups is None for source in sources):
        predictions = predictions.drop(columns="group")
    return Tested(predictions, pd.concat([part.results for part in parts], ignore_index=True))


def openings(ledger: Path) -> int:
    """How often the test data were opened."""
    return int(read_json(ledger)["openings"]) if ledger.exists() else 0


def _check_every_task_has_test_rows(sources: Sequence[Source], assigned: Assignment) -> None:
    """Networks know the sources that label their tasks in training: of others they have no statistics."""
    for task in assigned.tasks:
        known = [source.name for source in assigned.sources if task.name in source.labels]
        labelled = [source.name for source in sources if task.name in source.labels and present(source.labels[task.name]).any()]
        if not set(known) & set(labelled):
            found = f"labels in {', '.join(map(repr, labelled))}" if labelled else "no label"
            remedy = f"Call the test source as in training: {', '.join(map(repr, known))}"
            raise DataError("no test row that its networks can predict", where=f"task {task.name!r}", found=found, remedy=remedy)


def _test(job: Job, common: Shared, assigned: Assignment, training: int) -> Tested:
    """One network's predictions of the test rows, which come after so many training sources, and what they are worth."""
    common.check()
    sources = common.sources()
    with threads(assigned.options.threads):
        rows, outcomes = _predicted(job, sources[training:], replace(assigned, sources=sources[:training]))
    results = [result_rows(job, name, "test", metrics) for name, metrics in _metrics(outcomes).items()]
    return Tested(pd.concat(rows, ignore_index=True), pd.concat(results, ignore_index=True))


def _predicted(job: Job, sources: Sequence[Source], assigned: Assignment) -> tuple[list[pd.DataFrame], list[tuple[Task, Outcome]]]:
    """Per source and task that it labels the predictions as rows of a table, and as an outcome."""
    rows, outcomes = [], []
    for source, prepared, task, outcome in (_of_trees if job.arm.trees else _of_network)(job, sources, assigned):
        mask = prepared.rows.rows_with_label(task.name)
        rows.append(_rows(job, task, outcome, *_units(source, None if mask is None else mask.numpy())))
        outcomes.append((task, outcome))
    return rows, outcomes


def _of_network(job: Job, sources: Sequence[Source], assigned: Assignment) -> Iterator[tuple[Source, PreparedSource, Task, Outcome]]:
    network, originals = result_of(job, assigned), {task.name: task for task in assigned.tasks}
    for source in sources:
        if source.name in network.normalisations:
            prepared = network.prepared(source)
            outputs = network.outputs(prepared)
            for task in network.tasks:
                if task.name in prepared.truths:
                    whole = task.completed(originals[task.name])
                    yield source, prepared, whole, outcome_of(whole, outputs[task.name], prepared)


def _of_trees(job: Job, sources: Sequence[Source], assigned: Assignment) -> Iterator[tuple[Source, PreparedSource, Task, Outcome]]:
    grown = grown_for(job, assigned, iterations=facts_of(job)["iterations"])
    task = grown.trees.task
    for source in sources:
        if source.name in grown.normalisations and task.name in source.labels:
            prepared = prepare_source(source, [task], grown.normalisations[source.name])
            yield source, prepared, task, grown.trees.outcome(prepared)


def _metrics(outcomes: Sequence[tuple[Task, Outcome]]) -> dict[str, dict[str, float]]:
    """Per task every metric that it names, over all sources that label it."""
    tasks = {task.name: task for task, _ in outcomes}
    joined = {name: join_outcomes([outcome for task, outcome in outcomes if task.name == name]) for name in tasks}
    return measured(list(tasks.values()), joined)


def _rows(job: Job, task: Task, outcome: Outcome, units: list[str], groups: list[str]) -> pd.DataFrame:
    """Predictions as rows: labels as text, since one column holds those of all tasks."""
    frame = pd.DataFrame(
        {
            "unit": units,
            "target": _text(task.decode(outcome.targets)),
            "prediction": _text(task.decode(outcome.predictions)),
            "probability": _of_true_label(outcome),
            "group": groups,
        }
    )
    return frame.assign(arm=job.arm.name, seed=job.seed, task=task.name, split="test")[PREDICTION_COLUMNS]


def _of_true_label(outcome: Outcome) -> NDArray[np.float64]:
    """(N,) the probability given to the true label; NaN for kinds that have none."""
    if outcome.probabilities is None or outcome.targets.dtype.kind not in "iu":  # a set of labels is no column of them
        return np.full(len(outcome.targets), np.nan)
    return np.asarray(outcome.probabilities[np.arange(len(outcome.targets)), outcome.targets], dtype=np.float64)


def _units(source: Source, mask: NDArray[np.bool_] | None) -> tuple[list[str], list[str]]:
    """What the labelled rows are called, source/unit, which is unique over all sources; and what belongs together: by default nothing."""
    rows = np.arange(len(source)) if mask is None else np.flatnonzero(mask)
    units = [f"{source.name}/{unit}" for unit in source.units[rows].tolist()]
    return units, units if source.groups is None else [str(group) for group in np.asarray(source.groups)[rows].tolist()]


def _text(labels: NDArray[Any]) -> list[str]:
    """Labels as text; numbers so that reading them gives the same number."""
    return [str(label) for label in labels.tolist()]
