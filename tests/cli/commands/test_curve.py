"""`polytask curve` as its user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from polytask.cli import app

FEW = ["--shares", "1/2,1", "--seeds", "2", "--epochs", "1", "--workers", "1", "--set", "training.threads=1", "--preset", "quick"]


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """A table with two targets."""
    x = np.random.default_rng(0).normal(size=(160, 3))
    frame = pd.DataFrame(x, columns=["age", "visits", "distance"]).assign(value=x.sum(1), profit=x[:, 0])
    frame.to_csv(tmp_path / "sales.csv", index=False)
    return tmp_path / "sales.csv"


@pytest.mark.slow
def test_a_table_has_a_curve_and_its_configuration_repeats_it(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path, sales: Path
) -> None:
    assert call("curve", str(sales), "--targets", "value", "profit", *FEW, "--out", str(tmp_path / "a"), "-q") == 0
    output = capsys.readouterr().out
    for text in ("value", "profit", "labels", "report.html"):
        assert text in output
    content = json.loads((tmp_path / "a" / "curve.json").read_text())
    assert set(content["tasks"]) == {"value", "profit"}
    assert call("curve", str(tmp_path / "a" / "run.yaml"), "--out", str(tmp_path / "b"), "-q") == 0
    for name in ("run.yaml", "curve.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert call("curve", str(sales), "--targets", "value", "profit", *FEW, "--out", str(tmp_path / "a")) == app.EXIT_USER_ERROR
    assert "holds a finished run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--shares", "2"], "shares"),
        (["--shares", "half"], "shares"),
        (["--labels-of", "valu"], "valu"),
        (["--minutes", "2"], "--minutes"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    words: list[str], text: str, call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path, sales: Path
) -> None:
    given = [word for word in FEW if word not in ("--shares", "1/2,1")] if "--shares" in words else FEW
    code = call("curve", str(sales), "--targets", "value", "profit", *given, *words, "--out", str(tmp_path / "run"), "-q")
    said = capsys.readouterr().err
    assert code == app.EXIT_USER_ERROR
    assert text in said
    assert "Traceback" not in said
