"""Names of devices, where they are given, and what a run records of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import LABELS, SHORT, TASKS, X, source
from stand_in import StandInDevice

import polytask as pt
from polytask import devices
from polytask.data.memmap import is_memmap
from polytask.devices import describe_device, resolve_device, stored_name, worker_devices
from polytask.errors import ConfigError
from polytask.options import make_training_options
from polytask.storage import load_state
from polytask.training.loop.training_loop import TrainingLoop
from polytask.training.preparation import resident_data as residence

RUN: dict[str, Any] = {**SHORT, "encoder": "mlp(hidden=(8,))", "steps_per_epoch": 1}


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two accelerators of NVIDIA, as far as names go."""
    monkeypatch.setattr(devices, "_COUNTS", {**devices._COUNTS, "cuda": lambda: 2})


def test_auto_is_the_cpu_where_there_is_no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_COUNTS", {"cpu": lambda: 1, "cuda": lambda: 0, "xpu": lambda: 0, "mps": lambda: 0})
    assert resolve_device("auto") == torch.device("cpu")


@pytest.mark.usefixtures("two_gpus")
def test_names_stand_for_devices() -> None:
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda", 0)
    assert resolve_device(torch.device("cuda", 1)) == torch.device("cuda", 1)
    assert stored_name(torch.device("cuda", 0), "auto") == "cuda"
    with pytest.raises(
        ConfigError, match=r"^device: this machine has no such device \(found cuda:2\)\. Choose from: cuda:0, cuda:1, cpu\.$"
    ):
        resolve_device("cuda:2")


@pytest.mark.usefixtures("two_gpus")
def test_networks_take_the_devices_in_turn() -> None:
    assert [str(device) for device in worker_devices(resolve_device("cuda"), "cuda")] == ["cuda:0", "cuda:1"]
    assert [str(device) for device in worker_devices(resolve_device("cuda:1"), "cuda:1")] == ["cuda:1"]


@pytest.mark.parametrize("given", ["gpu", "cuda:x", "", "meta", "cuda:-1"])
def test_an_unknown_name_is_one_line(given: str) -> None:
    with pytest.raises(ConfigError, match="unknown device") as error:
        make_training_options(device=given)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="unknown device"):
        resolve_device(given)


def test_what_this_build_cannot_use_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_COUNTS", {**devices._COUNTS, "mps": lambda: 0})
    monkeypatch.setattr(devices, "_BUILT", {"mps": lambda: False})
    with pytest.raises(ConfigError, match=r"^device: this build of PyTorch cannot use mps \(found mps\)\. Choose cpu, or auto\.$"):
        pt.fit(TASKS, [source()], device="mps", **RUN)


def test_the_default_is_the_cpu_and_changes_nothing() -> None:
    runs = [pt.fit(TASKS, [source()], **RUN, **choices) for choices in ({}, {"device": "cpu"}, {"device": torch.device("cpu")})]
    assert {run.options.device for run in runs} == {"cpu"}
    for one, *others in zip(*(run.model.parameters() for run in runs), strict=True):
        assert all(torch.equal(one, other) for other in others)


def test_a_run_records_its_device(tmp_path: Path) -> None:
    table = {"x": X[:, 0], "y": X[:, 1], "z": X[:, 2]}
    pt.train(table, targets=["y", "z"], out=tmp_path / "run", epochs=1, workers=1, device="cpu", threads=1)
    facts = json.loads((tmp_path / "run" / "environment.json").read_text(encoding="utf-8"))
    assert {"device": facts["device"], "precision": facts["precision"]} == {"device": "cpu", "precision": "float32"}
    assert describe_device(torch.device("cpu")) == {"device": "cpu"}
    model = pt.load(tmp_path / "run", device="cpu")
    assert model.predict({"x": X[:3, 0]}).shape == (3, 2)
    with pytest.raises(ConfigError, match="unknown device"):
        pt.load(tmp_path / "run", device="gpu")


def test_a_saved_model_predicts_on_another_device(stand_in: StandInDevice, tmp_path: Path) -> None:
    table = {"x": X[:, 0], "y": X[:, 1], "z": X[:, 2]}
    pt.train(table, targets=["y", "z"], out=tmp_path / "run", epochs=1, workers=1, threads=1)
    there, here = (pt.load(tmp_path / "run", device=device).predict({"x": X[:5, 0]}) for device in ("meta", "cpu"))
    np.testing.assert_allclose(there.to_numpy(float), here.to_numpy(float), rtol=1e-6)


def test_small_sources_stay_on_the_device(
    stand_in: StandInDevice, loop_on: Callable[..., TrainingLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = loop_on("meta").data.training["rows"].rows
    assert rows.device.type == "meta"
    assert rows.all_inputs is loop_on("meta").data.training["rows"].rows.all_inputs or rows.all_inputs.device.type == "meta"
    monkeypatch.setattr(residence, "UNKNOWN_MEMORY", 1_000)
    large = loop_on("meta")
    assert large.data.training["rows"].rows.device.type == "cpu"
    assert all(batch.device.type == "meta" for batches in large.epoch_batches() for batch in batches.values())


def test_float16_scales_the_losses_and_goes_on(tmp_path: Path) -> None:
    choices = {**RUN, "precision": "float16", "epochs": 2, "steps_per_epoch": None}
    whole = pt.fit(TASKS, [source()], "cagrad", checkpoint=tmp_path / "whole", **choices)
    pt.fit(TASKS, [source()], "cagrad", checkpoint=tmp_path / "halves", stop_after_epoch=1, **choices)
    assert load_state(tmp_path / "halves")["scaler"]["scale"] > 1
    rest = pt.fit(TASKS, [source()], "cagrad", checkpoint=tmp_path / "halves", **choices)
    start = pt.fit(TASKS, [source()], "cagrad", **{**choices, "lr": 1e-30})
    for one, other, first in zip(whole.model.parameters(), rest.model.parameters(), start.model.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.isfinite().all()
        assert not torch.equal(one, first)


def test_an_estimator_hands_on_its_device() -> None:
    estimator = pt.MultiTaskEstimator(device="gpu", epochs=1)
    with pytest.raises(ConfigError, match="unknown device"):
        estimator.fit(X, {"b": LABELS["b"], "a": LABELS["a"]})
    assert not is_memmap(X)
