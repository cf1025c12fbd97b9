"""Rows of the test part decide neither the kinds and classes of targets nor anything that a model learns; copies of rows are noted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from polytask.data import Source
from polytask.datasets.tables import LoadedTables, load_tables
from polytask.errors import DataError
from polytask.options import TableOptions

ROWS, TESTED = 120, 100


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    part = np.array(["train"] * 80 + ["validation"] * 20 + ["test"] * 20)
    columns: dict[str, Any] = {"x": rng.normal(size=ROWS), "town": np.resize(["Oslo", "Rome", "Bern"], ROWS), "part": part}
    columns["at"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(ROWS), unit="D")
    columns["code"] = np.resize(np.arange(1, 8), ROWS).astype(object)
    columns["sold"] = [f"{1 + row % 12:02}/{1 + row % 11:02}/2024" for row in range(ROWS)]
    columns["member"] = np.resize(["true", "false"], ROWS)
    columns["late"] = None
    columns["note"] = [f"a note of several words, number {row}" for row in range(ROWS)]
    return pd.DataFrame({**columns, "size": rng.integers(0, 3, ROWS), "value": rng.normal(size=ROWS)})


def opened_test(loaded: LoadedTables) -> Source:
    assert loaded.sources.open_test is not None
    (source,) = loaded.sources.open_test()
    return source


def load(frame: pd.DataFrame, folder: Path, **options: Any) -> LoadedTables:
    frame.to_csv(folder / "shop.csv", index=False)
    return load_tables({"shop": TableOptions(str(folder / "shop.csv"), {"size": None, "value": None}, **{"split": "part", **options})})


CHANGES: dict[str, tuple[str, Any]] = {
    "a large number": ("x", 1e6),
    "a gap among numbers": ("x", np.nan),
    "a new category": ("town", "Paris"),
    "a gap among categories": ("town", None),
    "another note": ("note", "other words here"),
    "a gap among texts": ("note", None),
    "another day": ("at", pd.Timestamp("2031-05-05")),
    "a time of day": ("at", pd.Timestamp("2024-05-05T17:30")),
    "a gap among dates": ("at", pd.NaT),
    "a code with a zero in front": ("code", "007"),
    "a code beyond 2^53": ("code", 2**60 + 1),
    "a code with decimals": ("code", 2.5),
    "a date that tells day and month apart": ("sold", "31/12/2024"),
    "a number among dates in words": ("sold", "7"),
    "a gap among answers": ("member", None),
    "the first cell of a column": ("late", "yes"),
    "the first number of a column": ("late", 7),
    "another class": ("size", 0),
    "a gap among classes": ("size", None),
    "a large label": ("value", 1e5),
    "a gap among labels": ("value", None),
    "a whole label": ("value", 3.0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_test_rows_changes_nothing_that_is_learned(change: str, tmp_path: Path) -> None:
    column, value = CHANGES[change]
    changed = table()
    if column == "size":
        changed["size"] = changed["size"].astype("Int64")
    changed.loc[TESTED + 3, column] = value
    before, after = load(table(), tmp_path), load(changed, tmp_path)
    assert before.tasks == after.tasks
    (old,), (new,) = before.sources, after.sources
    assert old.preprocessor == new.preprocessor
    assert np.array_equal(old.inputs, new.inputs, equal_nan=True)
    assert all(np.array_equal(old.labels[name], new.labels[name]) for name in ("size", "value"))


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize(
    ("column", "others", "cells"),
    [
        ("member", None, ["perhaps"]),
        ("day", "2024-05-01", ["soon"]),
        ("day", "2024-05-01", ["2026-02-30", "unknown"]),
        ("day", "2024-05-01", ["unknown", "2026-02-30"]),
        ("day", "31.12.2024", ["1.2"]),
        ("day", "31.12.2024", ["30.02.2024", "unknown"]),
    ],
)
def test_a_cell_that_only_a_test_row_has_is_one_line(column: str, others: str | None, cells: list[str], gap: bool, tmp_path: Path) -> None:
    frame = table()
    frame[column] = frame[column] if others is None else others
    frame.loc[TESTED + 3 : TESTED + 2 + len(cells), column] = cells
    if gap:
        frame.loc[[3, TESTED + 9], column] = None
    with pytest.raises(DataError, match=rf"shop\.csv, row {TESTED + 4}, column '{column}': a test row has a cell that is no") as caught:
        load(frame, tmp_path)
    assert cells[0] in str(caught.value)


def test_names_of_rows_are_what_the_file_says(tmp_path: Path) -> None:
    frame = table().assign(name=[str(row) for row in range(1, ROWS + 1)])
    frame.loc[TESTED + 3, "name"] = "007"
    test = opened_test(load(frame, tmp_path, id_column="name"))
    assert test.units[:5].tolist() == ["101", "102", "103", "007", "105"]


def test_notes_tell_how_columns_are_read_in_the_end(tmp_path: Path) -> None:
    frame = table()
    assert not any("'code'" in note for note in load(frame, tmp_path).notes)
    frame.loc[TESTED + 3, "code"] = "007"
    assert not any("'code'" in note for note in load(frame, tmp_path).notes)
    frame.loc[3, "code"] = "007"
    assert any("'code'" in note for note in load(frame, tmp_path).notes)


@pytest.mark.parametrize("weight", [None, -1.0])
def test_test_rows_have_no_weights(weight: float | None, tmp_path: Path) -> None:
    frame = table().assign(exposure=2.0)
    frame.loc[TESTED + 3, "exposure"] = weight
    loaded = load(frame, tmp_path, row_weights="exposure")
    assert opened_test(loaded).weights is None
    assert loaded.sources[0].weights is not None


@pytest.mark.parametrize("label", [2.5, 7])
def test_a_label_that_only_a_test_row_has_is_one_line(label: float, tmp_path: Path) -> None:
    frame = table().astype({"size": float})
    frame.loc[TESTED + 3, "size"] = label
    frame.loc[TESTED + 4, "size"] = label
    with pytest.raises(DataError, match=rf"shop\.csv.*row {TESTED + 4}: a test row has a label that no other row allows") as caught:
        load(frame, tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_rare_class_that_chance_put_into_the_test_part_is_known(tmp_path: Path) -> None:
    frame = table().drop(columns="part").replace({"size": {0: "small", 1: "middle", 2: "large"}})
    frame.loc[[5, 6], "size"] = "rare"
    loaded = load(frame, tmp_path, split=None)
    assert "rare" in loaded.tasks[0].classes


def test_copies_of_rows_are_counted(tmp_path: Path) -> None:
    plain, frame = table().drop(columns="part"), table()
    assert not any("are copies" in note for note in load(plain, tmp_path, split=None).notes)
    notes = load(pd.concat([plain, plain]), tmp_path, split=None).notes
    assert any("120 of 240 rows are copies of an earlier row" in note for note in notes)
    copied = frame.iloc[:10].assign(part="test")
    notes = load(pd.concat([frame, copied]), tmp_path).notes
    assert any("10 of 30 test rows are copies of a training row" in note for note in notes)


@pytest.mark.parametrize("in_a_file", [False, True])
def test_test_rows_that_are_all_training_rows_are_refused_before_training(in_a_file: bool, tmp_path: Path) -> None:
    learned = table().iloc[:TESTED]
    copies = learned.iloc[:20].assign(part="test")
    with pytest.raises(DataError, match=r"\.csv: all test rows are training rows \(found 20 rows\)"):
        if in_a_file:
            copies.drop(columns="part").to_csv(tmp_path / "test.csv", index=False)
            load(learned.drop(columns="part"), tmp_path, split=None, test_file=str(tmp_path / "test.csv"))
        else:
            load(pd.concat([learned, copies]), tmp_path)
