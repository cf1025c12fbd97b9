"""Regression of several numbers by one task: its loss from those of single tasks, labels with gaps, and metrics."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import polytask as pt
from polytask.data import Source
from polytask.datasets.tables import load_tables, source_from_table
from polytask.errors import ConfigError, DataError
from polytask.estimators import MultiTaskEstimator
from polytask.metrics import find_metric
from polytask.metrics.influence_functions import unit_contributions
from polytask.metrics.regression_metrics import mean_over_components
from polytask.options import TableOptions
from polytask.studies import Study
from polytask.tasks import Binary, Outcome, Regression, Runs, Task, VectorRegression, masked_loss, task_from_dict
from polytask.tasks.number_rows import read_rows, write_rows
from polytask.training.preparation.prepared_data import prepare_data

NAMES = ("x", "y", "z")
PLACE = VectorRegression(name="place", columns=NAMES)
METRICS = ("mean-r2", "mean-mae", "mean-rmse")


def labels_with_gaps(rows: int = 40, share: float = 0.3, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    labels = random.normal(size=(rows, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 2.0]
    labels[random.random(labels.shape) < share] = np.nan
    return labels


def singles(labels: np.ndarray) -> list[Regression]:
    return [Regression(name=name).fitted(column) for name, column in zip(NAMES, labels.T, strict=True)]


def outputs_for(rows: int, *, seed: int = 1) -> torch.Tensor:
    return torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loss_and_slope(task: Task, outputs: torch.Tensor, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, int]:
    values, labeled = (torch.from_numpy(part) for part in task.encode(labels))
    free = outputs.clone().requires_grad_()
    loss = masked_loss(task, free, values, labeled)
    assert loss is not None
    loss.sum.backward()  # type: ignore[no-untyped-call]
    assert free.grad is not None
    return loss.sum.detach(), free.grad, loss.count


def test_with_all_labels_the_loss_is_the_mean_of_single_tasks() -> None:
    labels, outputs = labels_with_gaps(share=0.0), outputs_for(40)
    value, slope, count = loss_and_slope(PLACE.fitted(labels), outputs, labels)
    alone = [loss_and_slope(task, outputs[:, [place]], labels[:, place]) for place, task in enumerate(singles(labels))]
    assert count == 40
    assert value.item() == pytest.approx(sum(part[0].item() for part in alone) / 3, rel=1e-12)
    assert torch.allclose(slope, torch.cat([part[1] for part in alone], dim=1) / 3, rtol=1e-12)


def test_with_gaps_the_loss_of_a_row_is_the_mean_over_its_labels() -> None:
    labels, outputs = labels_with_gaps(), outputs_for(40)
    value, _, count = loss_and_slope(PLACE.fitted(labels), outputs, labels)
    there = ~np.isnan(labels)
    scaled = (labels - np.nanmean(labels, axis=0)) / np.nanstd(labels, axis=0)
    squares = np.where(there, (outputs.numpy() - scaled) ** 2, 0.0)
    rows = there.any(axis=1)
    assert count == rows.sum() < 40
    assert value.item() == pytest.approx((squares[rows].sum(axis=1) / there[rows].sum(axis=1)).sum(), rel=1e-5)


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_a_component_without_label_has_no_influence(poison: float) -> None:
    labels, clean = labels_with_gaps(), outputs_for(40)
    task, gaps = PLACE.fitted(labels), torch.from_numpy(np.isnan(labels))
    dirty = torch.where(gaps, poison, clean)
    (value, slope, _), (other, changed, _) = loss_and_slope(task, clean, labels), loss_and_slope(task, dirty, labels)
    assert torch.equal(value, other)
    assert torch.equal(slope, changed)
    assert not slope[gaps].any()
    assert slope[~gaps].all()


def test_the_slope_is_that_of_the_loss() -> None:
    labels = labels_with_gaps(8)
    values, labeled = (torch.from_numpy(part) for part in PLACE.fitted(labels).encode(labels))
    outputs = outputs_for(8)[labeled].requires_grad_()
    assert torch.autograd.gradcheck(lambda z: PLACE.loss_per_unit(z, values[labeled].double()), outputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_component_is_a_regression_to_the_bit(dtype: torch.dtype) -> None:
    column = labels_with_gaps()[:, 1]
    vector, single = VectorRegression(name="place", columns=("y",)).fitted(column[:, None]), Regression(name="place").fitted(column)
    assert (vector.means, vector.deviations) == ((single.mean,), (single.deviation,))
    outputs = outputs_for(40)[:, [0]].to(dtype)
    value, slope, count = loss_and_slope(vector, outputs, column[:, None])
    other, expected, units = loss_and_slope(single, outputs, column)
    assert torch.equal(value, other)
    assert torch.equal(slope, expected)
    assert count == units
    assert vector.predict(outputs).values.tolist() == single.predict(outputs).values.tolist()
    there = ~np.isnan(column)
    targets, guesses = vector.metric_targets(column[there][:, None]), vector.predict(outputs).values[there]
    assert targets.tolist() == single.metric_targets(column[there]).tolist()
    for name in ("r2", "mae", "rmse"):
        ours, theirs = find_metric(f"mean-{name}"), find_metric(name)
        assert ours.function(Outcome(targets, guesses)) == theirs.function(Outcome(targets, guesses))
        runs = Runs(guesses[None])
        assert np.array_equal(unit_contributions(ours, targets, runs), unit_contributions(theirs, targets, runs))


def source_of(rows: int, seed: int, share: float = 0.2) -> Source:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4)).astype(np.float32)
    place = np.stack([x[:, 0], 10 * x[:, 1] + 3, x[:, 0] * x[:, 1]], axis=1) + random.normal(size=(rows, 3)) / 10
    place[random.random(place.shape) < share] = np.nan
    return Source("table", x, {"place": place, "sign": (x[:, 2] > 0).astype(int)})


def test_training_of_one_component_is_that_of_a_regression_to_the_bit() -> None:
    source = source_of(120, 0)
    columns = source.labels["place"][:, 1]
    found = []
    for task, labels in ((VectorRegression(name="place", columns=("y",)), columns[:, None]), (Regression(name="place"), columns)):
        own = Source("table", source.inputs, {"place": labels, "sign": source.labels["sign"]})
        found.append(pt.fit((task, Binary(name="sign")), [own], "pcgrad", epochs=3, batch_size=16, threads=1, patience=None))
    ours, theirs = (run.model.state_dict() for run in found)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert found[0].validation["sign"] == found[1].validation["sign"]
    assert {name.removeprefix("mean-"): value for name, value in found[0].validation["place"].items()} == found[1].validation["place"]


def test_metrics_are_averages_over_components() -> None:
    random = np.random.default_rng(0)
    targets = labels_with_gaps(50)
    targets = targets[~np.isnan(targets).all(axis=1)]
    guesses = np.nan_to_num(targets) + random.normal(size=(3, *targets.shape))
    written, runs = write_rows(targets), Runs(np.stack(list(map(write_rows, guesses))))
    for name in METRICS:
        metric, single = find_metric(name), find_metric(name.removeprefix("mean-"))
        values = unit_contributions(metric, written, runs)
        for row, guess, own in zip(runs.predictions, guesses, values, strict=True):
            there = ~np.isnan(targets)
            parts = [single.function(Outcome(targets[there[:, j], j], guess[there[:, j], j])) for j in range(3)]
            assert metric.function(Outcome(written, row)) == pytest.approx(np.mean(parts), rel=1e-12)
            assert own.mean() == pytest.approx(np.mean(parts), rel=1e-12)
    assert find_metric("mean-r2").higher_is_better
    assert mean_over_components(find_metric("mae")).name == "mean-mae"


def test_averages_are_those_of_scikit_learn() -> None:
    oracle = pytest.importorskip("sklearn.metrics")
    targets = labels_with_gaps(50, share=0.0)
    guesses = targets + np.random.default_rng(0).normal(size=targets.shape)
    outcome = Outcome(write_rows(targets), write_rows(guesses))
    assert find_metric("mean-r2").function(outcome) == pytest.approx(oracle.r2_score(targets, guesses), rel=1e-12)
    assert find_metric("mean-mae").function(outcome) == pytest.approx(oracle.mean_absolute_error(targets, guesses), rel=1e-12)
    assert find_metric("mean-rmse").function(outcome) == pytest.approx(oracle.root_mean_squared_error(targets, guesses), rel=1e-12)


def test_labels_are_arrays_or_tuples() -> None:
    labels = labels_with_gaps(10)
    tuples = np.empty(10, dtype=object)
    tuples[:] = [None if np.isnan(row).all() else tuple(None if value != value else value for value in row) for row in labels.tolist()]
    for one, other in zip(PLACE.encode(labels), PLACE.encode(tuples), strict=True):
        assert np.array_equal(one, other, equal_nan=True)
    assert PLACE.labeled_rows(labels).tolist() == PLACE.labeled_rows(tuples).tolist()
    assert read_rows(PLACE.metric_targets(labels)).shape == (10, 3)


def test_predictions_are_in_the_original_units() -> None:
    labels = labels_with_gaps(share=0.0)
    task = PLACE.fitted(labels)
    values = task.predict(torch.from_numpy(task.encode(labels).values)).values
    assert read_rows(values) == pytest.approx(labels, rel=1e-5)
    frame = task.prediction_columns(values)
    assert list(frame) == ["place_x", "place_y", "place_z"]
    assert frame["place_y"] == pytest.approx(labels[:, 1], rel=1e-5)
    assert list(task.prediction_columns(values[:0])) == list(frame)
    trivial = task.trivial_predictions(task.metric_targets(labels), values[:2])
    assert read_rows(trivial.values)[0] == pytest.approx(labels.mean(axis=0))
    assert task_from_dict(json.loads(json.dumps(task.to_dict()))) == task


def test_many_vectors_are_computed_together() -> None:
    from polytask.tasks.grouped_losses import FEWEST_LOSSES, masked_losses

    tasks = {f"t{number}": VectorRegression(name=f"t{number}", columns=NAMES) for number in range(FEWEST_LOSSES)}
    labels = {name: labels_with_gaps(seed=place) for place, name in enumerate(tasks)}
    parts = {name: tuple(map(torch.from_numpy, task.encode(labels[name]))) for name, task in tasks.items()}
    outputs = {name: outputs_for(40, seed=place).requires_grad_() for place, name in enumerate(tasks)}
    targets, masks = ({name: part[place] for name, part in parts.items()} for place in (0, 1))
    together = masked_losses(tasks, outputs, targets, masks, {})
    for name, task in tasks.items():
        alone = masked_loss(task, outputs[name], targets[name], masks[name])
        assert alone is not None
        (expected,), (slope,) = (torch.autograd.grad(loss.sum, outputs[name], retain_graph=True) for loss in (alone, together[name]))
        assert together[name].count == alone.count
        assert torch.allclose(together[name].sum, alone.sum, rtol=1e-12)
        assert torch.allclose(slope, expected, rtol=1e-12)


def test_a_study_of_a_vector_comes_to_a_verdict_a_report_and_a_model(tmp_path: Path) -> None:
    tasks = (PLACE, Binary(name="sign"))
    study = Study(
        [source_of(240, 0)], tasks, ["single", "equal"], 2, test=lambda: (source_of(150, 1),), workers=1,
        training={"epochs": 8, "threads": 1, "lr": 0.01},
    )  # fmt: skip
    verdict = study.run(tmp_path / "run").verdict
    found = verdict.tasks["place"]
    assert (found.kind, found.metric) == ("vector", "mean-r2")
    results = pd.read_csv(tmp_path / "run" / "results.csv").query("task == 'place' and split == 'test'")
    means = results.groupby(["arm", "metric"])["value"].mean()
    assert means["single", "mean-r2"] > 0.5 > means["trivial predictor", "mean-r2"]
    model = pt.load(tmp_path / "run")
    test = source_of(5, 2)
    assert list(model.predict(test.inputs)) == ["place_x", "place_y", "place_z", "sign"]
    again = pt.verdict(pd.read_parquet(tmp_path / "run" / "predictions.parquet"), kinds={"place": "vector", "sign": "binary"})
    assert again.tasks["place"].arms["equal"].claim == found.arms["equal"].claim


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: VectorRegression(name="a", columns=()), "different names of components"),
        (lambda: VectorRegression(name="a", columns="xy"), "different names of components"),
        (lambda: VectorRegression(name="a", columns=("x", "x")), "different names of components"),
        (lambda: VectorRegression(name="a", columns=("x", "")), "different names of components"),
        (lambda: VectorRegression(name="a", columns=("x", "y"), means=(1.0,), deviations=(1.0,)), "one mean and one deviation"),
        (lambda: VectorRegression(name="a", columns=("x",), means=(1.0,), deviations=(0.0,)), "deviation above 0"),
        (lambda: VectorRegression(name="a", columns=("x",), metric="rmse"), "mean-rmse"),
    ],
)
def test_what_cannot_be_a_vector(make: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (np.zeros((4, 2)), r"labels of shape \(N, 3\) are needed"),
        (np.array([(1.0, 2.0), None], dtype=object), "row 1: a label must be 3 numbers"),
        (np.array([[0.0, 1.0, np.inf]]), r"task 'place\.z', row 1: a label is infinite"),
        (np.array([["1", "2", "far"]], dtype=object), r"task 'place\.z', row 1: a label is not a number"),
    ],
)
def test_labels_that_are_no_vectors_are_one_line(labels: np.ndarray, text: str) -> None:
    with pytest.raises(DataError, match=text) as caught:
        PLACE.encode(labels)
    assert "\n" not in str(caught.value)


def test_a_component_that_is_constant_is_named() -> None:
    labels = labels_with_gaps()
    labels[:, 1] = 7.0
    with pytest.raises(DataError, match=r"task 'place\.y'"):
        PLACE.fitted(labels)


def test_several_columns_for_a_task_of_one_number_are_refused_where_they_are_given() -> None:
    source = source_of(40, 0)
    for call in (
        lambda: pt.fit((Regression(name="place"),), [source]),
        lambda: Study([source], (Regression(name="place"), Binary(name="sign")), test=lambda: (source,)),
        lambda: prepare_data([source], [Regression(name="place")], validation_fraction=0.2, seed=0),
    ):
        with pytest.raises(
            DataError, match=r"source 'table', 'place': exactly one entry per row.*shape \(40, 3\).*VectorRegression"
        ) as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("arm", ["trees", "linear"])
def test_baselines_refuse_vectors_in_one_line(arm: str, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    tasks = (PLACE, Binary(name="sign"))
    study = Study([source_of(60, 0)], tasks, ["single", "equal", arm], 2, test=lambda: (source_of(40, 1),), workers=1)
    with pytest.raises(ConfigError, match=r"does not support this kind of task \(found vector\)") as caught:
        study.run(tmp_path / "run")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["vector(columns=[x, y])", VectorRegression, PLACE])
def test_tables_refuse_vectors_in_one_line(kind: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.arange(40.0), "y": np.arange(40.0), "z": np.arange(40.0), "a": np.arange(40.0)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    calls: list[Callable[[], Any]] = [
        lambda: source_from_table(frame, {"place": kind}),
        lambda: MultiTaskEstimator({"place": kind, "z": None}).fit(frame[["a"]], frame[["x", "y", "z"]]),
    ]
    if isinstance(kind, str):
        calls.append(lambda: load_tables({"t": TableOptions(str(tmp_path / "t.csv"), {"place": kind, "z": None})}))
    for call in calls:
        with pytest.raises((ConfigError, DataError), match=r"target 'place': a target of a table is one column") as caught:
            call()
        assert "\n" not in str(caught.value)
