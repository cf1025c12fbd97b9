"""The recipe for a new kind of task holds: its file and its row are enough for everything that is done with tasks."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.data import Source
from polytask.metrics import compute_metrics, metric_of, trivial_predictions
from polytask.registry import register, registered
from polytask.report.contents.run_contents import read_contents
from polytask.tasks import task_from_dict


@pytest.fixture
def angle(compass: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the new kind, which has a row in the registry."""
    monkeypatch.syspath_prepend(compass)
    monkeypatch.setattr(registered, "_registered", dict(registered._registered))
    register("task kind", "angle", "compass.angle:Angle")
    from compass import angle

    return angle


def table(rows: int, seed: int) -> Source:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3)).astype(np.float32)
    wind = np.rad2deg(np.arctan2(x[:, 1], x[:, 0]) + 0.2 * random.normal(size=rows)) % 360
    wind[::9] = np.nan
    return Source("table", x, {"wind": wind, "height": x[:, 2] + 0.3 * random.normal(size=rows)})


def test_it_trains_and_is_stored_and_loaded(angle: ModuleType) -> None:
    task = angle.Angle(name="wind")
    run = pt.fit(pt.MultiTaskModel(pt.encoders.MLP((3,), hidden=(32,)), (task,)), [table(300, 0)], epochs=20, lr=0.01, threads=1)
    assert run.validation["wind"]["angular-error"] < 40
    assert run.relative_score > 0.5
    assert task_from_dict(task.to_dict()) == task


def test_its_first_metric_is_not_written_down(angle: ModuleType) -> None:
    assert repr(angle.Angle(name="wind")) == "Angle(name='wind')"
    assert str(angle.Angle(name="wind", weight=2.0)) == "angle(weight=2.0)"


def test_a_study_of_it_comes_to_a_verdict_a_report_and_a_model(angle: ModuleType, tmp_path: Path) -> None:
    tasks = (angle.Angle(name="wind"), pt.tasks.Regression(name="height"))
    training: dict[str, Any] = {"epochs": 4, "lr": 0.01, "threads": 1}
    study = pt.Study([table(240, 0)], tasks, ["single", "equal"], 2, test=lambda: (table(120, 1),), workers=1, training=training)
    result = study.run(tmp_path / "run")
    verdict = result.verdict.tasks["wind"]
    assert (verdict.kind, verdict.metric, verdict.higher_is_better) == ("angle", "angular-error", False)
    assert read_contents(tmp_path / "run").outcome.tasks["wind"].kind == "angle"
    predictions = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    again = pt.verdict(predictions, kinds={"wind": "angle"}, chosen="equal")
    assert again.tasks["wind"] == verdict
    column = pt.verdict(predictions.assign(kind=predictions["task"].map({"wind": "angle", "height": "regression"})), chosen="equal")
    assert column.tasks["wind"] == verdict
    answers = pt.load(tmp_path / "run").predict(table(5, 2).inputs)["wind"]
    assert ((answers >= 0) & (answers < 360)).all()


def test_a_table_has_it_by_its_name(angle: ModuleType) -> None:
    source = table(200, 0)
    X, Y = pd.DataFrame(source.inputs, columns=["a", "b", "c"]), pd.DataFrame({"wind": source.labels["wind"]})
    training = {"lr": 0.01}
    estimator = pt.MultiTaskEstimator({"wind": "angle"}, epochs=15, random_state=0, training=training).fit(X, Y)
    assert isinstance(estimator.tasks_[0], angle.Angle)
    assert estimator.score(X, Y) > 0.3


def test_its_trivial_predictor_and_its_metric_are_its_own(angle: ModuleType) -> None:
    task = angle.Angle(name="wind")
    blind = trivial_predictions(task, np.array([350.0, 50.0]), np.array([290.0]))
    assert blind.predictions == pytest.approx([20.0])
    assert metric_of(task) is angle.ANGULAR_ERROR
    assert compute_metrics(blind, task.available_metrics) == pytest.approx({"angular-error": 90.0})


def test_nobody_takes_a_column_for_it(angle: ModuleType) -> None:
    """What is installed beside polytask changes nothing of what labels are taken for."""
    del angle
    from polytask.tasks.type_of_target import LabelFacts, suggested_kind

    assert suggested_kind(LabelFacts.of(np.array([10.5, 200.0, 350.0]))) == "regression"
