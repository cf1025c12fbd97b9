"""Baselines next to networks: their rows, their results, and what they cannot learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polytask.baselines import BoostedTrees, LinearModels, TableLearner, TaskRows
from polytask.data import Source
from polytask.errors import ConfigError
from polytask.metrics.metric_functions import compute_metrics, metric_of
from polytask.metrics.trivial_predictor import trivial_predictions
from polytask.studies import Study
from polytask.studies.execution.baseline_fit import BaselineFit, fit_baseline
from polytask.tasks import Binary, Count, Multiclass, Ordinal, Quantile, Regression, Survival, Task
from polytask.training import prepare_source

pytest.importorskip("sklearn")
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

TRAINING = {"epochs": 2, "threads": 1}


def source(rows: int = 400, seed: int = 0) -> Source:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4)).astype(np.float32)
    signal = np.abs(x[:, 0]) + (x[:, 1] > 0)  # what a line cannot say
    labels: dict[str, Any] = {
        "price": signal.astype(np.float64) + 0.1 * random.normal(size=rows),
        "churn": np.where(signal > 1.2, "yes", "no").astype(object),
        "plan": np.array(["a", "b", "c"], dtype=object)[np.digitize(signal, [0.8, 1.5])],
        "grade": np.array(["low", "mid", "high"], dtype=object)[np.digitize(signal, [0.8, 1.5])],
        "claims": random.poisson(np.exp(signal)).astype(np.float64),
        "range": signal.astype(np.float64) + 0.3 * random.normal(size=rows),
    }
    labels["price"][::7] = np.nan
    return Source("table", x, labels)


TASKS: tuple[Task, ...] = (
    Regression(name="price"),
    Binary(name="churn", classes=("no", "yes")),
    Multiclass(name="plan", classes=("a", "b", "c")),
    Ordinal(name="grade", classes=("low", "mid", "high")),
    Count(name="claims"),
    Quantile(name="range", levels=(0.1, 0.5, 0.9)),
)


def fit_trees(task: Task, seed: int, iterations: int | None = None) -> BaselineFit:
    """Trees for a task; so many iterations, if given, as after loading their state."""
    trees = BoostedTrees()
    if iterations is not None:
        trees.load_state_dict({"iterations": iterations})
    return fit_baseline(trees, task, [source()], validation_fraction=0.2, seed=seed)


@pytest.mark.sampled(9)
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_trees_are_better_than_predictors_that_never_look(task: Task) -> None:
    grown = fit_trees(task, seed=0)
    test = prepare_source(source(seed=1), [grown.task], grown.normalizations["table"])
    outcome = grown.outcome(test)
    truths = prepare_source(source(), [grown.task], grown.normalizations["table"]).truths[task.name]
    blind = trivial_predictions(task, truths, outcome.targets)
    metric = metric_of(task)
    ours, theirs = metric.function(outcome), metric.function(blind)
    assert (ours > theirs) == metric.higher_is_better
    assert set(compute_metrics(outcome, task.metrics)) == set(task.metrics)
    assert 0 < grown.facts["relative"] <= 1


LEARNED = [task for task in TASKS if LinearModels.supports(task)]
KINDS = [Ridge, LogisticRegression, LogisticRegression, LogisticRegression, PoissonRegressor]


def test_linear_models_leave_out_only_quantiles() -> None:
    assert [task.name for task in TASKS if task not in LEARNED] == ["range"]


@pytest.mark.parametrize(("task", "kind"), list(zip(LEARNED, KINDS, strict=True)), ids=lambda given: getattr(given, "kind", ""))
def test_linear_models_minimize_the_mean_loss_and_a_penalty(task: Task, kind: Any) -> None:
    random = np.random.default_rng(1)
    inputs = np.column_stack([random.normal(size=(300, 2)) * [1, 1e4] + [0, 1e6], random.integers(1, 4, 300)])
    signal = inputs[:, 0] + (inputs[:, 2] == 2)
    targets = {0: signal, 2: (signal > 0) * 1, 3: np.digitize(signal, [0, 1])}.get(getattr(task.tabular_learning(), "classes", 0), signal)
    targets = random.poisson(np.exp(signal)) if kind is PoissonRegressor else targets
    rows = TaskRows(inputs, targets, cardinalities=np.array([0, 0, 4]))
    linear = LinearModels(penalties=(0.01,))
    linear.fit(task, rows, rows, seed=0)
    numbers = (inputs[:, :2] - inputs[:, :2].mean(0)) / inputs[:, :2].std(0)
    X = np.column_stack([numbers, *(inputs[:, 2] == code for code in (1, 2, 3))])
    factor = {Ridge: {"alpha": 3.0}, LogisticRegression: {"C": 1 / 3, "max_iter": 300}, PoissonRegressor: {"alpha": 0.01, "max_iter": 300}}
    oracle = kind(**factor[kind]).fit(X, targets)
    found = linear.predict(inputs)
    expected = oracle.predict_proba(X) if kind is LogisticRegression else oracle.predict(X)
    assert np.allclose(found.values if found.probabilities is None else found.probabilities, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e9])
def test_linear_models_do_not_depend_on_units_nor_on_missing_cells_of_other_rows(scale: float) -> None:
    rows = source(200)
    inputs = rows.inputs.astype(np.float64)
    labels = 2 * inputs[:, 0] - inputs[:, 1]
    linear = LinearModels()
    linear.fit(Regression(name="price"), TaskRows(inputs * scale, labels), TaskRows(inputs * scale, labels), seed=0)
    assert np.allclose(linear.predict(inputs * scale).values, labels, atol=1e-3)
    inputs[:5, 2] = np.nan
    linear.fit(Regression(name="price"), TaskRows(inputs * scale, labels), TaskRows(inputs * scale, labels), seed=0)
    assert np.allclose(linear.predict(inputs * scale).values, labels, atol=1e-2)


def test_rates_stay_bounded_far_from_the_training_rows() -> None:
    inputs = np.linspace(0, 1, 50)[:, None]
    rows = TaskRows(inputs, np.round(np.exp(3 * inputs[:, 0])))
    linear = LinearModels()
    linear.fit(Count(name="claims"), rows, rows, seed=0)
    assert linear.predict(np.array([[1e6]])).values.tolist() == [10 * rows.targets.max()]


@pytest.mark.parametrize("learner", [BoostedTrees, LinearModels])
def test_a_training_part_with_a_single_class_predicts_it(learner: type[TableLearner]) -> None:
    rows = TaskRows(np.arange(40.0)[:, None], np.ones(40, dtype=np.int64))
    for task in (Multiclass(name="plan", classes=("a", "b", "c")), Binary(name="churn", classes=("no", "yes"))):
        model = learner()
        model.fit(task, rows, rows, seed=0)
        assert model.predict(rows.inputs).values.tolist() == [1] * 40


@pytest.mark.parametrize("penalties", [(), (0.0,), (-1.0,), (np.inf,), (np.nan,)])
def test_penalties_are_checked(penalties: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="finite numbers above 0 are needed"):
        LinearModels(penalties)


def test_linear_models_that_are_fitted_again_are_the_same() -> None:
    first, again = LinearModels(), LinearModels()
    fits = [fit_baseline(first, TASKS[2], [source()], validation_fraction=0.2, seed=3)]
    again.load_state_dict(first.state_dict())
    fits.append(fit_baseline(again, TASKS[2], [source()], validation_fraction=0.2, seed=3))
    test = prepare_source(source(seed=1), [fits[0].task], fits[0].normalizations["table"])
    predicted = [fit.outcome(test) for fit in fits]
    assert np.array_equal(predicted[0].predictions, predicted[1].predictions)


def test_trees_that_are_grown_again_are_the_same() -> None:
    first = fit_trees(TASKS[0], seed=3)
    again = fit_trees(TASKS[0], seed=3, iterations=first.baseline.epochs)
    test = prepare_source(source(seed=1), [first.task], first.normalizations["table"])
    assert np.array_equal(first.outcome(test).predictions, again.outcome(test).predictions)


def test_trees_are_scikit_learn_s_on_the_training_part_alone() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    from polytask.training import prepare_data

    grown = fit_trees(TASKS[0], seed=5, iterations=20)
    training = prepare_data([source()], [TASKS[0]], validation_fraction=0.2, seed=5).training["table"]
    mask = training.rows.labeled_rows("price")
    assert mask is not None
    X, y = training.rows.inputs[mask].numpy().astype(np.float64), training.truths["price"]
    assert len(y) < 0.85 * len(source())
    oracle = HistGradientBoostingRegressor(max_iter=20, early_stopping=False).fit(X, y)
    test = source(seed=1)
    ours = grown.outcome(prepare_source(test, [grown.task], grown.normalizations["table"])).predictions
    there = ~np.isnan(test.labels["price"])
    assert np.allclose(ours, oracle.predict(test.inputs[there].astype(np.float64)))


@pytest.mark.slow
def test_a_study_shows_trees_and_never_recommends_them(make: Callable[..., Study], tmp_path: Path) -> None:
    result = make(arms=["single", "equal", "uncertainty", "trees"], race=True, training=TRAINING).run(tmp_path / "run")
    assert set(result.predictions["arm"]) == {"single", "trees", result.summary["chosen"]}
    assert result.summary["chosen"] in ("equal", "uncertainty")
    for task in result.verdict.tasks.values():
        assert not task.arms["trees"].adjusted
        assert task.arms[result.summary["chosen"]].adjusted
    assert result.costs["trees"].parameters is None
    assert result.recommendation.arm != "trees"


@pytest.mark.slow
def test_trees_repeat_byte_by_byte_in_one_process_and_two(make: Callable[..., Study], tmp_path: Path) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        make(arms=["single", "equal", "trees"], training=TRAINING, workers=workers).run(tmp_path / name)
    for name in ("predictions.parquet", "verdict.json", "results.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_trees_cannot_learn_is_refused_before_anything_is_trained(table: Callable[..., Source], tmp_path: Path) -> None:
    time = Survival(name="price")
    assert not BoostedTrees.supports(time)
    labels = np.abs(table().labels["price"]) + 1
    rows = Source("table", table().inputs, {"price": labels, "churn": table().labels["churn"]})
    study = Study([rows], (time, Binary(name="churn", classes=("stays", "leaves"))), ["single", "equal", "trees"], 2, test=lambda: (rows,))
    with pytest.raises(ConfigError, match="the baseline trees does not support this kind of task"):
        study.run(tmp_path / "run")
    images = Source("pictures", np.zeros((60, 1, 12, 12), dtype=np.uint8), {"a": np.arange(60) % 2, "b": np.arange(60) % 3})
    tasks = (Binary(name="a"), Multiclass(name="b", classes=(0, 1, 2)))
    study = Study([images], tasks, ["single", "equal", "trees"], 2, test=lambda: (images,))
    with pytest.raises(ConfigError, match="the baseline trees needs one row of numbers per label"):
        study.run(tmp_path / "other")
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").glob("*.yaml"))
