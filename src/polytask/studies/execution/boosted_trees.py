"""Boosted trees per task, for comparison: scikit-learn's histogram gradient boosting (extra `sklearn`).

Trees use the same training and validation rows as a network with the same seed, and their number is chosen on the validation rows. They
are not stored, since that would require pickle: they are fitted again when the test rows are predicted, with the same result.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.data import Normalization, Source
from polytask.errors import ConfigError, MissingExtraError
from polytask.metrics.metric_functions import selection_metric_of
from polytask.seeds import derive_seed
from polytask.tasks import Outcome, Task
from polytask.tasks.boosting import Boosting
from polytask.training import PreparedSource, prepare_data
from polytask.training.hardware import PeakMemory
from polytask.training.inference import RelativeMetrics, compute_task_metrics, join_outcomes

Array = NDArray[Any]

MAX_ITERATIONS = 300
"""Largest number of boosting iterations, each with one tree, or one tree per class or quantile."""
VALIDATION_INTERVAL = 10
"""Boosting iterations between two evaluations on the validation rows."""
MOST_CATEGORIES = 255
"""Largest number of categories that scikit-learn supports; a column with more is treated as numeric, in the order of its categories."""


def trees_support_tasks(tasks: Sequence[Task]) -> bool:
    """Return whether trees support the kinds of all tasks."""
    return all(task.boosting() is not None for task in tasks)


def check_tree_tasks(tasks: Sequence[Task], sources: Sequence[Source]) -> None:
    """Check, before anything is trained, that trees support the tasks and their inputs.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        ConfigError: Trees do not support the kind of a task, or its inputs are not a table.
    """
    if find_spec("sklearn") is None:
        raise MissingExtraError("trees need scikit-learn", where="arms, 'trees'", remedy="pip install 'polytask[sklearn]'")
    for task in tasks:
        boosting_of(task)
        shapes = {source.inputs.shape[1:] for source in sources if task.name in source.labels}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            found = f"inputs of shape {', '.join(map(str, shapes))}"
            raise ConfigError(
                "trees need one row of numbers per label", where=f"task {task.name!r}", found=found, remedy="Leave out the arm 'trees'"
            )


def boosting_of(task: Task) -> Boosting:
    """Return how trees learn a task.

    Raises:
        ConfigError: Trees do not support this kind of task.
    """
    boosting = task.boosting()
    if boosting is None:
        where, remedy = f"task {task.name!r}", "Leave out the arm 'trees'"
        raise ConfigError("trees do not support this kind of task", where=where, found=task.kind, remedy=remedy)
    return boosting


@dataclass(frozen=True)
class BoostedTrees:
    """Trees for one task.

    Attributes:
        task: Task, fitted to the training labels.
        models: Fitted estimators of scikit-learn: a single one, or one per level of a quantile task.
    """

    task: Task
    models: tuple[Any, ...]

    def outcome(self, source: PreparedSource) -> Outcome:
        """Return targets and predictions for the labeled rows of a source."""
        boosting, X = boosting_of(self.task), _labeled_inputs(source, self.task)
        raw = _stack_columns([_raw_predictions(boosting, model, X) for model in self.models])
        return _to_outcome(boosting, self.models, raw, source.truths[self.task.name])


@dataclass(frozen=True)
class TreeFit:
    """Result of fitting trees.

    Attributes:
        trees: Fitted trees.
        iterations: Number of boosting iterations, the best one on the validation rows unless it was given.
        facts: Recorded facts that the files of a study need.
        normalizations: Normalizations of the sources, the same as for a network.
    """

    trees: BoostedTrees
    iterations: int
    facts: Mapping[str, Any]
    normalizations: Mapping[str, Normalization]


def fit_trees(
    task: Task, sources: Sequence[Source], *, validation_fraction: float | None, seed: int, iterations: int | None = None
) -> TreeFit:
    """Fit trees for one task.

    Args:
        task: Task to learn.
        sources: Training sources.
        validation_fraction: Fraction of the rows in the validation part.
        seed: Seed of the split and of the trees.
        iterations: Number of boosting iterations; `None` selects the best number on the validation part.
    """
    started, memory = time.monotonic(), PeakMemory()
    data = prepare_data(sources, [task], validation_fraction=validation_fraction, seed=seed)
    (fitted,) = data.tasks
    training, held_out = list(data.training.values()), list(data.validation.values())
    random = derive_seed(seed, "trees", task.name) % 2**32
    best = iterations or _best_iterations(fitted, _fit_estimators(fitted, training, MAX_ITERATIONS, random), held_out)
    trees = BoostedTrees(fitted, _fit_estimators(fitted, training, best, random))
    outcome = join_outcomes([trees.outcome(source) for source in held_out])
    yardstick = RelativeMetrics(data.tasks, data.training, data.validation)
    relative = yardstick.relative(yardstick.values({task.name: outcome}))
    memory.sample()
    facts = {
        "validation": compute_task_metrics(data.tasks, {task.name: outcome}),
        "relative": relative[task.name],
        "used": {"epochs": best, "best_epoch": best, "steps": best, "rows": best * sum(map(len, training))},
        "measured": {"seconds": time.monotonic() - started, "peak_memory": memory.bytes, "timeline": []},
    }
    return TreeFit(trees, best, facts, {name: source.rows.normalization for name, source in data.training.items()})


def _fit_estimators(task: Task, sources: Sequence[PreparedSource], iterations: int, seed: int) -> tuple[Any, ...]:
    from sklearn import ensemble

    boosting = boosting_of(task)
    estimator = ensemble.HistGradientBoostingClassifier if boosting.classes else ensemble.HistGradientBoostingRegressor
    X, y = (
        np.concatenate([_labeled_inputs(source, task) for source in sources]),
        np.concatenate([source.truths[task.name] for source in sources]),
    )
    weighted = any(task.name in source.rows.weights for source in sources)
    weights = np.concatenate([_sample_weights(source, task) for source in sources]) if weighted else None
    common = {"max_iter": iterations, "early_stopping": False, "random_state": seed, "categorical_features": _categorical(sources[0])}
    return tuple(estimator(**common, **options).fit(X, y, sample_weight=weights) for options in boosting.options)


def _labeled_inputs(source: PreparedSource, task: Task) -> Array:
    """Return the (n, F) inputs of the labeled rows, with NaN for missing values in categorical columns."""
    mask = source.rows.labeled_rows(task.name)
    X = source.rows.inputs if mask is None else source.rows.inputs[mask]
    rows = X.numpy().astype(np.float64)
    places = np.flatnonzero(_categorical(source))
    rows[:, places] = np.where(rows[:, places] == 0, np.nan, rows[:, places])
    return rows


def _sample_weights(source: PreparedSource, task: Task) -> Array:
    """Return the (n,) factors of the losses of the labeled rows."""
    mask, weights = source.rows.labeled_rows(task.name), source.rows.weights.get(task.name)
    if weights is None:
        return np.ones(len(source.truths[task.name]))
    return (weights if mask is None else weights[mask]).numpy()


def _categorical(source: PreparedSource) -> NDArray[np.bool_]:
    """Return an (F,) mask of the columns with at most 255 categories; `False` for numeric columns."""
    counts = {} if source.preprocessor is None else source.preprocessor.input_spec()
    cardinalities = np.asarray(counts.get("cardinalities", np.zeros(source.rows.inputs.shape[1])))
    return np.asarray((cardinalities > 0) & (cardinalities <= MOST_CATEGORIES))


def _best_iterations(task: Task, models: Sequence[Any], sources: Sequence[PreparedSource]) -> int:
    """Return the number of iterations with the best selection metric on the validation rows; the smallest one in case of ties."""
    metric, boosting = selection_metric_of(task), boosting_of(task)
    X, truths = (
        np.concatenate([_labeled_inputs(source, task) for source in sources]),
        np.concatenate([source.truths[task.name] for source in sources]),
    )
    best, most = VALIDATION_INTERVAL, -np.inf
    for number, stages in enumerate(zip(*(_staged_predictions(boosting, model, X) for model in models), strict=True), start=1):
        if number % VALIDATION_INTERVAL == 0:
            value = metric.sign * metric.function(_to_outcome(boosting, models, _stack_columns(stages), truths))
            if value > most:
                best, most = number, value
    return best


def _staged_predictions(boosting: Boosting, model: Any, X: Array) -> Iterator[Array]:  # noqa: ANN401 - one of scikit-learn's estimators
    staged: Iterator[Array] = model.staged_predict_proba(X) if boosting.classes else model.staged_predict(X)
    return staged


def _raw_predictions(boosting: Boosting, model: Any, X: Array) -> Array:  # noqa: ANN401 - one of scikit-learn's estimators
    return np.asarray(model.predict_proba(X) if boosting.classes else model.predict(X))


def _stack_columns(parts: Sequence[Array]) -> Array:
    """Return the predictions of a single model as they are, or those of several models as columns."""
    return parts[0] if len(parts) == 1 else np.stack(parts, axis=1)


def _to_outcome(boosting: Boosting, models: Sequence[Any], raw: Array, truths: Array) -> Outcome:
    if not boosting.classes:
        return Outcome(truths, *boosting.predictions(raw))
    probabilities = np.zeros((len(raw), boosting.classes))
    probabilities[:, models[0].classes_.astype(np.int64)] = raw
    return Outcome(truths, *boosting.predictions(probabilities))


@contextmanager
def openmp_threads(count: int | None) -> Iterator[None]:
    """Limit the OpenMP threads of scikit-learn within the context; `None` sets no limit."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(count, user_api="openmp"):
        yield
