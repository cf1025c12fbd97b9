"""A task with functions of one's own: its losses, its trivial predictor, and how functions travel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import polytask as pt
from polytask.data import Source
from polytask.errors import ConfigError, DataError
from polytask.metrics import compute_metrics, find_metric, relative_score, trivial_predictions
from polytask.metrics.influence_functions import unit_contributions
from polytask.registry.resolve import resolve
from polytask.tasks import Custom, Outcome, Runs, masked_loss, task_from_dict

OWN = Path(__file__).parent / "own"


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of functions that can be imported."""
    monkeypatch.syspath_prepend(OWN)
    import own_functions

    return own_functions


@pytest.fixture
def price(own: ModuleType) -> Custom:
    return Custom(name="price", loss=own.huber, metric=own.median_error, higher_is_better=False, perfect=0.0)


@pytest.fixture
def place(own: ModuleType) -> Custom:
    return Custom(name="place", loss=own.distance, metric=own.median_distance, higher_is_better=False, outputs=2, label_size=2)


def points(rows: int) -> np.ndarray:
    """Labels of two numbers each, one of them missing."""
    labels = np.empty(rows, dtype=object)
    labels[:] = [(float(row), 0.5 - row) for row in range(rows)]
    labels[1] = None
    return labels


def table(rows: int = 300, seed: int = 0) -> Source:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4)).astype(np.float32)
    labels = np.empty(rows, dtype=object)
    labels[:] = list(zip(x[:, 1].tolist(), (x[:, 0] - 1).tolist(), strict=True))
    labels[::7] = None
    return Source("table", x, {"price": x[:, 0] + 0.2 * random.normal(size=rows), "place": labels})


def test_the_loss_is_the_mean_of_the_function_over_labeled_units(place: Custom, own: ModuleType) -> None:
    values, labeled = place.encode(points(4))
    outputs = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    loss = masked_loss(place, outputs, torch.from_numpy(values), torch.from_numpy(labeled))
    assert loss is not None
    expected = own.distance(outputs, torch.from_numpy(values))[[0, 2, 3]]
    assert (loss.count, loss.mean.item()) == (3, pytest.approx(expected.mean().item(), rel=1e-6))


def test_labels_and_predictions_of_several_numbers_are_rows_of_one_text(place: Custom) -> None:
    labels = points(3)[[0, 2]]
    assert place.metric_targets(labels).tolist() == ["0.0 0.5", "2.0 -1.5"]
    predictions = place.predict(torch.tensor([[0.25, -1.0]])).values
    assert predictions.tolist() == ["0.25 -1.0"]
    assert {name: own.tolist() for name, own in place.prediction_columns(predictions).items()} == {"place_0": [0.25], "place_1": [-1.0]}
    assert list(place.prediction_columns(predictions[:0])) == ["place_0", "place_1"]


def test_metrics_are_the_function_and_the_mean_loss(place: Custom, own: ModuleType) -> None:
    outcome = Outcome(np.array(["0.0 0.0", "1.0 0.0"], dtype=object), np.array(["3.0 4.0", "1.0 1.0"], dtype=object))
    assert compute_metrics(outcome, place.available_metrics) == {"median_distance": 3.0, "mean-loss": 13.0}
    mean_loss = find_metric(place.available_metrics[1])
    assert unit_contributions(mean_loss, outcome.targets, Runs(outcome.predictions[None])).tolist() == [[25.0, 1.0]]


def test_a_metric_that_polytask_knows_goes_by_its_name(own: ModuleType) -> None:
    task = Custom(name="price", loss=own.huber, metric="mae", selection_metric="mean-loss")
    assert [getattr(metric, "name", metric) for metric in task.available_metrics] == ["mae", "mean-loss"]
    run = pt.fit(pt.MultiTaskModel(pt.encoders.MLP((4,)), (task,)), [table()], epochs=2, threads=1)
    assert set(run.validation["price"]) == {"mae", "mean-loss"}


@pytest.mark.parametrize("seed", range(5))
def test_no_other_constant_has_a_smaller_loss_on_the_training_targets(price: Custom, seed: int) -> None:
    targets = np.random.default_rng(seed).exponential(3, size=40)
    found = trivial_predictions(price, targets, targets)
    assert len(set(found.predictions.tolist())) == 1
    ours = compute_metrics(found, price.available_metrics)["mean-loss"]
    others = [
        compute_metrics(Outcome(targets, np.full(40, other)), price.available_metrics)["mean-loss"] for other in np.linspace(0, 12, 200)
    ]
    assert ours <= min(others) + 1e-9


def test_the_trivial_predictor_may_be_given(own: ModuleType) -> None:
    task = Custom(name="price", loss=own.huber, metric=own.median_error, higher_is_better=False, trivial=own.median_of)
    assert trivial_predictions(task, np.array([1.0, 2.0, 9.0]), np.zeros(2)).predictions.tolist() == [2.0, 2.0]


def test_a_search_that_leads_nowhere_ends_where_it_began() -> None:
    """The loss falls for ever: there is no best constant."""
    task = Custom(name="price", loss=lambda z, y: -z.squeeze(1).exp() * (1 + 0 * y), metric="mae")
    assert trivial_predictions(task, np.array([1.0, 3.0]), np.zeros(1)).predictions.tolist() == [2.0]


def test_without_a_best_value_the_relative_score_is_in_units_of_the_trivial_predictor(price: Custom, place: Custom) -> None:
    known, unknown = find_metric(price.available_metrics[0]), find_metric(place.available_metrics[0])
    assert relative_score(known, 1.0, 4.0) == relative_score(unknown, 1.0, 4.0) == 0.75
    assert relative_score(unknown, -2.0, -1.0) == 1.0
    assert relative_score(unknown, 3.0, 0.0) == -3.0


def test_it_trains_and_predicts(price: Custom, place: Custom) -> None:
    torch.manual_seed(0)
    run = pt.fit(pt.MultiTaskModel(pt.encoders.MLP((4,), hidden=(32,)), (price, place)), [table()], epochs=20, lr=0.01, threads=1)
    assert run.relative_score > 0.5
    assert run.validation["price"]["median_error"] < 0.3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"loss": 3}, "task 'price', loss: expected a function or its name .found 3"),
        ({"metric": None}, "task 'price', metric: expected a function or its name"),
        ({"higher_is_better": None}, "Give higher_is_better=True or False"),
        ({"metric": "rmsee"}, "Did you mean 'rmse'"),
        ({"outputs": 0}, "task 'price', outputs: a whole number of at least 1"),
        ({"label_size": 1.5}, "task 'price', label_size: a whole number of at least 1"),
        ({"selection_metric": "rmse"}, "no such metric .found 'rmse'"),
        ({"name": ""}, "a task needs a name"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(own: ModuleType, options: dict[str, Any], text: str) -> None:
    whole = {"name": "price", "loss": own.huber, "metric": own.median_error, "higher_is_better": False, **options}
    with pytest.raises(ConfigError, match=text) as caught:
        Custom(**whole)
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_no_loss_per_unit_is_refused(own: ModuleType) -> None:
    task = Custom(name="price", loss=lambda outputs, targets: (outputs.squeeze(1) - targets).square().mean(), metric="mae")
    with pytest.raises(ConfigError, match=r"must return one number per unit, here 3 .*reduction='none'"):
        masked_loss(task, torch.zeros(3, 1), torch.zeros(3), None)


@pytest.mark.parametrize(("label", "found"), [((1.0,), r"\(1.0,\)"), (2.0, "2.0"), (("a", 1.0), "'a'")])
def test_a_label_of_another_size_is_refused_by_its_row(place: Custom, label: object, found: str) -> None:
    labels = points(3)
    labels[2] = label
    with pytest.raises(DataError, match=f"task 'place', row .*found {found}"):
        place.encode(labels)


class Squared:
    """A loss that is an object and has no name."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.squeeze(1) - targets).square()


def test_functions_without_an_import_path_train_but_are_not_written(own: ModuleType, place: Custom, tmp_path: Path) -> None:
    for loss in (lambda outputs, targets: 2 * own.huber(outputs, targets), Squared()):
        task = Custom(name="price", loss=loss, metric="mae")
        pt.fit(pt.MultiTaskModel(pt.encoders.MLP((4,)), (task,)), [table()], epochs=1, threads=1)
        study = pt.Study([table()], (task, place), ["single", "equal"], 2, test=tuple, workers=2)
        with pytest.raises(
            ConfigError, match=r"refer to a function by its import path .*Define it at the top of a module that can be imported"
        ) as caught:
            study.run(tmp_path / "run")
        assert "\n" not in str(caught.value)


def test_plain_data_have_the_paths_and_what_comes_from_them_imports_nothing(price: Custom, own: ModuleType) -> None:
    plain = json.loads(json.dumps(price.to_dict()))
    assert (plain["loss"], plain["metric"]) == ("own_functions:huber", "own_functions:median_error")
    loaded = task_from_dict(plain)
    assert loaded.predict(torch.tensor([[2.5]])).values.tolist() == [2.5]
    assert [getattr(metric, "name", metric) for metric in loaded.available_metrics] == ["median_error", "mean-loss"]
    assert loaded.to_dict() == plain
    for use in (
        lambda: masked_loss(loaded, torch.zeros(1, 1), torch.zeros(1), None),
        lambda: compute_metrics(Outcome(np.zeros(1), np.zeros(1)), loaded.available_metrics),
    ):
        with pytest.raises(ConfigError, match="a task from a file does not import its functions"):
            use()
    assert loaded.completed(price) == price


def test_an_import_path_that_is_given_in_python_is_imported_on_use(price: Custom) -> None:
    named = Custom(name="price", loss="own_functions:huber", metric="own_functions:median_error", higher_is_better=False, perfect=0.0)
    assert masked_loss(named, torch.zeros(1, 1), torch.zeros(1), None) == masked_loss(price, torch.zeros(1, 1), torch.zeros(1), None)
    assert named.to_dict() == price.to_dict()
    with pytest.raises(ConfigError, match="the module has no such function"):
        masked_loss(Custom(name="price", loss="own_functions:hubr", metric="mae"), torch.zeros(1, 1), torch.zeros(1), None)


def test_it_is_written_as_its_call_which_makes_it_again(price: Custom) -> None:
    assert repr(price).startswith("Custom(name='price', loss='own_functions:huber', metric='own_functions:median_error', ")
    for text in (str(price), repr(price).replace("name='price', ", "")):
        assert resolve("task kind", text).build(name="price").to_dict() == price.to_dict()
    with pytest.raises(ConfigError, match="cannot be parsed"):
        resolve("task kind", repr(Custom(name="price", loss=lambda outputs, targets: targets, metric="mae")))


@pytest.mark.slow
def test_a_loaded_model_predicts_where_the_functions_cannot_be_imported(price: Custom, place: Custom, tmp_path: Path) -> None:
    training: dict[str, Any] = {"epochs": 2, "threads": 1}
    study = pt.Study([table()], (price, place), ["single", "equal"], 2, test=lambda: (table(seed=1),), workers=1, training=training)
    result = study.run(tmp_path / "run")
    assert {name: task.kind for name, task in result.verdict.tasks.items()} == {"price": "custom", "place": "custom"}
    np.save(tmp_path / "inputs.npy", table(5, 2).inputs)
    program = (
        "import sys, numpy, polytask; model = polytask.load(sys.argv[1]); found = model.predict(numpy.load(sys.argv[2]));"
        "print(list(found), 'own_functions' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "run"), str(tmp_path / "inputs.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['price', 'place_0', 'place_1'] False"


def test_fifty_groups_of_units_stand_as_units(price: Custom, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [
        (arm, seed, "price", unit, target, target + error)
        for unit, target in enumerate(random.normal(size=200).tolist())
        for arm in ("single", "equal")
        for seed, error in enumerate(random.normal(size=3).tolist())
    ]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "task", "unit", "target", "prediction"])
    verdict = pt.verdict(frame, kinds={"price": price}).tasks["price"]
    assert (verdict.metric, verdict.units) == ("median_error", 50)
    assert verdict.arms["equal"].df <= 49
    shuffled = pt.verdict(frame.sample(frac=1, random_state=1), kinds={"price": price}).tasks["price"]
    assert shuffled == verdict


PROGRAM = """
import sys
import numpy as np
import own_functions as own
import polytask as pt
from polytask.data import Source

def table(rows, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4)).astype(np.float32)
    return Source("table", x, {"price": x[:, 0] + 0.2 * random.normal(size=rows), "other": x[:, 1]})

def test():
    return (table(100, 1),)

if __name__ == "__main__":
    task = pt.tasks.Custom(name="price", loss=own.huber, metric=own.median_error, higher_is_better=False)
    tasks = (task, pt.tasks.Regression(name="other"))
    for workers in (1, 2):
        study = pt.Study([table(160, 0)], tasks, ["single", "equal"], 2, test=test, workers=workers, training={"epochs": 2, "threads": 1})
        study.run(f"{sys.argv[1]}/{workers}")
"""


@pytest.mark.slow
def test_two_workers_study_it_as_one_does(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(OWN), *filter(None, [os.environ.get("PYTHONPATH")])])}
    subprocess.run([sys.executable, str(tmp_path / "program.py"), str(tmp_path)], env=environment, capture_output=True, check=True)
    for name in ("predictions.parquet", "verdict.json", "results.csv"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    assert "median_error" in (tmp_path / "1" / "results.csv").read_text(encoding="utf-8")
