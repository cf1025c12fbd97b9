"""Models of several targets of a table: what each learns, and that a stored one predicts the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polytask.data import Source
from polytask.table_arms.blend import blend_task
from polytask.table_arms.light_trees import has_lightgbm
from polytask.table_arms.linear_arms import LinearArm, SharedLinearArm
from polytask.table_arms.model_choice import CLASSICAL
from polytask.table_arms.network_arm import NetworkArm
from polytask.table_arms.proper_scores import mean_loss, row_losses, trivial_outputs
from polytask.table_arms.saved_choice import _with_arrays, _with_tensors
from polytask.table_arms.shared_trees import Forest, SharedTreesArm
from polytask.table_arms.table_model_base import TableArm, TableRows
from polytask.tasks import Binary, Count, Multiclass, Regression

N = 200
TASKS = (
    Regression(name="value"),
    Binary(name="churn", classes=("no", "yes")),
    Count(name="claims"),
    Multiclass(name="size", classes=("s", "m", "l")),
)
LEARNINGS = {task.name: task.tabular_learning() for task in TASKS}
ARMS = [name for name in CLASSICAL if name != "trees" or has_lightgbm()]


def rows(seed: int = 0, *, gaps: bool = True) -> TableRows:
    """Two informative numbers, one with gaps, and a category; a fifth of the labels is missing."""
    rng = np.random.default_rng(seed)
    x, z, town = rng.normal(size=N), rng.normal(size=N), rng.integers(0, 4, N)
    score = 2 * x + (town == 2)
    targets = {"value": score + 0.1 * rng.normal(size=N), "churn": (score > 0.3).astype(float)}
    targets |= {"claims": rng.poisson(np.exp(x)).astype(float), "size": np.digitize(score, [-1.0, 1.0]).astype(float)}
    if gaps:
        z = np.where(rng.random(N) < 0.1, np.nan, z)
        targets = {name: np.where(rng.random(N) < 0.2, np.nan, own) for name, own in targets.items()}
    return TableRows(np.column_stack([x, z, town]).astype(np.float32), np.array([0, 0, 4]), targets)


@pytest.fixture(scope="module")
def fitted() -> dict[str, TableArm]:
    found = {}
    for name in ARMS:
        found[name] = CLASSICAL[name](LEARNINGS)
        found[name].fit(rows(), 0)
    return found


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_learns_every_kind_from_rows_with_gaps(name: str, fitted: dict[str, TableArm]) -> None:
    fresh = rows(1, gaps=False)
    found = fitted[name].outputs(fresh.inputs)
    for task, learning in LEARNINGS.items():
        _, y, w = fresh.labeled(task)
        if learning.classes:
            assert np.allclose(found[task].sum(axis=1), 1)
        trivial = mean_loss(learning, y, trivial_outputs(learning, y, w, N), w)
        relative = mean_loss(learning, y, found[task], w) / trivial
        assert relative < (1.1 if name == "trivial" else 0.9), (task, relative)


@pytest.mark.parametrize("name", ARMS)
def test_a_stored_arm_predicts_the_same_bits(name: str, fitted: dict[str, TableArm]) -> None:
    state: Any = _with_arrays(_with_tensors(fitted[name].state()))
    again, inputs = CLASSICAL[name].from_state(LEARNINGS, state), rows(2).inputs
    for task, raw in fitted[name].outputs(inputs).items():
        assert np.array_equal(again.outputs(inputs)[task], raw)


@pytest.mark.parametrize("name", ARMS)
def test_rows_without_any_label_do_not_matter(name: str) -> None:
    if name == "trees@shared":
        pytest.skip("they hold a row's place in the draws of the forest")
    plain = {"value": LEARNINGS["value"]}
    known = rows(gaps=False)
    more = TableRows(known.inputs, known.cardinalities, {"value": known.targets["value"], "other": known.targets["value"]})
    one, two = CLASSICAL[name](plain), CLASSICAL[name](plain)
    one.fit(known, 0)
    two.fit(more, 0)
    assert np.array_equal(one.outputs(known.inputs)["value"], two.outputs(known.inputs)["value"])


def test_ridge_is_the_closed_form() -> None:
    known = rows(gaps=False)
    arm = LinearArm({"value": LEARNINGS["value"]})
    arm._start(known)
    weights = arm._fitted(known, {"value": 0.1})
    X, y = arm._design(known.inputs), known.targets["value"]
    A, z = X - X.mean(axis=0), (y - y.mean()) / y.std()
    expected = np.linalg.solve(A.T @ A / N + 0.1 * np.eye(A.shape[1]), A.T @ z / N)
    assert np.allclose(weights[1:, 0], expected, atol=1e-3)


def test_a_large_trace_norm_penalty_leaves_one_direction() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6)).astype(np.float32)
    common = X @ rng.normal(size=6)
    targets = {f"t{place}": (place + 1) * common + rng.normal(size=400) for place in range(4)}
    learnings = {name: Regression(name=name).tabular_learning() for name in targets}
    arm = SharedLinearArm(learnings)
    data = TableRows(X, np.zeros(6, dtype=np.int64), targets)
    arm._start(data)
    values = np.linalg.svd(arm._fitted(data, dict.fromkeys(targets, 0.3))[1:])[1]
    assert values[0] > 0.1
    assert values[1] < 1e-2 * values[0]


def test_a_forest_of_arrays_predicts_what_scikit_learn_does() -> None:
    sklearn = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(80, 3)).astype(np.float32), rng.normal(size=(80, 2))
    model = sklearn.ExtraTreesRegressor(7, random_state=0).fit(X, Y)
    forest = Forest.of([tree.tree_ for tree in model.estimators_])
    fresh = rng.normal(size=(50, 3)).astype(np.float32)
    assert np.allclose(forest.predict(fresh), model.predict(fresh), rtol=1e-6)


def test_missing_labels_are_filled_by_the_forest() -> None:
    """The second target is the first one, with labels of a tenth of the rows."""
    pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2)).astype(np.float32)
    y = np.tanh(2 * x[:, 0]).astype(float)
    rare = np.where(np.arange(300) % 10 == 0, y, np.nan)
    learnings = {name: Regression(name=name).tabular_learning() for name in ("often", "rare")}
    arm = SharedTreesArm(learnings)
    arm.fit(TableRows(x, np.zeros(2, dtype=np.int64), {"often": y, "rare": rare}), 0)
    assert np.corrcoef(arm.outputs(x)["rare"], y)[0, 1] > 0.8


def test_a_blend_weighs_what_complements_and_leaves_out_what_does_not() -> None:
    rng = np.random.default_rng(0)
    y, folds = rng.normal(size=600), np.resize(np.arange(5), 600)
    learning = LEARNINGS["value"]
    outputs = {"a": y + rng.normal(size=600), "b": y + rng.normal(size=600), "noise": 5 * rng.normal(size=600)}
    found = blend_task(learning, y, folds, outputs, np.zeros(600), np.ones(600))
    assert abs(found.weights["a"] - 0.5) < 0.1
    assert "noise" not in found.weights
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.loss < 0.6 * found.losses["a"] + 0.05
    assert found.gain > 2 * found.error > 0
    best = blend_task(learning, y, folds, {"a": y, "b": y + 1}, np.zeros(600), np.ones(600))
    assert best.weights == {"a": 1.0}


def test_scores_are_proper() -> None:
    """No constant has a lower mean loss than the share, or the mean, of what is observed."""
    rng = np.random.default_rng(0)
    y = (rng.random(500) < 0.3).astype(float)
    chances = np.linspace(0.05, 0.95, 19)
    losses = [row_losses(LEARNINGS["churn"], y, np.tile([1 - p, p], (500, 1))).mean() for p in chances]
    assert abs(chances[int(np.argmin(losses))] - y.mean()) <= 0.05
    counts = rng.poisson(2.0, 500).astype(float)
    rates = np.linspace(0.5, 4.0, 36)
    losses = [row_losses(LEARNINGS["claims"], counts, np.full(500, rate)).mean() for rate in rates]
    assert abs(rates[int(np.argmin(losses))] - counts.mean()) <= 0.1


@pytest.mark.parametrize("grouped", [False, True])
def test_inner_parts_are_disjoint_and_keep_groups(grouped: bool) -> None:
    data = rows()
    groups = np.arange(N) // 4 if grouped else None
    data = TableRows(data.inputs, data.cardinalities, {**data.targets, "row": np.arange(N, dtype=float)}, groups=groups)
    left, right = data.inner_split(0.2, 3)
    assert sorted(np.concatenate([left.targets["row"], right.targets["row"]])) == list(range(N))
    assert len(right) == pytest.approx(0.2 * N, abs=4)
    if grouped:
        assert not set(left.groups) & set(right.groups)


def test_a_network_predicts_rows_of_a_source_of_another_name() -> None:
    """A table is called as its file in training, and may be called otherwise where it is predicted."""
    x = np.random.default_rng(0).normal(size=(60, 2)).astype("float32")
    sales = Source("sales", x, {"value": x.sum(1).astype(float)})
    arm = NetworkArm(preset="quick")
    arm.fit(sales, (Regression(name="value"),), 0)
    found, other = arm.outputs(sales), arm.outputs(Source("table", x, {}))
    assert np.array_equal(found["value"], other["value"])


def test_shared_trees_of_a_single_target_warn_of_nothing() -> None:
    arm = SharedTreesArm({"value": LEARNINGS["value"]})
    arm.fit(rows(gaps=False), 0)
    assert arm.outputs(rows(1, gaps=False).inputs)["value"].shape == (len(rows(1)),)
