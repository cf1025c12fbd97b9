"""Fits of baselines to the rows of a study: the same training and validation rows as those of a network with the same seed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.baselines import Baseline, TaskRows
from polytask.data import Normalization, Source
from polytask.errors import ConfigError
from polytask.registry.registered import spec_of
from polytask.registry.resolve import resolve
from polytask.seeds import derive_seed
from polytask.tasks import Outcome, Predictions, Task
from polytask.training import PreparedSource, prepare_data
from polytask.training.hardware import PeakMemory
from polytask.training.inference import RelativeMetrics, compute_task_metrics, join_outcomes
from polytask.training.preparation.label_share import ALL_LABELS, LabelShare


@dataclass(frozen=True)
class BaselineFit:
    """Result of fitting a baseline.

    Attributes:
        task: Task, fitted to the training labels.
        baseline: Fitted baseline.
        facts: Recorded facts that the files of a study need.
        normalizations: Normalizations of the sources, the same as for a network.
    """

    task: Task
    baseline: Baseline
    facts: Mapping[str, Any]
    normalizations: Mapping[str, Normalization]

    def outcome(self, source: PreparedSource) -> Outcome:
        """Return targets and predictions for the labeled rows of a source.

        Raises:
            ConfigError: The baseline does not return one prediction per row.
        """
        inputs, targets = _labeled_inputs(source, self.task), source.truths[self.task.name]
        found: object = self.baseline.predict(inputs)
        if not isinstance(found, Predictions) or np.shape(found.values) != np.shape(targets):
            kind = f"values of shape {np.shape(found.values)}" if isinstance(found, Predictions) else type(found).__name__
            where = f"{type(self.baseline).__name__}.predict"
            raise ConfigError(f"`Predictions` with values of shape {np.shape(targets)} are needed", where=where, found=kind)
        return Outcome(targets, *found)


def check_baseline(text: str, tasks: Sequence[Task], sources: Sequence[Source]) -> None:
    """Check, before anything is trained, that a baseline can learn all tasks.

    Raises:
        MissingExtraError: A package that it needs is not installed.
        ConfigError: It does not support a task, or a task has inputs of several shapes.
    """
    baseline: Baseline = resolve("baseline", text).build()
    for task in tasks:
        labeled = [source for source in sources if task.name in source.labels]
        for source in labeled:
            if source.has_entries:
                found, remedy = f"entries {', '.join(source.input_shape)}", f"Leave out the arm {text!r}"
                raise ConfigError("a baseline takes inputs in one array", where=f"source {source.name!r}", found=found, remedy=remedy)
        shapes = {source.input_shape for source in labeled}
        for shape in shapes:
            baseline.check(task, shape)
        if len(shapes) > 1:
            found, remedy = f"inputs of shape {', '.join(map(str, sorted(shapes)))}", f"Leave out the arm {text!r}"
            raise ConfigError("a baseline needs inputs of one shape", where=f"task {task.name!r}", found=found, remedy=remedy)


def fit_baseline(
    baseline: Baseline,
    task: Task,
    sources: Sequence[Source],
    *,
    validation_fraction: float | None,
    seed: int,
    label_share: LabelShare = ALL_LABELS,
) -> BaselineFit:
    """Fit a baseline to one task.

    Args:
        baseline: Baseline, not fitted yet.
        task: Task to learn.
        sources: Training sources.
        validation_fraction: Fraction of the rows in the validation part.
        seed: Seed of the split and of the baseline.
        label_share: Share of the labels of the training part that is used.
    """
    started, memory = time.monotonic(), PeakMemory()
    data = prepare_data(sources, [task], validation_fraction=validation_fraction, seed=seed, label_share=label_share)
    (fitted,) = data.tasks
    training, held_out = list(data.training.values()), list(data.validation.values())
    random = derive_seed(seed, spec_of(type(baseline), "baseline").name, task.name) % 2**32
    baseline.fit(fitted, _rows_of(fitted, training), _rows_of(fitted, held_out), random)
    fit = BaselineFit(fitted, baseline, {}, {name: source.rows.normalization for name, source in data.training.items()})
    outcome = join_outcomes([fit.outcome(source) for source in held_out])
    yardstick = RelativeMetrics(data.tasks, data.training, data.validation)
    relative = yardstick.relative(yardstick.values({task.name: outcome}))
    memory.sample()
    epochs = baseline.epochs
    facts = {
        "validation": compute_task_metrics(data.tasks, {task.name: outcome}),
        "relative": relative[task.name],
        "used": {"epochs": epochs, "best_epoch": epochs, "steps": epochs, "rows": epochs * sum(map(len, training))},
        "measured": {"seconds": time.monotonic() - started, "peak_memory": memory.bytes, "timeline": []},
    }
    return BaselineFit(fitted, baseline, facts, fit.normalizations)


def _rows_of(task: Task, sources: Sequence[PreparedSource]) -> TaskRows:
    """Return the labeled rows of all sources."""
    weighted = any(task.name in source.rows.weights for source in sources)
    spec = {} if sources[0].preprocessor is None else sources[0].preprocessor.input_spec()
    return TaskRows(
        np.concatenate([_labeled_inputs(source, task) for source in sources]),
        np.concatenate([source.truths[task.name] for source in sources]),
        np.concatenate([_sample_weights(source, task) for source in sources]) if weighted else None,
        np.asarray(spec["cardinalities"]) if "cardinalities" in spec else None,
    )


def _labeled_inputs(source: PreparedSource, task: Task) -> NDArray[Any]:
    """Return the (n, ...) inputs of the labeled rows."""
    mask = source.rows.labeled_rows(task.name)
    inputs = source.rows.inputs if mask is None else source.rows.inputs[mask]
    found: NDArray[Any] = inputs.numpy()
    return found


def _sample_weights(source: PreparedSource, task: Task) -> NDArray[Any]:
    """Return the (n,) factors of the losses of the labeled rows."""
    mask, weights = source.rows.labeled_rows(task.name), source.rows.weights.get(task.name)
    if weights is None:
        return np.ones(len(source.truths[task.name]))
    return (weights if mask is None else weights[mask]).numpy()


@contextmanager
def openmp_threads(count: int | None) -> Iterator[None]:
    """Limit the OpenMP threads of libraries such as scikit-learn within the context; `None` sets no limit."""
    if find_spec("threadpoolctl") is None:  # comes with scikit-learn
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(count, user_api="openmp"):
        yield
