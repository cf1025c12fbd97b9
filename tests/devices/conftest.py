"""A device on every machine, and small networks that are trained on it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polytask as pt
from polytask import devices
from polytask.architectures import Network
from polytask.options import component_names
from polytask.training.fit_model import build_loop
from polytask.training.loop.training_loop import TrainingLoop

sys.path.insert(0, str(Path(__file__).parent))
from stand_in import StandInDevice

ROWS = 48
X = np.random.default_rng(0).normal(size=(ROWS, 6)).astype("float32")
LABELS = {"a": X[:, 0], "b": (X[:, 1] > 0).astype("int64"), "c": np.where(X[:, 3] > 0.5, np.nan, X[:, 2])}
TASKS = (pt.tasks.Regression(name="a"), pt.tasks.Binary(name="b"), pt.tasks.Regression(name="c"))
SHORT = {"epochs": 1, "batch_size": 16, "threads": 1, "precision": "float32", "optimizer": "SGD", "lr": 0.01}


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInDevice]:
    """The device, which options call `meta`, within whose block a test runs."""
    monkeypatch.setattr(devices, "_COUNTS", {**devices._COUNTS, "meta": lambda: 1})
    monkeypatch.setattr(component_names, "_FORM", re.compile(".*"))
    with StandInDevice() as device:
        yield device


def source() -> pt.Source:
    """Rows of three tasks, of which one lacks labels."""
    return pt.Source("rows", X, LABELS)


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
