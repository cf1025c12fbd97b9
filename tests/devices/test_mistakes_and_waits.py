"""The device test finds mistakes that are planted, and counts how often a step waits for the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import SHORT, TASKS, source
from stand_in import DeviceMistakeError, StandInDevice
from torch import Tensor, nn

import polytask as pt
from polytask.balancing.gradient_based import moco
from polytask.data.preprocessing import normalization
from polytask.tasks import Regression
from polytask.training.optimization import layer_conflicts
from polytask.training.preparation.batch import Batch


class _ConstantOfTheCpu(Regression):
    """A task whose loss makes a tensor without a device."""

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().loss_per_unit(outputs, targets) + torch.zeros(len(targets))


class _NoiseOfTheCpu(nn.Module):
    """A layer that draws with a generator of the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.features = nn.Linear(6, 4), 4

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs) + torch.randn(inputs.shape[0], 4, generator=torch.Generator(), device=inputs.device)


class _NumpyOfTheDevice(nn.Module):
    """A layer that reads its inputs as an array."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.features = nn.Linear(6, 4), 4

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs) * float(inputs.numpy().max() if inputs.is_meta or inputs.device.type == "meta" else 1.0)


def _step(**choices: Any) -> object:
    chosen = {**SHORT, "device": "meta", "steps_per_epoch": 1, "optimizer_options": {"fused": False}, **choices}
    return pt.fit(chosen.pop("tasks", TASKS), [source()], chosen.pop("balancer", "equal"), **{"encoder": "mlp(hidden=(8,))", **chosen})


def test_no_mistake_is_found_where_there_is_none(stand_in: StandInDevice) -> None:
    _step()


def test_a_constant_of_a_loss_on_the_cpu_is_found(stand_in: StandInDevice) -> None:
    with pytest.raises(DeviceMistakeError, match="beside one of the stand-in device"):
        _step(tasks=(_ConstantOfTheCpu(name="a"), TASKS[1]))


def test_statistics_of_inputs_on_the_cpu_are_found(stand_in: StandInDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalization, "_constants_on", lambda values, *, dtype, device: torch.tensor(values, dtype=dtype))
    with pytest.raises(DeviceMistakeError, match="beside one of the stand-in device"):
        _step()


def test_targets_that_stay_on_the_cpu_are_found(stand_in: StandInDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Batch.to

    def without_targets(self: Batch, device: torch.device) -> Batch:
        moved = whole(self, device)
        object.__setattr__(moved, "targets", self.targets)
        return moved

    monkeypatch.setattr(Batch, "to", without_targets)
    with pytest.raises((DeviceMistakeError, RuntimeError)):
        _step()


def test_a_generator_of_the_cpu_is_found(stand_in: StandInDevice) -> None:
    with pytest.raises(Exception, match=r"a generator of the CPU was given|generator"):
        _step(encoder=_NoiseOfTheCpu())


def test_an_array_of_a_tensor_of_the_device_is_found(stand_in: StandInDevice) -> None:
    with pytest.raises(DeviceMistakeError, match="numpy cannot read"):
        _step(encoder=_NumpyOfTheDevice())


def test_a_state_that_stays_on_the_cpu_is_found(stand_in: StandInDevice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    choices = {"balancer": "moco", "checkpoint": tmp_path / "state", "epochs": 2, "steps_per_epoch": None}
    _step(**{**choices, "device": "cpu"}, stop_after_epoch=1)
    monkeypatch.setattr(moco, "kept_row", lambda rows, name, like: rows.setdefault(name, torch.zeros_like(like)))
    with pytest.raises(DeviceMistakeError, match="beside one of the stand-in device"):
        _step(**choices)


def test_a_network_that_moves_back_when_layers_split_is_found(stand_in: StandInDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_conflicts, "device_of", lambda model: torch.device("cpu"))
    with pytest.raises(DeviceMistakeError, match="beside one of the stand-in device"):
        _step(architecture="recon", balancer="cagrad", encoder="mlp(hidden=(8, 6))")
