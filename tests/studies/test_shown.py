"""What is printed of results is short and readable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import polytask as pt

TASKS = (pt.tasks.Regression(name="sum"), pt.tasks.Regression(name="first"))

TITLES = {"single": "separate networks", "equal": "plain sum", "uncertainty": "uncertainty weighting"}


def table(rows: int = 120, seed: int = 0) -> pt.Source:
    x = np.random.default_rng(seed).normal(size=(rows, 3)).astype("float32")
    return pt.Source("toy", x, {"sum": x.sum(1), "first": x[:, 0]})


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Any:
    study = pt.Study([table()], TASKS, arms=["single", "equal", "uncertainty"], seeds=2, test=lambda: (table(60, 1),), workers=1,
                     training={"epochs": 2})  # fmt: skip
    return study.run(tmp_path_factory.mktemp("study") / "run")


def short(shown: str, lines: int = 1) -> bool:
    """Whether a text fits on a screen."""
    return len(shown.splitlines()) <= lines and all(len(line) <= 200 for line in shown.splitlines())


def test_a_verdict_says_each_word_with_its_interval(result: Any) -> None:
    verdict = result.verdict
    assert short(repr(verdict))
    assert short(str(verdict), lines=25 + len(verdict.warnings))
    for task, own in verdict.tasks.items():
        assert f"{task}: rmse" in str(verdict)
        for arm, record in own.arms.items():
            assert f"  {TITLES[arm]}: {record.claim}, {'+' if record.difference > 0 else '-'}" in str(verdict)
        assert short(repr(own))
        assert "plain sum" in repr(own)
    assert "with separate networks" in str(verdict)


def test_a_result_names_the_recommendation_and_the_folder(result: Any) -> None:
    for sentence in (result.recommendation.headline, result.recommendation.risk, result.recommendation.next_step):
        assert sentence in str(result)
    assert str(result.folder) in str(result)
    assert short(repr(result))
    assert repr(result).startswith(f"<StudyResult: {TITLES[result.recommendation.arm]} recommended")


def test_a_run_names_its_metrics(tmp_path: Path) -> None:
    run = pt.fit(TASKS, [table()], epochs=2)
    assert short(str(run), lines=3)
    assert f"sum: rmse {run.validation['sum']['rmse']:.4g}" in str(run)
    assert repr(run) == "<FitResult of 2 epochs on sum, first>"


def test_a_model_names_what_it_predicts(result: Any) -> None:
    model = pt.load(result.folder)
    assert sorted(repr(model).removeprefix("<SavedModel that predicts ").removesuffix(" from toy>").split(", ")) == ["first", "sum"]
    assert all(short(repr(network)) for network in model.networks)


def test_a_representation_begins_with_its_class(result: Any) -> None:
    model = pt.load(result.folder)
    for own in (result, model, *model.networks):
        assert repr(own).startswith(f"<{type(own).__name__}")


def test_a_step_shows_losses_and_weights() -> None:
    trunk = torch.tensor([1.0, 2.0], requires_grad=True)
    backward = pt.Backward("fixed(weights={a: 0.5, b: 2})", tasks=("a", "b"))
    assert repr(backward) == "Backward(Fixed(weights={'a': 0.5, 'b': 2}), tasks=('a', 'b'))"
    report = backward({"a": (trunk**2).sum(), "b": trunk.sum()})
    assert str(report) == repr(report) == "<Report: a 5 (weight 0.5); b 3 (weight 2)>"
    skipping = pt.Backward("equal", tasks=("a", "b"), non_finite="drop")
    assert "dropped a" in repr(skipping({"a": (trunk * torch.inf).sum(), "b": trunk.sum()}))
