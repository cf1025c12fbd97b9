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
from polytask.run_files import OpeningCount
from polytask.storage import make_folder
from polytask.studies.execution.jobs import Job, JobContext, fit_job_trees, load_job_facts, load_job_network
from polytask.studies.execution.parallel_backends import choose_backend
from polytask.studies.execution.run_jobs import run_calls
from polytask.studies.execution.shared_data import SharedSources, share_sources
from polytask.studies.results.result_tables import result_rows
from polytask.studies.setup.run_folder import read_parquet, write_dataframe
from polytask.tasks import Outcome, Task
from polytask.tasks.base import has_label
from polytask.training import PreparedSource, prepare_source
from polytask.training.hardware import torch_threads
from polytask.training.inference import compute_task_metrics, join_outcomes, task_outcome

PREDICTION_COLUMNS = ["arm", "seed", "task", "unit", "split", "target", "prediction", "probability", "group"]


@dataclass(frozen=True)
class FinishedJobs:
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
class HeldOutResults:
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
            write_dataframe(folder / f"{name}.parquet", getattr(self, name))

    @classmethod
    def read(cls, folder: Path) -> HeldOutResults | None:
        """What was kept, if it was."""
        if not (folder / "predictions.parquet").exists():
            return None
        return cls(read_parquet(folder / "predictions.parquet"), read_parquet(folder / "results.parquet"))

    @classmethod
    def joined(cls, parts: Sequence[HeldOutResults]) -> HeldOutResults:
        """Of several looks, each with seeds of its own."""
        return cls(*(pd.concat([getattr(part, name) for part in parts], ignore_index=True) for name in ("predictions", "results")))


def open_test_data(
    finished: FinishedJobs, load_test: Callable[[], tuple[Source, ...]], openings_file: Path, context: JobContext, workers: int
) -> HeldOutResults:
    """Load the test rows, and let every network predict them.

    Args:
        finished: Proof that nothing is left to choose.
        load_test: Loads the test sources.
        openings_file: The file in which openings are counted.
        context: What all jobs have in common: training sources, tasks, and the threads of each process, whose number can
            change the last bit of a prediction.
        workers: Processes side by side.

    Raises:
        DataError: A task has no labeled test row that its networks can predict.
    """
    OpeningCount(openings=count_openings(openings_file) + 1).write(openings_file)
    sources = load_test()
    _check_every_task_has_test_rows(sources, context)
    jobs = [replace(job, folder=job.folder.absolute()) for job in finished.jobs]
    place, bare = choose_backend(len(jobs), workers), replace(context, sources=())
    training = context.sources if any(job.arm.is_trees for job in jobs) else ()  # trees are grown again
    with share_sources([*training, *sources], openings_file.parent, place) as common:
        parts = run_calls(place, _evaluate_job, [(job, common, bare, len(training)) for job in jobs])
    predictions = pd.concat([part.predictions for part in parts], ignore_index=True)
    if all(source.groups is None for source in sources):
        predictions = predictions.drop(columns="group")
    return HeldOutResults(predictions, pd.concat([part.results for part in parts], ignore_index=True))


def count_openings(openings_file: Path) -> int:
    """How often the test data were opened."""
    return OpeningCount.read(openings_file).openings if openings_file.exists() else 0


def _check_every_task_has_test_rows(sources: Sequence[Source], context: JobContext) -> None:
    """Networks know the sources that label their tasks in training: of others they have no statistics."""
    for task in context.tasks:
        known = [source.name for source in context.sources if task.name in source.labels]
        labeled = [source.name for source in sources if task.name in source.labels and has_label(source.labels[task.name]).any()]
        if not set(known) & set(labeled):
            found = f"labels in {', '.join(map(repr, labeled))}" if labeled else "no label"
            remedy = f"Call the test source as in training: {', '.join(map(repr, known))}"
            raise DataError("no test row that its networks can predict", where=f"task {task.name!r}", found=found, remedy=remedy)


def _evaluate_job(job: Job, common: SharedSources, context: JobContext, training: int) -> HeldOutResults:
    """One network's predictions of the test rows, which come after so many training sources, and what they are worth."""
    common.check()
    sources = common.sources()
    with torch_threads(context.options.threads):
        rows, outcomes = _predict_job(job, sources[training:], replace(context, sources=sources[:training]))
    results = [result_rows(job, name, "test", metrics) for name, metrics in _task_metrics(outcomes).items()]
    return HeldOutResults(pd.concat(rows, ignore_index=True), pd.concat(results, ignore_index=True))


def _predict_job(job: Job, sources: Sequence[Source], context: JobContext) -> tuple[list[pd.DataFrame], list[tuple[Task, Outcome]]]:
    """Per source and task that it labels the predictions as rows of a table, and as an outcome."""
    rows, outcomes = [], []
    for source, prepared, task, outcome in (_tree_outcomes if job.arm.is_trees else _network_outcomes)(job, sources, context):
        mask = prepared.rows.labeled_rows(task.name)
        rows.append(_prediction_rows(job, task, outcome, *_unit_names(source, None if mask is None else mask.numpy())))
        outcomes.append((task, outcome))
    return rows, outcomes


def _network_outcomes(job: Job, sources: Sequence[Source], assigned: JobContext) -> Iterator[tuple[Source, PreparedSource, Task, Outcome]]:
    network, originals = load_job_network(job, assigned), {task.name: task for task in assigned.tasks}
    for source in sources:
        if source.name in network.normalizations:
            prepared = network.prepared(source)
            outputs = network.outputs(prepared)
            for task in network.tasks:
                if task.name in prepared.truths:
                    whole = task.completed(originals[task.name])
                    yield source, prepared, whole, task_outcome(whole, outputs[task.name], prepared)


def _tree_outcomes(job: Job, sources: Sequence[Source], context: JobContext) -> Iterator[tuple[Source, PreparedSource, Task, Outcome]]:
    grown = fit_job_trees(job, context, iterations=load_job_facts(job)["iterations"])
    task = grown.trees.task
    for source in sources:
        if source.name in grown.normalizations and task.name in source.labels:
            prepared = prepare_source(source, [task], grown.normalizations[source.name])
            yield source, prepared, task, grown.trees.outcome(prepared)


def _task_metrics(outcomes: Sequence[tuple[Task, Outcome]]) -> dict[str, dict[str, float]]:
    """Per task every metric that it names, over all sources that label it."""
    tasks = {task.name: task for task, _ in outcomes}
    joined = {name: join_outcomes([outcome for task, outcome in outcomes if task.name == name]) for name in tasks}
    return compute_task_metrics(list(tasks.values()), joined)


def _prediction_rows(job: Job, task: Task, outcome: Outcome, units: list[str], groups: list[str]) -> pd.DataFrame:
    """Predictions as rows: labels as text, since one column holds those of all tasks."""
    frame = pd.DataFrame(
        {
            "unit": units,
            "target": _labels_as_text(task.decode(outcome.targets)),
            "prediction": _labels_as_text(task.decode(outcome.predictions)),
            "probability": _true_label_probability(outcome),
            "group": groups,
        }
    )
    return frame.assign(arm=job.arm.name, seed=job.seed, task=task.name, split="test")[PREDICTION_COLUMNS]


def _true_label_probability(outcome: Outcome) -> NDArray[np.float64]:
    """(N,) the probability given to the true label; NaN for kinds that have none."""
    if outcome.probabilities is None or outcome.targets.dtype.kind not in "iu":  # a set of labels is no column of them
        return np.full(len(outcome.targets), np.nan)
    return np.asarray(outcome.probabilities[np.arange(len(outcome.targets)), outcome.targets], dtype=np.float64)


def _unit_names(source: Source, mask: NDArray[np.bool_] | None) -> tuple[list[str], list[str]]:
    """What the labeled rows are called, source/unit, which is unique over all sources; and what belongs together: by default nothing."""
    rows = np.arange(len(source)) if mask is None else np.flatnonzero(mask)
    units = [f"{source.name}/{unit}" for unit in source.units[rows].tolist()]
    return units, units if source.groups is None else [str(group) for group in np.asarray(source.groups)[rows].tolist()]


def _labels_as_text(labels: NDArray[Any]) -> list[str]:
    """Labels as text; numbers so that reading them gives the same number."""
    return [str(label) for label in labels.tolist()]
