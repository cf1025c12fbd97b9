"""What the predictions for a table carry along, and which targets a table evaluates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.artifacts.table_model import SavedTableModel
from polytask.errors import ConfigError

ROWS = 60


def shop() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    table = {"ref": [f"R{row:03}" for row in range(ROWS)], "note": np.arange(ROWS) * 2, "age": x, "town": np.resize(["Oslo", "Rome"], ROWS)}
    return pd.DataFrame({**table, "value": 2 * x, "churn": np.where(x > 0, "yes", "no")})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    shop().to_csv(folder / "shop.csv", index=False)
    options = {"id_column": "ref", "drop": ["note"], "epochs": 1, "out": folder / "run"}
    return pt.train(folder / "shop.csv", targets=["value", "churn"], **options).folder


def test_identifiers_and_kept_columns_stand_in_front(run: Path, tmp_path: Path) -> None:
    shop().iloc[::-1].to_csv(tmp_path / "new.csv", index=False)
    SavedTableModel(run).predict(tmp_path / "new.csv", tmp_path / "found.csv", keep=["note"])
    found = pd.read_csv(tmp_path / "found.csv")
    assert found.columns.tolist() == ["ref", "note", "value", "churn"]
    assert found["ref"].tolist() == shop()["ref"].tolist()[::-1]
    assert found["note"].tolist() == shop()["note"].tolist()[::-1]


def test_a_table_without_the_identifiers_is_predicted_too(run: Path, tmp_path: Path) -> None:
    shop().drop(columns=["ref", "note"]).to_csv(tmp_path / "new.csv", index=False)
    SavedTableModel(run).predict(tmp_path / "new.csv", tmp_path / "found.parquet")
    assert pd.read_parquet(tmp_path / "found.parquet").columns.tolist() == ["value", "churn"]


@pytest.mark.parametrize(("keep", "message"), [("nota", "nota.*Did you mean 'note'"), ("value", "cannot have the name of a target")])
def test_a_column_that_cannot_be_kept_is_one_line(run: Path, tmp_path: Path, keep: str, message: str) -> None:
    shop().to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(ConfigError, match=message):
        SavedTableModel(run).predict(tmp_path / "new.csv", tmp_path / "found.csv", keep=[keep])


def test_a_frame_keeps_its_index(run: Path) -> None:
    model, frame = pt.load(run), shop().set_index("ref").iloc[5:9]
    assert model.predict(frame).index.equals(frame.index)
    assert model.predict_proba(frame)["churn"].index.equals(frame.index)
    plain = model.predict(frame.reset_index())
    assert plain["value"].tolist() == model.predict(frame)["value"].tolist()


def test_targets_whose_labels_are_there_are_evaluated(run: Path, tmp_path: Path) -> None:
    shop().drop(columns="value").to_csv(tmp_path / "some.csv", index=False)
    assert set(SavedTableModel(run).evaluate(tmp_path / "some.csv")["target"]) == {"churn"}
    shop().drop(columns=["value", "churn"]).to_csv(tmp_path / "none.csv", index=False)
    with pytest.raises(ConfigError, match=r"the labels of no target.*Give a table with one of: value, churn"):
        SavedTableModel(run).evaluate(tmp_path / "none.csv")
