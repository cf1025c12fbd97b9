"""The choice of a model by the estimator and by `polytask train`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.errors import ConfigError, StorageError
from polytask.studies import choice_run
from polytask.table_arms import model_choice as choosing

pytest.importorskip("sklearn")
ROWS = 80
QUICK = ("trivial", "linear", "linear@shared")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes seconds."""
    monkeypatch.setattr("polytask.estimators.base.ARMS", QUICK)
    monkeypatch.setattr(choosing.choose_model, "__kwdefaults__", {**choosing.choose_model.__kwdefaults__, "arms": QUICK})


def shop() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(size=ROWS), "town": np.resize(["Oslo", "Rome", "Bern"], ROWS)})
    value = 3 * X["age"] + (X["town"] == "Rome") + 0.1 * rng.normal(size=ROWS)
    return X, pd.DataFrame({"value": value, "churn": np.where(value > 0, "yes", "no"), "claims": rng.poisson(np.exp(0.5 * X["age"]))})


KINDS = {"value": "regression", "churn": "binary", "claims": "count"}


@pytest.mark.usefixtures("quick")
def test_the_estimator_says_what_it_chose_and_repeats_it() -> None:
    X, Y = shop()
    first = pt.MultiTaskEstimator(KINDS, model="auto", random_state=0).fit(X, Y)
    table = first.choice_.table().set_index("target")
    assert table.loc["value", "loss"] < 0.05
    assert (table["loss"] <= 1.05).all()
    assert set(first.predict_proba(X)) == {"churn"}
    assert first.score(X, Y) > 0.5
    again = pt.MultiTaskEstimator(KINDS, model="auto", random_state=0, decisions=first.choice_.decisions, time_limit=1e-9).fit(X, Y)
    assert again.predict(X).equals(first.predict(X))


@pytest.mark.usefixtures("quick")
def test_a_time_limit_leaves_the_cheapest_arms() -> None:
    X, Y = shop()
    found = pt.MultiTaskEstimator(KINDS, model="auto", random_state=0, time_limit=1e-9).fit(X, Y)
    assert found.choice_.decisions["arms"] == ["trivial", "linear"]
    assert any("linear@shared was given up" in note for note in found.choice_.notes)


@pytest.mark.usefixtures("quick")
def test_what_no_input_tells_is_left_to_the_trivial_model() -> None:
    X, _ = shop()
    noise = pd.DataFrame({"noise": np.random.default_rng(5).normal(size=ROWS)})
    found = pt.MultiTaskEstimator({"noise": "regression"}, model="auto", random_state=0).fit(X, noise)
    assert found.choice_.blends["noise"].weights["trivial"] > 0.3


def test_groups_stay_together_out_of_fold() -> None:
    """Labels follow the group, of which an input is a copy: left out whole, it tells nothing."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 8)
    X = pd.DataFrame(np.eye(20)[groups], columns=[f"is{group}" for group in range(20)])
    Y = pd.DataFrame({"y": rng.normal(size=20)[groups]})
    known = pt.MultiTaskEstimator({"y": "regression"}, model="linear", random_state=0).fit(X, Y).choice_.blends["y"]
    apart = pt.MultiTaskEstimator({"y": "regression"}, model="linear", random_state=0).fit(X, Y, groups=groups).choice_.blends["y"]
    assert known.losses["linear"] < 0.05 * known.trivial
    assert apart.losses["linear"] > 0.8 * apart.trivial


def test_missing_packages_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "has_lightgbm", lambda: False)
    left, notes = choosing._available(choosing.ARMS)
    assert "trees" not in left
    assert {"linear", "network"} <= set(left)
    assert notes == ["trees is left out: LightGBM is not installed (pip install 'polytask[trees]')"]
    with pytest.raises(ConfigError, match="no model is left"):
        choosing._available(["trees"])


@pytest.mark.parametrize(
    ("model", "kind", "message"), [("tres", "regression", "Did you mean 'trees'"), ("auto", "quantile", "classes, numbers and")]
)
def test_what_cannot_be_chosen_is_one_line(model: str, kind: str, message: str) -> None:
    X, Y = shop()
    with pytest.raises(ConfigError, match=message) as caught:
        pt.MultiTaskEstimator({"value": kind}, model=model).fit(X, Y)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.usefixtures("quick")
def test_training_stores_the_choice_and_what_is_loaded_predicts_the_same(tmp_path: Path) -> None:
    X, Y = shop()
    table = pd.concat([X, Y], axis=1)
    run = pt.train(table, targets=KINDS, model="auto", out=tmp_path / "run")
    assert "out of fold" in str(run)
    model = pt.load(tmp_path / "run")
    direct = run.model.predict(model.networks[0].codings["table"].encode(X), model.networks[0].codings["table"])
    assert model.predict(X)["value"].tolist() == direct["value"].values.tolist()
    assert np.array_equal(model.predict_proba(X)["churn"], direct["churn"].probabilities)
    assert pd.read_csv(tmp_path / "run" / "choice.csv")["target"].tolist() == list(KINDS)
    values = tmp_path / "run" / "model" / "choice" / "values.json"
    values.write_bytes(values.read_bytes().replace(b"linear", b"linean", 1))
    with pytest.raises(StorageError, match="damaged"):
        pt.load(tmp_path / "run")


def test_a_run_that_was_killed_after_its_decisions_completes_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decisions of the clock are stored before the model; the same command goes on from them."""
    monkeypatch.setattr(choosing, "_available", lambda _: (("trivial", "linear"), []))
    X, Y = shop()
    table = pd.concat([X, Y[["value", "churn"]]], axis=1)
    for name in ("whole", "killed"):
        with monkeypatch.context() as context:
            if name == "killed":
                context.setattr(choice_run, "write_dataframe", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
                with pytest.raises(KeyboardInterrupt):
                    pt.train(table, targets=["value", "churn"], model="auto", out=tmp_path / name)
        pt.train(table, targets=["value", "churn"], model="auto", out=tmp_path / name)
    for file in ("choice.csv", "model/choice/tensors.safetensors", "model/choice/values.json"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes(), file


def test_a_study_does_not_choose_a_model() -> None:
    X, Y = shop()
    with pytest.raises(ConfigError, match="only training chooses a model"):
        pt.study(pd.concat([X, Y], axis=1), targets=KINDS, model="auto")


@pytest.mark.slow
def test_all_arms_are_stored_and_predict_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytask.table_arms.network_arm.preset_training_options", lambda *_: {"epochs": 2, "batch_size": 32})
    monkeypatch.setattr("polytask.table_arms.light_trees.MOST_ROUNDS", 30)
    monkeypatch.setattr("polytask.table_arms.model_choice.MANY_FOLDS", 2)
    X, Y = shop()
    table = pd.concat([X, Y[["value", "churn"]]], axis=1)
    run = pt.train(table, targets=["value", "churn"], model="auto", out=tmp_path / "run")
    tried = set(run.model.decisions["arms"])
    assert tried == set(choosing._available(choosing.ARMS)[0])
    coding = pt.load(tmp_path / "run").networks[0].codings["table"]
    direct = run.model.predict(coding.encode(X), coding)
    assert pt.load(tmp_path / "run").predict(X)["value"].tolist() == direct["value"].values.tolist()
