"""Hooks of callbacks: their order, what they see, and that they end whatever happens."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest

import polytask as pt
from polytask.gradients import Report
from polytask.training.loop.training_loop import TrainingLoop

CHOICES: dict[str, Any] = {"batch_size": 16, "threads": 1, "patience": None}
TASKS = (pt.tasks.Regression(name="sum"), pt.tasks.Regression(name="first"))


def table() -> pt.Source:
    inputs = np.random.default_rng(0).normal(size=(40, 2)).astype("float32")
    return pt.Source("table", inputs, {"sum": inputs.sum(1), "first": inputs[:, 0]})


@final
class Note(pt.Callback):
    """Writes down its calls; `fails_at` is a step that ends with an error."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.fails_at = fails_at
        self.calls: list[str] = []

    def on_fit_begin(self, loop: TrainingLoop) -> None:
        self.calls.append(f"begin at {loop.state.epoch}")

    def on_step_begin(self, loop: TrainingLoop, batches: Mapping[str, Any]) -> None:
        del batches
        if loop.state.step == self.fails_at:
            raise KeyError("a mistake of the callback")
        self.calls.append(f"step {loop.state.step}")

    def on_step_end(self, loop: TrainingLoop, report: Report) -> None:
        assert set(report.losses) == {"sum", "first"}
        self.calls.append(f"stepped {loop.state.step}")

    def epoch_values(self) -> Mapping[str, Mapping[str, float]]:
        self.calls.append("values")
        return {"calls": {"sum": float(len(self.calls))}}

    def on_epoch_end(self, loop: TrainingLoop) -> None:
        last = [row for row in loop.state.history if row.epoch == loop.state.epoch]
        assert {"training", "validation", "observed"} == {row.split for row in last}
        self.calls.append(f"epoch {loop.state.epoch}")

    def on_fit_end(self, loop: TrainingLoop) -> None:
        self.calls.append(f"end at {loop.state.epoch}")


def test_hooks_are_called_in_order() -> None:
    note = Note()
    pt.fit(TASKS, [table()], epochs=2, callbacks=[note], **CHOICES)
    epochs = [
        ["step 0", "stepped 1", "step 1", "stepped 2", "values", "epoch 1"],
        ["step 2", "stepped 3", "step 3", "stepped 4", "values", "epoch 2"],
    ]
    assert note.calls == ["begin at 0", *epochs[0], *epochs[1], "end at 2"]


def test_every_session_begins_and_ends(tmp_path: Path) -> None:
    for session, stop in enumerate((1, None)):
        note = Note()
        pt.fit(TASKS, [table()], epochs=2, callbacks=[note], checkpoint=tmp_path, stop_after_epoch=stop, **CHOICES)
        assert (note.calls[0], note.calls[-1]) == (f"begin at {session}", f"end at {session + 1}")


def test_a_session_that_fails_ends_too() -> None:
    note = Note(fails_at=3)
    with pytest.raises(KeyError, match="a mistake"):
        pt.fit(TASKS, [table()], epochs=2, callbacks=[note], **CHOICES)
    assert note.calls[-2:] == ["stepped 3", "end at 1"]


def test_an_idle_callback_costs_less_than_twenty_microseconds_a_step() -> None:
    idle, report, most = pt.Callback(), Report({}, {}), 20e-6
    start = time.process_time()
    for _ in range(2_000):
        idle.on_step_begin(None, {})  # type: ignore[arg-type]
        idle.on_step_end(None, report)  # type: ignore[arg-type]
    assert (time.process_time() - start) / 2_000 < most
