"""Names, classes and objects of users go through training, studies with workers, files and models."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

import polytask as pt
from polytask.balancing import CAGrad
from polytask.encoders import MLP
from polytask.errors import ConfigError, StorageError
from polytask.options import StudyConfig, checked
from polytask.registry import importing, registered
from polytask.storage import read_yaml
from polytask.studies import Study, StudyResult
from polytask.studies.execution.baseline_fit import fit_baseline
from polytask.tasks import Predictions
from polytask.training import prepare_data

TASKS = (pt.tasks.Regression(name="sum"), pt.tasks.Regression(name="first"))
FEW: dict[str, Any] = {"seeds": 2, "training": {"epochs": 2, "patience": None}}


def table(rows: int = 120, seed: int = 0) -> pt.Source:
    x = np.random.default_rng(seed).normal(size=(rows, 3)).astype("float32")
    return pt.Source("toy", x, {"sum": x.sum(1), "first": x[:, 0]})


def study(**choices: Any) -> Study:
    return Study([table()], TASKS, test=lambda: (table(60, 1),), **{**FEW, **choices})


@pytest.fixture
def parts(compass: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The classes of a package of a user, which is not installed: its folder is named."""
    monkeypatch.setattr(registered, "_registered", dict(registered._registered))
    monkeypatch.setattr(importing, "_folders", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    pt.add_import_path(compass)
    from compass import baselines, networks, training

    return SimpleNamespace(**vars(networks) | vars(training) | vars(baselines))


@pytest.fixture
def arms(parts: Any) -> list[Any]:
    """One of every way to give an arm."""
    mine = pt.Arm("theirs", balancer=parts.LossPower(power=0.25), architecture=parts.Scaled, encoder=parts.OneLayer((9,), width=4))
    return ["single", mine, parts.LossPower, "smooth-weights:compass.training:LossPower(power=0.75)", CAGrad(c=0.2)]


NAMES = ["single", "theirs", "compass.training:LossPower", "smooth-weights:compass.training:LossPower(power=0.75)", "cagrad(c=0.2)"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_study_of_what_users_have_written(parts: Any, arms: list[Any], tmp_path: Path, workers: int) -> None:
    planned = study(arms=arms, encoder=MLP((3,), hidden=(5,)), workers=workers)
    result = planned.run(tmp_path / "run", keep=True)
    assert [arm.name for arm in planned.arms] == NAMES
    assert set(result.verdict.tasks["sum"].arms) == set(NAMES[1:])
    written = read_yaml(tmp_path / "run" / "run.yaml")
    assert written["arms"][1] == {
        "name": "theirs",
        "balancer": "compass.training:LossPower(power=0.25)",
        "architecture": "compass.networks:Scaled",
        "encoder": "compass.networks:OneLayer(width=4)",
    }
    assert written["encoder"] == "mlp(hidden=(5,))"
    if workers == 2:
        _fed_back(parts, tmp_path, result)


def _fed_back(parts: Any, tmp_path: Path, result: StudyResult) -> None:
    """A run.yaml repeats the study where its import paths are allowed; its bytes are the same."""
    written = read_yaml(tmp_path / "run" / "run.yaml")
    with pytest.raises(
        ConfigError, match=r"run.yaml, arms, encoder: import paths .* not followed \(found compass.networks:OneLayer\).*--allow-imports"
    ):
        checked(StudyConfig, written, where="run.yaml")
    config = checked(StudyConfig, written, where="run.yaml", imports=True)
    again = Study([table()], TASKS, test=lambda: (table(60, 1),), config=config).run(tmp_path / "again")
    names = ("predictions.parquet", "verdict.json", "history.csv")
    assert all((result.folder / name).read_bytes() == (again.folder / name).read_bytes() for name in names)


def test_objects_names_and_classes_train_the_same_networks(parts: Any) -> None:
    ways = [parts.LossPower(power=0.5), parts.LossPower, "compass.training:LossPower(power=0.5)", "compass.training:LossPower"]
    shared = ["compass.networks:Scaled", parts.Scaled, parts.Scaled(MLP((7,)), ("x",)), "compass.networks:Scaled(start=1.0)"]
    encoders = [parts.OneLayer, "compass.networks:OneLayer", parts.OneLayer((8,)), "compass.networks:OneLayer(width=3)"]
    runs = [
        pt.fit(TASKS, [table()], balancer, architecture=sharing, encoder=encoder, epochs=2, patience=None)
        for balancer, sharing, encoder in zip(ways, shared, encoders, strict=True)
    ]
    first, *others = (run.model.state_dict() for run in runs)
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)
    assert isinstance(runs[0].model.architecture, parts.Scaled)


def test_a_callback_goes_on_where_a_run_was_interrupted(parts: Any, tmp_path: Path) -> None:
    def trained(callback: Any, **choices: Any) -> Any:
        return pt.fit(
            TASKS, [table()], callbacks=[callback], epochs=4, patience=None, batch_size=32, checkpoint=tmp_path / "state", **choices
        )

    half = trained("compass.training:StepCount", stop_after_epoch=2)
    whole = trained(parts.StepCount)
    assert half.callback_results["step-count"]["steps"] * 2 == whole.callback_results["step-count"]["steps"] == whole.steps


def test_two_callbacks_look_on_side_by_side(parts: Any) -> None:
    run = pt.fit(TASKS, [table()], callbacks=["affinity(every=1)", parts.StepCount()], epochs=1, batch_size=32)
    assert run.callback_results["affinity"]["steps"] == run.callback_results["step-count"]["steps"] == run.steps


@pytest.mark.parametrize(
    ("callbacks", "text"),
    [
        ("affinity", "a list of callbacks is needed"),
        (["affinty"], "Did you mean 'affinity'"),
        ([CAGrad()], r"a callback is needed \(found a balancer, CAGrad\)"),
        (["affinity", "affinity(every=2)"], "callbacks must have different names"),
    ],
)
def test_what_is_no_callback(callbacks: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        pt.fit(TASKS, [table()], callbacks=callbacks)


def test_any_training_loop_takes_a_balancer_by_name(parts: Any) -> None:
    trunk = torch.tensor([1.0, 2.0], requires_grad=True)
    for balancer in (
        "compass.training:LossPower(power=0.0)",
        parts.LossPower(power=0.0),
        "equal",
        "smooth-weights:equal",
        CAGrad(c=0.0, rescale=0),
    ):
        trunk.grad = None
        pt.Backward(balancer, tasks=("a", "b"))({"a": (trunk**2).sum(), "b": trunk.sum()})
        assert trunk.grad is not None
        assert trunk.grad.tolist() == pytest.approx([3.0, 5.0])
    with pytest.raises(ConfigError, match=r"a balancer is needed \(found an encoder, MLP\)"):
        pt.Backward(MLP((2,)), tasks=("a", "b"))


def test_a_model_never_imports(parts: Any, tmp_path: Path) -> None:
    planned = study(arms=["single", "equal"], encoder=parts.OneLayer, architecture=parts.Scaled(MLP((1,)), ("x",), start=0.5), workers=1)
    folder = planned.run(tmp_path / "run").folder
    with pytest.raises(ConfigError, match=r"not followed \(found compass.networks:OneLayer, compass.networks:Scaled\)") as caught:
        pt.load(folder)
    assert "components=[OneLayer, Scaled]" in str(caught.value)
    assert "--component compass.networks:OneLayer --component compass.networks:Scaled" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"found compass.networks:Scaled\)"):
        pt.load(folder, components=[parts.OneLayer])
    with pytest.raises(ConfigError, match="a list of classes or objects"):
        pt.load(folder, components=None)  # type: ignore[arg-type]
    inputs = table(5, 2).inputs
    handed_in = pt.load(folder, components=[parts.OneLayer, parts.Scaled]).predict(inputs)
    assert handed_in.equals(pt.load(folder, components=[parts.OneLayer((3,)), parts.Scaled]).predict(inputs))
    pt.register("encoder", "narrow", "compass.networks:OneLayer")
    pt.register("architecture", "scaled", parts.Scaled)
    assert handed_in.equals(pt.load(folder).predict(inputs))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_registered_names_reach_workers_and_files(parts: Any, tmp_path: Path, workers: int) -> None:
    pt.register("balancer", "theirs", "compass.training:LossPower")
    pt.register("encoder", "narrow", parts.OneLayer)
    arms = ["single", "theirs(power=0.25)", parts.LossPower(power=0.5)]
    result = study(arms=arms, encoder="narrow", workers=workers).run(tmp_path / "run")
    assert set(result.verdict.tasks["sum"].arms) == {"theirs(power=0.25)", "theirs(power=0.5)"}
    assert checked(StudyConfig, read_yaml(tmp_path / "run" / "run.yaml"), where="run.yaml").encoder == "narrow"
    assert pt.load(result.folder).tasks


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_baseline_is_an_arm_however_it_is_given(parts: Any, tmp_path: Path, workers: int) -> None:
    """A name, an import path, a class and an object give the same predictions: those of the nearest training row."""
    pt.register("baseline", "nearest", "compass.baselines:NearestRow")
    texts = ["nearest(rows=40)", "compass.baselines:NearestRow", parts.NearestRow(rows=60)]
    arms = ["single", "equal", *texts]
    result = study(arms=arms, workers=workers).run(tmp_path / "run")
    assert set(result.predictions["arm"]) == {"single", "equal", "nearest(rows=40)", "compass.baselines:NearestRow", "nearest(rows=60)"}
    assert result.recommendation.arm in (None, "single", "equal")
    assert "never recommended: nearest (rows=40), nearest row, nearest (rows=60)." in " ".join(result.summary["notes"])
    assert read_yaml(tmp_path / "run" / "run.yaml")["arms"][2:] == ["nearest(rows=40)", "compass.baselines:NearestRow", "nearest(rows=60)"]
    by_class = study(arms=["single", "equal", parts.NearestRow], workers=1).run(tmp_path / "class")
    ours = result.predictions[result.predictions["arm"] == "compass.baselines:NearestRow"]
    theirs = by_class.predictions[by_class.predictions["arm"] == "nearest"]
    assert ours["prediction"].tolist() == theirs["prediction"].tolist()
    test = table(60, 1)
    training = prepare_data([table()], TASKS[:1], validation_fraction=0.2, seed=0).training["toy"]
    rows = training.rows.inputs.double().numpy()
    nearest = ((test.inputs[:, None].astype(float) - rows) ** 2).sum(axis=2).argmin(axis=1)
    first = ours[(ours["task"] == "sum") & (ours["seed"] == 0)]
    assert np.array_equal(first["prediction"].astype(float), training.truths["sum"][nearest])


@pytest.mark.parametrize(
    ("arm", "text"),
    [
        ("compass.baselines:NearestRow@mmoe", "a baseline has no network (found mmoe)"),
        ("compass.baselines:NearestRow(row=3)", "these options do not fit (found 'row'). Did you mean 'rows'"),
        ("compass.networks:OneLayer", "a balancer is needed (found the class OneLayer, an encoder)"),
        ("compass.baselines:Nearest", "the module has no such class (found compass.baselines:Nearest). Did you mean 'NearestRow'"),
        ("trees(max_iterations=5)", "an integer of at least 10 is needed (found 5)"),
    ],
)
def test_what_is_no_baseline(parts: Any, arm: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)) as caught:
        study(arms=["single", "equal", arm], workers=1).run(tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("run.yaml"))


def test_a_baseline_gives_one_prediction_per_row(parts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer, found in ((Predictions(np.zeros(3), None), r"values of shape \(3,\)"), (np.zeros(24), "ndarray")):
        monkeypatch.setattr(parts.NearestRow, "predict", lambda self, inputs, answer=answer: answer)
        with pytest.raises(
            ConfigError, match=rf"NearestRow.predict: `Predictions` with values of shape \(24,\) are needed \(found {found}"
        ):
            fit_baseline(parts.NearestRow(), TASKS[0], [table()], validation_fraction=0.2, seed=0)


def test_baselines_share_their_names_with_balancers(parts: Any) -> None:
    with pytest.raises(ConfigError, match="this name is taken"):
        pt.register("baseline", "equal", parts.NearestRow)
    with pytest.raises(ConfigError, match="this name is taken"):
        pt.register("balancer", "trees", parts.LossPower)


def test_tuning_looks_where_a_class_says(parts: Any, tmp_path: Path) -> None:
    result = study(arms=["single", parts.LossPower], tune=("balancer",), trials=2, workers=1).run(tmp_path / "run")
    assert "balancer.power" in (result.folder / "race.json").read_text(encoding="utf-8")


class Fails(MLP):  # type: ignore[misc] # the tests may
    """A class of the main program, as it seems."""


Fails.__module__ = "__main__"


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ({"encoder": Fails}, "study, encoder '__main__:Fails': a class of the main program cannot be stored"),
        ({"encoder": nn.Linear(3, 2)}, "study, encoder: an encoder is needed (found the PyTorch module Linear). Give its class"),
        ({"encoder": "lenat"}, "Did you mean 'lenet'"),
        ({"architecture": MLP}, "study, architecture: an architecture is needed (found the class MLP, an encoder)"),
        ({"architecture": "mmeo"}, "Did you mean 'mmoe'"),
        ({"architecture": "mmoe(expertz=3)"}, "these options do not fit (found 'expertz'). Did you mean 'experts'"),
        ({"arms": ["single", MLP((3,))]}, "a balancer is needed (found an encoder, MLP)"),
        ({"arms": ["single", {"name": "x", "balancr": "equal"}]}, "unknown part of an arm (found 'balancr'). Did you mean 'balancer'"),
        ({"arms": ["single", {"balancer": "equal"}]}, "an arm must have a name"),
        ({"arms": ["single", {"name": "single"}]}, "this name is reserved"),
        (
            {"arms": ["single", {"name": "x", "balancer": "equl"}]},
            "arm 'x', balancer: unknown balancer (found 'equl'). Did you mean 'equal'",
        ),
        ({"arms": ["single", pt.Arm("x"), pt.Arm("x")]}, "an arm must be listed only once"),
        ({"training": {"sampling": "temprature"}}, "Did you mean 'temperature'"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_where_it_is_passed(choices: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        study(**{"arms": ["single", "equal"], **choices})
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_arm_refuses_what_cannot_travel(parts: Any) -> None:
    class Local(parts.LossPower):  # type: ignore[misc, name-defined]
        """In a function."""

    with pytest.raises(ConfigError, match=r"a class inside a function cannot be stored .* Move it to a module"):
        pt.Arm("local", balancer=Local())
    pt.register("balancer", "local", Local)
    with pytest.raises(ConfigError, match=r"balancer 'local': a class inside a function"):
        study(arms=["single", "local"])
    assert pt.fit(TASKS, [table()], Local(power=0.1), epochs=1).epochs == 1, "here it may be used"


def test_a_folder_of_somebody_else_imports_nothing_new(parts: Any, tmp_path: Path) -> None:
    """A run goes on from its run.yaml: who can write there could have it import anything."""
    stopped = study(arms=["single", "equal"], workers=1)
    stopped._rows = replace(stopped._rows, load_test=_closed)
    with pytest.raises(RuntimeError, match="closed"):
        stopped.run(tmp_path / "run")
    config = tmp_path / "run" / "run.yaml"
    content = read_yaml(config)
    content["encoder"] = "compass.networks:OneLayer"
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run.yaml, encoder: import paths .* not followed"):
        study(arms=["single", "equal"], workers=1).run(tmp_path / "run")
    with pytest.raises(StorageError, match="this folder holds another unfinished run"):
        study(arms=["single", "equal"], encoder="compass.networks:OneLayer(width=2)", workers=1).run(tmp_path / "run")


def _closed() -> tuple[pt.Source, ...]:
    raise RuntimeError("closed")


def test_errors_and_bases_stand_at_the_top() -> None:
    assert pt.errors.ConfigError is pt.ConfigError
    assert issubclass(CAGrad, pt.Balancer)
    assert issubclass(MLP, pt.Encoder)
    assert {"Architecture", "Callback", "Task", "Arm", "ComponentSpec", "register", "PolytaskError"} <= set(pt.__all__)
