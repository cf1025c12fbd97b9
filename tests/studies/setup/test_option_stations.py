"""An option passes few places on its way from the user to the training loop."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.cli import main
from polytask.options import TrainingOptions
from polytask.studies import Study
from polytask.training.loop.training_loop import TrainingLoop

LIBRARY = str(Path(pt.__file__).parent)
PATIENCE = 7919
"""A value that nothing else has."""
MOST = 4


class Begun(BaseException):
    """The first network is about to be trained: nobody catches this."""


def stations(run: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many sets of options hold the patience, one after the other, until the loop begins that stops by it."""
    found: dict[int, TrainingOptions] = {}
    of_loops: list[TrainingOptions] = []

    def held_by(value: Any) -> list[Any]:
        return [value, *vars(value).values()] if hasattr(value, "__dict__") and not isinstance(value, type) else [value]

    def note(frame: FrameType, event: str, returned: object) -> None:
        if event in ("call", "return") and frame.f_code.co_filename.startswith(LIBRARY):
            values = frame.f_locals.values() if event == "call" else [returned]
            sets = [one for value in values for one in held_by(value) if isinstance(one, TrainingOptions)]
            found.update({id(one): one for one in sets if one.patience == PATIENCE})  # kept, so that no two of them have one id

    def begin(loop: TrainingLoop, *_: object) -> None:
        of_loops.append(loop.options)
        raise Begun

    monkeypatch.setattr(TrainingLoop, "run", begin)
    sys.setprofile(note)
    try:
        with pytest.raises(Begun):
            run()
    finally:
        sys.setprofile(None)
    assert of_loops[0].patience == PATIENCE
    assert id(of_loops[0]) in found
    return len(found)


@pytest.fixture
def source() -> pt.Source:
    x = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    return pt.Source("toy", x, {"sum": x.sum(1), "first": x[:, 0]})


TASKS = (pt.tasks.Regression(name="sum"), pt.tasks.Regression(name="first"))


def test_of_fit(source: pt.Source, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stations(lambda: pt.fit(TASKS, [source], epochs=1, patience=PATIENCE), monkeypatch) <= MOST


def test_of_a_study(source: pt.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = {"epochs": 1, "patience": PATIENCE}
    study = Study([source], TASKS, ["single", "equal"], 2, test=lambda: (source,), workers=1, training=training)
    assert stations(lambda: study.run(tmp_path / "run"), monkeypatch) <= MOST


def test_of_the_command_line(source: pt.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset, and what is measured on this machine, are stations too."""
    pd.DataFrame({**source.labels, "x": source.inputs[:, 1], "y": source.inputs[:, 2]}).to_csv(tmp_path / "toy.csv", index=False)
    words = ("--targets", "sum", "first", "--patience", str(PATIENCE), "--seeds", "2", "--workers", "1", "--quiet")
    monkeypatch.setattr(sys, "argv", ["polytask", "study", str(tmp_path / "toy.csv"), *words, "--out", str(tmp_path / "run")])
    assert stations(main, monkeypatch) <= MOST
