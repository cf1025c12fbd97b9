"""Compilation of encoders: the same names and files, the same numbers up to round-off, and one line where it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import polytask as pt
from polytask.encoders import Encoder
from polytask.errors import ConfigError
from polytask.storage import load_state
from polytask.training.preparation.compiled_encoders import compiled_encoders

X = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
SOURCE = pt.Source("rows", X, {"a": X[:, 0], "b": (X[:, 1] > 0).astype("int64")})
TASKS = (pt.tasks.Regression(name="a"), pt.tasks.Binary(name="b"))
CHOICES: dict[str, Any] = {"epochs": 2, "batch_size": 16, "threads": 1, "precision": "float32"}


def _fit(backend: str, balancer: str = "equal", **choices: Any) -> pt.training.FitResult:
    return pt.fit(TASKS, [SOURCE], balancer, **{"encoder": "mlp(hidden=(8, 6))", **CHOICES, "compile": backend, **choices})


def _same(one: pt.training.FitResult, other: pt.training.FitResult) -> None:
    assert list(one.model.state_dict()) == list(other.model.state_dict())
    for name, tensor in one.model.state_dict().items():
        torch.testing.assert_close(tensor, other.model.state_dict()[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("architecture", ["hard", "mmoe", "cross-stitch"])
@pytest.mark.parametrize("balancer", ["equal", "cagrad", "graddrop", "famo"])
def test_a_compiled_run_is_the_plain_one_up_to_round_off(architecture: str, balancer: str) -> None:
    _same(*(_fit(backend, balancer, architecture=architecture) for backend in ("none", "aot_eager")))


@pytest.mark.parametrize("compiled", [False, True])
def test_only_stages_are_compiled_and_only_within_the_block(*, compiled: bool) -> None:
    model = pt.MultiTaskModel(pt.encoders.MLP((5,), hidden=(8,)), TASKS)
    if compiled:
        next(module for module in model.modules() if isinstance(module, Encoder)).stages[0].compile(backend="eager")
    names, before = list(model.state_dict()), repr(model)
    kept = [module._compiled_call_impl for module in model.modules()]
    with compiled_encoders(model, "eager"):
        inside = [name for name, module in model.named_modules() if module._compiled_call_impl is not None]
        assert inside
        assert all("encoder" in name for name in inside)
        assert (list(model.state_dict()), repr(model)) == (names, before)
    assert [module._compiled_call_impl for module in model.modules()] == kept


def test_a_run_goes_on_compiled_or_not(tmp_path: Path) -> None:
    whole, names = _fit("none"), []
    for first, second in (("none", "eager"), ("eager", "none")):
        folder = tmp_path / first
        _fit(first, checkpoint=folder, stop_after_epoch=1)
        names.append(sorted(load_state(folder)["model"]))
        _same(whole, _fit(second, checkpoint=folder))
    assert names[0] == names[1]


def test_a_table_is_trained_and_predicted_as_without(tmp_path: Path) -> None:
    table = {"x": X[:, 0], "y": X[:, 1], "z": X[:, 2]}
    found = []
    for backend in ("none", "eager"):
        out = tmp_path / backend
        pt.train(table, targets=["y", "z"], out=out, epochs=1, workers=1, threads=1, compile=backend)
        assert f"compile: {backend}" in (out / "run.yaml").read_text(encoding="utf-8")
        found.append(pt.load(out).predict({"x": X[:5, 0]}).to_numpy(float))
    np.testing.assert_allclose(*found, rtol=1e-4)


def test_an_estimator_takes_the_option() -> None:
    estimator = pt.MultiTaskEstimator(epochs=1, training={"compile": "eager"})
    assert estimator.fit(X, {"a": X[:, 0], "b": X[:, 1]}).predict(X[:3]) is not None


def test_an_encoder_that_cannot_be_compiled_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.exc import TorchDynamoException

    def failing(self: torch.nn.Module, **choices: Any) -> None:
        def call(*inputs: Any) -> None:
            raise TorchDynamoException("no compiler\nwas found")

        self._compiled_call_impl = call  # type: ignore[assignment]

    monkeypatch.setattr(torch.nn.Module, "compile", failing)
    with pytest.raises(
        ConfigError, match=r"^compile, backend 'inductor': the encoder cannot be compiled \(found no compiler\)\. Choose"
    ) as error:
        _fit("inductor")
    assert "\n" not in str(error.value)


def test_an_unknown_backend_is_one_line() -> None:
    with pytest.raises(ConfigError, match="compile"):
        _fit("fast")
