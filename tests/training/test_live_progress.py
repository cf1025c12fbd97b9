"""What `fit` shows while it trains: something in a terminal and in a notebook, nothing elsewhere."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import polytask as pt
from polytask.training import TrainingProgress, ignore_progress
from polytask.training.live_progress import shown_progress

NOW = TrainingProgress(2, 10, 3, 5, {"sum": 0.5}, {"sum": 0.25}, 1000.0, 8.0)


class Screen(io.StringIO):
    """Standard error, a terminal or a file."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def fit(**given: Any) -> None:
    inputs = np.ones((20, 1), "float32")
    source = pt.Source("table", inputs, {"sum": np.arange(20.0)})
    pt.fit((pt.tasks.Regression(name="sum"),), [source], epochs=1, batch_size=10, threads=1, **given)


def screen_of(patch: pytest.MonkeyPatch, *, terminal: bool) -> Screen:
    """Replace standard error during the test itself: the capturing of pytest replaces it before."""
    made = Screen(terminal=terminal)
    patch.setattr(sys, "stderr", made)
    patch.setenv("TERM", "xterm")
    return made


def test_a_terminal_shows_epochs_and_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(monkeypatch, terminal=True)
    with shown_progress(None) as show:
        show(NOW)
    assert "epoch 2" in screen.getvalue()
    assert "loss 0.500" in screen.getvalue()
    fit()
    assert "epoch 1" in screen.getvalue()


def test_a_file_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(monkeypatch, terminal=False)
    fit()
    assert screen.getvalue() == ""


def test_a_function_of_ones_own_takes_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(monkeypatch, terminal=True)
    seen: list[TrainingProgress] = []
    fit(progress=seen.append)
    fit(progress=ignore_progress)
    assert (seen[-1].epoch, screen.getvalue()) == (1, "")


def test_a_notebook_has_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(monkeypatch, terminal=True)
    lines: list[str] = []
    handle = SimpleNamespace(update=lambda data, raw: lines.append(data["text/plain"]))
    display = SimpleNamespace(display=lambda data, raw, display_id: handle)
    notebook = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None), display=display)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    with shown_progress(None) as show:
        show(NOW)
    assert lines == ["epoch 2, loss sum 0.500, validation sum 0.250, 1,000 rows/s", ""]
    assert screen.getvalue() == ""
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    with shown_progress(None) as show:
        show(NOW)
    assert "epoch 2" in screen.getvalue()
