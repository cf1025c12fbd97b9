"""Fits of trees, linear models and blends to the rows of a study: the training and validation rows of a network with the same seed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.data import Source, TablePreprocessor
from polytask.errors import DataError
from polytask.options import TrainingOptions
from polytask.seeds import derive_seed
from polytask.studies.execution.baseline_fit import openmp_threads
from polytask.studies.spec.arms_of_tables import BLENDED, TABLE_ARMS
from polytask.studies.stored_facts import store_measured
from polytask.table_arms.blend import TaskBlend
from polytask.table_arms.model_choice import CLASSICAL, ChosenModel, choose_model, learning_of, table_rows
from polytask.table_arms.proper_scores import mean_loss, trivial_outputs
from polytask.table_arms.saved_choice import load_choice, save_choice
from polytask.table_arms.table_model_base import TableRows
from polytask.tasks import LabelType, Outcome, Task
from polytask.training import PreparedSource, prepare_data
from polytask.training.hardware import PeakMemory
from polytask.training.inference import RelativeMetrics, compute_task_metrics
from polytask.training.preparation.label_share import LabelShare
from polytask.training.preparation.prepared_data import PreparedData

LARGEST_SEED = 2**32


def fit_table_arm(arm: str, tasks: Sequence[Task], sources: Sequence[Source], folder: Path, *, options: TrainingOptions, seed: int) -> None:
    """Fit an arm of a table, and store it with its facts in the form of a model that `polytask.load` reads.

    Settings and numbers of rounds are those with the best proper score on the validation rows of the seed; the model learns from the
    training rows alone, as networks do. A blend chooses its weights on folds of the training rows.

    Args:
        arm: Name of the arm.
        tasks: Tasks to learn: one, or all for an arm that shares.
        sources: The table.
        folder: Folder to write, in that of its job.
        options: Options of training, of which the validation fraction, the share of the labels and the threads count.
        seed: Seed of the split and of the model.
    """
    started, memory = time.monotonic(), PeakMemory()
    share = LabelShare.of(options)
    data = prepare_data(sources, tasks, validation_fraction=options.validation_fraction, seed=seed, label_share=share)
    source = next(one for one in sources if one.name in data.training)
    coding = source.preprocessor
    if not isinstance(coding, TablePreprocessor):
        raise DataError("the preprocessor of a table is needed", where=f"source {source.name!r}")
    random = derive_seed(seed, arm, *(task.name for task in tasks)) % LARGEST_SEED
    with openmp_threads(options.threads):
        model = _blend(data, source, random) if not TABLE_ARMS[arm].model else _single_model(TABLE_ARMS[arm].model, data, source, random)
        held_out = data.validation[source.name]
        found = model.predict(np.asarray(held_out.rows.inputs), coding)
    outcomes = {task.name: labeled_predictions(task, held_out, found[task.name]) for task in data.tasks}
    yardstick = RelativeMetrics(data.tasks, data.training, data.validation)
    relative = yardstick.relative(yardstick.values(outcomes))
    memory.sample()
    rows = len(data.training[source.name])
    facts = {
        "validation": compute_task_metrics(data.tasks, outcomes),
        "relative": sum(relative.values()) / len(relative),
        "used": {"epochs": 1, "best_epoch": 1, "steps": 1, "rows": rows},
        "measured": {"seconds": time.monotonic() - started, "peak_memory": memory.bytes, "timeline": []},
    }
    save_choice(folder, model, source.name, coding, store_measured(folder.parent, facts))


def table_outcomes(
    folder: Path, sources: Sequence[Source], originals: Sequence[Task]
) -> Iterator[tuple[Source, NDArray[np.bool_] | None, Task, Outcome]]:
    """Yield targets and predictions of a stored arm for the labeled rows of each source and task.

    Args:
        folder: Folder of the model.
        sources: Test sources.
        originals: Tasks of the study.
    """
    trained = load_choice(folder, tuple({type(task) for task in originals}))
    whole = {task.name: task for task in originals}
    for source in sources:
        if source.name in trained.codings:
            found = trained.model.predict(np.asarray(source.inputs), trained.codings[source.name])
            for task in (task.completed(whole[task.name]) for task in trained.tasks if task.name in source.labels):
                mask = task.labeled_rows(source.labels[task.name])
                values, chances = found[task.name]
                targets = task.metric_targets(source.labels[task.name][mask])
                yield source, mask, task, Outcome(targets, values[mask], None if chances is None else chances[mask])


def labeled_predictions(task: Task, source: PreparedSource, found: Any) -> Outcome:  # noqa: ANN401 - predictions of all rows
    """Return targets and predictions of the labeled rows of a prepared source."""
    mask = source.rows.labeled_rows(task.name)
    known = np.ones(len(source), dtype=np.bool_) if mask is None else mask.numpy()
    return Outcome(source.truths[task.name], found.values[known], None if found.probabilities is None else found.probabilities[known])


def _single_model(name: str, data: PreparedData, source: Source, seed: int) -> ChosenModel:
    """Fit a model to the training rows, with settings that are chosen on the validation rows."""
    learnings = {task.name: learning_of(task) for task in data.tasks}
    training, held_out = (_rows_of(source, part[source.name], data.tasks) for part in (data.training, data.validation))
    model = CLASSICAL[name](learnings)
    model.fit_chosen(training, held_out, training, seed)
    outputs, blends = model.outputs(held_out.inputs), {}
    for task, learning in learnings.items():
        place, y, w = held_out.labeled(task)
        _, known, weights = training.labeled(task)
        loss = mean_loss(learning, y, outputs[task][place], w)
        trivial = mean_loss(learning, y, trivial_outputs(learning, known, weights, len(y)), w)
        blends[task] = TaskBlend({name: 1.0}, loss, {name: loss}, trivial, 0.0, 0.0)
    return ChosenModel(data.tasks, {name: [model]}, blends)


def _blend(data: PreparedData, source: Source, seed: int) -> ChosenModel:
    """Choose and blend models on folds of the training rows, by the labels that are used."""
    training = data.training[source.name]
    places = training.rows.row_indices
    rows = np.arange(len(source)) if places is None else places.numpy()
    part = source.take(rows)
    labels = {task.name: _used_labels(task, np.asarray(part.labels[task.name]), training) for task in data.tasks}
    weights = None if part.weights is None else {name: own for name, own in part.weights.items() if name in labels}
    part = replace(part, labels=labels, weights=weights)
    return choose_model(part, data.tasks, seed=seed, arms=BLENDED)


def _used_labels(task: Task, labels: NDArray[Any], part: PreparedSource) -> NDArray[Any]:
    """Return the labels of the rows of a part, with those that are not used as missing labels."""
    mask = part.rows.labeled_rows(task.name)
    if mask is None or not (unused := task.labeled_rows(labels) & ~mask.numpy()).any():
        return labels
    numbers = labels.dtype.kind in "iuf" and task.label_type is not LabelType.CLASS  # classes may be too large for floats
    kept = labels.astype(np.float64 if numbers else object)
    kept[unused] = np.nan if numbers else None
    return kept


def _rows_of(source: Source, part: PreparedSource, tasks: Sequence[Task]) -> TableRows:
    """Return the rows of a part, with NaN where a row has no label that is used."""
    targets, weights = {}, {}
    for task in tasks:
        mask = part.rows.labeled_rows(task.name)
        known = np.ones(len(part), dtype=np.bool_) if mask is None else mask.numpy()
        targets[task.name] = np.full(len(part), np.nan)
        targets[task.name][known] = part.truths[task.name]
        if task.name in part.rows.weights:
            weights[task.name] = part.rows.weights[task.name].numpy().astype(np.float64)
    plain = Source(source.name, np.asarray(part.rows.inputs), {}, preprocessor=source.preprocessor)
    rows = table_rows(plain, targets)
    return TableRows(rows.inputs, rows.cardinalities, rows.targets, weights)
