"""The shipped model: it predicts what the study's networks predicted, in original labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.data import Source
from polytask.errors import ConfigError, StorageError
from polytask.studies import Study
from polytask.tasks import Task


@pytest.fixture
def run(table: Callable[..., Source], three_tasks: tuple[Task, ...], tmp_path: Path) -> Path:
    """The folder of a finished study."""
    choices = {"seeds": 2, "workers": 1, "training": {"epochs": 2, "threads": 1}}
    Study([table()], three_tasks, ["single", "equal"], test=lambda: (table(rows=80, seed=1),), **choices).run(tmp_path / "run")
    return tmp_path / "run"


def test_it_predicts_what_the_study_predicted(run: Path, table: Callable[..., Source]) -> None:
    model = pt.load(run)
    index = json.loads((run / "model" / "model.json").read_text())["networks"]
    stored = pd.read_parquet(run / "predictions.parquet")
    predicted = model.predict(table(rows=80, seed=1).inputs)
    assert sorted(predicted.columns) == ["churn", "plan", "price"]
    for network in index:
        for task in network["tasks"]:
            rows = stored[(stored["arm"] == network["arm"]) & (stored["seed"] == network["seed"]) & (stored["task"] == task)]
            assert predicted[task].astype(str).tolist() == rows["prediction"].tolist()


def test_probabilities_have_a_column_per_class(run: Path, table: Callable[..., Source]) -> None:
    found = pt.load(run).predict_proba(table(rows=10).inputs)
    assert {task: list(frame.columns) for task, frame in found.items()} == {"churn": ["stays", "leaves"], "plan": ["a", "b", "c"]}
    for frame in found.values():
        assert np.allclose(frame.sum(axis=1), 1, atol=1e-12)


def test_what_cannot_be_is_refused(run: Path, tmp_path: Path, table: Callable[..., Source]) -> None:
    model = pt.load(run)
    with pytest.raises(ConfigError, match=r"\(N, 4\)"):
        model.predict(np.zeros((3, 5), dtype=np.float32))
    with pytest.raises(ConfigError, match="table"):
        model.predict(table().inputs, source="chair")
    with pytest.raises(StorageError, match="this folder has no model"):
        pt.load(tmp_path / "nothing")


def test_a_damaged_or_hostile_model_is_refused(run: Path) -> None:
    index = run / "model" / "model.json"
    weights = next((run / "model").rglob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(StorageError, match="damaged"):
        pt.load(run)
    index.write_text(json.dumps({"networks": [{"folder": "../../elsewhere"}]}))
    with pytest.raises(StorageError, match="must lie next to its index"):
        pt.load(run)
    index.write_text("[]")
    with pytest.raises(StorageError, match="not a valid model index"):
        pt.load(run)
