"""A device on every machine, and small networks that are trained on it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import polytask as pt
from polytask import devices
from polytask.architectures import Network
from polytask.options.values import component_names
from polytask.training.fit_model import build_loop
from polytask.training.loop.training_loop import TrainingLoop

sys.path.insert(0, str(Path(__file__).parent))
from small_runs import SHORT, TASKS, source
from stand_in import StandInDevice


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInDevice]:
    """The device, which options call `meta`, within whose block a test runs."""
    monkeypatch.setattr(devices, "_COUNTS", {**devices._COUNTS, "meta": lambda: 1})
    monkeypatch.setattr(component_names, "_FORM", re.compile(".*"))
    with StandInDevice() as device:
        yield device


@pytest.fixture
def loop_on() -> Callable[..., TrainingLoop]:
    """A training loop of a small network, by its device."""

    def made(device: str, balancer: Any = "equal", architecture: Any = "hard", **choices: Any) -> TrainingLoop:
        model: Network = pt.MultiTaskModel(pt.encoders.MLP((6,), hidden=(8,)), TASKS, architecture=architecture)
        chosen = {**SHORT, "optimizer_options": {"fused": False}, **choices}
        loop, _ = build_loop(model, [source()], balancer, device=device, **chosen)
        loop.state.model.train()
        return loop

    return made
