"""Opening of the test data, which requires that all networks are trained. Every opening is recorded before the data are read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data import Source
from polytask.data.row_overlap import MOSTLY_DIFFERENT, check_not_only_copies, count_common_rows
from polytask.errors import DataError, StorageError
from polytask.run_files import OpeningCount
from polytask.storage import load_state, make_folder
from polytask.studies.execution.function_fit import labeled_outcome, possible_metrics, rows_digest, stored_predictions
from polytask.studies.execution.job_training import Job, JobContext, fit_job_baseline, load_job_network
from polytask.studies.execution.parallel_backends import choose_backend
from polytask.studies.execution.run_jobs import run_calls
from polytask.studies.execution.shared_data import SharedSources, share_sources
from polytask.studies.results.result_tables import result_rows, trivial_rows
from polytask.studies.setup.run_folder import read_parquet, write_dataframe
from polytask.studies.tables.table_arm_fit import table_outcomes
from polytask.tasks import Outcome, Task
from polytask.tasks.base import has_label, task_from_dict
from polytask.training import PreparedSource, prepare_source
from polytask.training.hardware import torch_threads
from polytask.training.inference import join_outcomes, task_outcome
from polytask.training.preparation.known_sources import known_sources

_LOG = logging.getLogger("polytask")
SourceOutcome = tuple[Source, NDArray[np.bool_] | None, Task, Outcome]
"""Test source, mask of its labeled rows (`None` if all are), fitted task, and outcome."""
PREDICTION_COLUMNS = ["arm", "seed", "task", "unit", "split", "target", "prediction", "probability", "group"]


@dataclass(frozen=True)
class FinishedJobs:
    """Proof that every network of a study is trained, which is required to open the test data.

    Attributes:
        jobs: All jobs of the study.

    Raises:
        StorageError: A job has no trained network.
    """

    jobs: tuple[Job, ...]

    def __post_init__(self) -> None:
        for job in self.jobs:
            if not job.finished:
                raise StorageError("test data stay closed until every network is trained", where=job.label, found="no trained network")


@dataclass(frozen=True)
class HeldOutResults:
    """Predictions and metrics on the test data.

    Attributes:
        predictions: Frame with the columns arm, seed, task, unit, split, target, prediction, probability (given to the true label), and
            group if a source has groups.
        results: Frame with the columns arm, seed, task, split, metric, value.
    """

    predictions: pd.DataFrame
    results: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write both frames to a folder; the predictions come last, so that their file implies that all is written."""
        make_folder(folder)
        for name in ("results", "predictions"):
            write_dataframe(folder / f"{name}.parquet", getattr(self, name))

    @classmethod
    def read(cls, folder: Path) -> HeldOutResults | None:
        """Read both frames from a folder; `None` if they were not written completely."""
        if not (folder / "predictions.parquet").exists():
            return None
        return cls(read_parquet(folder / "predictions.parquet"), read_parquet(folder / "results.parquet"))

    @classmethod
    def joined(cls, parts: Sequence[HeldOutResults]) -> HeldOutResults:
        """Concatenate the results of several looks, which have different seeds."""
        return cls(*(pd.concat([getattr(part, name) for part in parts], ignore_index=True) for name in ("predictions", "results")))


@dataclass(frozen=True)
class TestRows:
    """Test rows of some seeds, which are not loaded yet.

    Attributes:
        seeds: The seeds.
        load: Function that loads the test sources.
        context: Data and options shared by the jobs of these seeds. They include the number of threads per process, which can change the
            last bit of a prediction.
    """

    seeds: tuple[int, ...]
    load: Callable[[], tuple[Source, ...]]
    context: JobContext


def open_test_data(finished: FinishedJobs, rows: Iterable[TestRows], openings_file: Path, workers: int) -> HeldOutResults:
    """Load the test rows, and predict them with every network.

    Args:
        finished: Proof that every network is trained.
        rows: Test rows: one entry for all seeds, or one per split of a cross-validation.
        openings_file: File in which openings are counted; all entries together are one opening.
        workers: Number of parallel processes.

    Raises:
        DataError: A task has no labeled test row that its networks can predict, test rows have another shape than training rows, or all
            of them are training rows.
    """
    OpeningCount(openings=count_openings(openings_file) + 1).write(openings_file)
    return HeldOutResults.joined(
        [
            _test_networks([job for job in finished.jobs if job.seed in own.seeds], own.load(), openings_file.parent, own.context, workers)
            for own in rows
        ]
    )


def _test_networks(found: Sequence[Job], sources: tuple[Source, ...], folder: Path, context: JobContext, workers: int) -> HeldOutResults:
    """Predict test rows with the networks of their seeds."""
    sources = known_sources(sources, context.tasks)
    check_every_task_has_test_rows(sources, context)
    check_shapes(sources, context)
    check_common_rows(sources, context)
    jobs = [replace(job, folder=job.folder.absolute()) for job in found]
    place, bare = choose_backend(len(jobs), workers), context.without_sources()
    training = context.sources if any(job.arm.baseline for job in jobs) else ()  # baselines are not stored, but fitted again
    with share_sources([*training, *sources], folder, place) as common:
        parts = run_calls(place, _evaluate_job, [(job, common, bare, len(training)) for job in jobs])
    predictions = pd.concat([part.predictions for part in parts], ignore_index=True)
    if all(source.groups is None for source in sources):
        predictions = predictions.drop(columns="group")
    trivial = trivial_rows(context.tasks, context.sources, sources, jobs[0].seed)
    return HeldOutResults(predictions, pd.concat([*(part.results for part in parts), trivial], ignore_index=True))


def count_openings(openings_file: Path) -> int:
    """Return the number of times that the test data were opened."""
    return OpeningCount.read(openings_file).openings if openings_file.exists() else 0


def check_every_task_has_test_rows(sources: Sequence[Source], context: JobContext) -> None:
    """Check that every task has test labels in a source that labels it in training too.

    Networks have no normalization statistics for other sources.

    Raises:
        DataError: A task has no such labels.
    """
    for task in context.tasks:
        known = [source.name for source in context.sources if task.name in source.labels]
        labeled = [source.name for source in sources if task.name in source.labels and has_label(source.labels[task.name]).any()]
        if not set(known) & set(labeled):
            found = f"labels in {', '.join(map(repr, labeled))}" if labeled else "no label"
            remedy = f"Give the test source the same name as in training: {', '.join(map(repr, known))}"
            raise DataError("no test row that its networks can predict", where=f"task {task.name!r}", found=found, remedy=remedy)


def check_shapes(sources: Sequence[Source], context: JobContext) -> None:
    """Check that images and vectors of test rows are like those of training; sequences and texts may have another length.

    Raises:
        DataError: Rows of a source have another shape.
    """
    known = {
        source.name: source.input_shape
        for source in context.sources
        if not (source.preprocessor or source.has_entries or source.has_tokens)
    }
    for source in sources:
        expected = known.get(source.name, source.input_shape)
        if source.input_shape != expected:
            what, found = "test rows must have the shape of training rows", f"{source.input_shape}, and {expected} in training"
            raise DataError(what, where=f"test source {source.name!r}", found=found)


def check_common_rows(sources: Sequence[Source], context: JobContext) -> None:
    """Say how many test rows the training rows contain, inputs and labels.

    Where rows repeat themselves anyway, as combinations of a few categories do, common rows say nothing.

    Raises:
        DataError: The training rows of a source contain all of them, although hardly any stands twice in it: the verdict would be about
            rows that networks have learned by heart.
    """
    training = {source.name: source for source in context.sources}
    for source in sources:
        if source.name not in training:
            continue
        common, different = count_common_rows(training[source.name], source)
        if not common or different < MOSTLY_DIFFERENT * len(training[source.name]):
            continue
        check_not_only_copies(common, len(source), different, len(training[source.name]), f"source {source.name!r}")
        _LOG.warning("source %r: %d of %d test rows are training rows too, with the same labels", source.name, common, len(source))


def _evaluate_job(job: Job, common: SharedSources, context: JobContext, training: int) -> HeldOutResults:
    """Predict the test rows with one network and compute its metrics.

    Args:
        job: Job of a trained network.
        common: Training sources, followed by the test sources.
        context: Data and options shared by all jobs, without sources.
        training: Number of training sources in `common`.
    """
    common.check()
    sources = common.sources()
    with torch_threads(context.options.threads):
        rows, outcomes = _predict_job(job, sources[training:], replace(context, sources=sources[:training]))
    results = [result_rows(job, name, "test", metrics) for name, metrics in _task_metrics(outcomes).items()]
    return HeldOutResults(pd.concat(rows, ignore_index=True), pd.concat(results, ignore_index=True))


def _predict_job(job: Job, sources: Sequence[Source], context: JobContext) -> tuple[list[pd.DataFrame], list[tuple[Task, Outcome]]]:
    """Return predictions per source and task that the source labels, as rows of a table and as outcomes."""
    rows, outcomes = [], []
    for source, mask, task, outcome in _outcomes_of(job, sources, context):
        rows.append(_prediction_rows(job, task, outcome, *_unit_names(source, mask)))
        outcomes.append((task, outcome))
    return rows, outcomes


def _outcomes_of(job: Job, sources: Sequence[Source], context: JobContext) -> Iterator[SourceOutcome]:
    if job.arm.baseline:
        return _baseline_outcomes(job, sources, context)
    if job.arm.table:
        return table_outcomes(job.result, sources, context.tasks)
    return (_network_outcomes if context.function is None else _function_outcomes)(job, sources, context)


def _network_outcomes(job: Job, sources: Sequence[Source], assigned: JobContext) -> Iterator[SourceOutcome]:
    network, originals = load_job_network(job, assigned), {task.name: task for task in assigned.tasks}
    for source in sources:
        if source.name in network.normalizations:
            prepared = network.prepared(source)
            outputs = network.outputs(prepared)
            for task in network.tasks:
                if task.name in prepared.truths:
                    whole = task.completed(originals[task.name])
                    yield source, _mask(prepared, task), whole, task_outcome(whole, outputs[task.name], prepared)


def _mask(prepared: PreparedSource, task: Task) -> NDArray[np.bool_] | None:
    mask = prepared.rows.labeled_rows(task.name)
    return None if mask is None else mask.numpy()


def _baseline_outcomes(job: Job, sources: Sequence[Source], context: JobContext) -> Iterator[SourceOutcome]:
    fit = fit_job_baseline(job, context)
    for source in sources:
        if source.name in fit.normalizations and fit.task.name in source.labels:
            prepared = prepare_source(source, [fit.task], fit.normalizations[source.name])
            yield source, _mask(prepared, fit.task), fit.task, fit.outcome(prepared)


def _function_outcomes(job: Job, sources: Sequence[Source], context: JobContext) -> Iterator[SourceOutcome]:
    """Yield the predictions of a training function, which were stored before the test labels are read here.

    Raises:
        DataError: The test rows are not those that were predicted.
    """
    state, originals = load_state(job.result), {task.name: task for task in context.tasks}
    classes = {type(task) for task in context.tasks}
    tasks = [task_from_dict(content, classes) for content in state["tasks"]]
    for source in sources:
        own = [task.completed(originals[task.name]) for task in tasks if task.name in source.labels]
        predicted = [(task, found) for task in own if (found := stored_predictions(state, task.name, source.name)) is not None]
        if predicted and state["facts"]["test_rows"][source.name] != rows_digest(source):
            remedy = "Restore the test rows, or run a new study"
            what = "the test rows are not those that the training function has predicted"
            raise DataError(what, where=f"{job.label}, source {source.name!r}", remedy=remedy)
        for task, found in predicted:
            labels = source.labels[task.name]
            mask = task.labeled_rows(labels)
            yield source, mask, task, labeled_outcome(found, task.metric_targets(labels[mask]), mask)


def _task_metrics(outcomes: Sequence[tuple[Task, Outcome]]) -> dict[str, dict[str, float]]:
    """Compute the metrics of every task, as far as its predictions allow, over all sources that label it."""
    tasks = {task.name: task for task, _ in outcomes}
    joined = {name: join_outcomes([outcome for task, outcome in outcomes if task.name == name]) for name in tasks}
    return {name: possible_metrics(task, joined[name]) for name, task in tasks.items()}


def _prediction_rows(job: Job, task: Task, outcome: Outcome, units: list[str], groups: list[str]) -> pd.DataFrame:
    """Return predictions as rows of a table; labels are texts, because one column holds those of all tasks."""
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
    """Return the (N,) probabilities given to the true label, or NaN for kinds of tasks without one."""
    if outcome.probabilities is None or outcome.targets.dtype.kind not in "iu":  # no class codes, e.g. sets of labels
        return np.full(len(outcome.targets), np.nan)
    return np.asarray(outcome.probabilities[np.arange(len(outcome.targets)), outcome.targets], dtype=np.float64)


def _unit_names(source: Source, mask: NDArray[np.bool_] | None) -> tuple[list[str], list[str]]:
    """Return the unit names of the labeled rows, `source/unit`, which are unique over all sources, and their groups.

    Without groups every unit is a group.
    """
    rows = np.arange(len(source)) if mask is None else np.flatnonzero(mask)
    units = [f"{source.name}/{unit}" for unit in source.units[rows].tolist()]
    return units, units if source.groups is None else [str(group) for group in np.asarray(source.groups)[rows].tolist()]


def _labels_as_text(labels: NDArray[Any]) -> list[str]:
    """Return labels as texts; numbers are written such that reading them gives the same number."""
    return [str(label) for label in labels.tolist()]
