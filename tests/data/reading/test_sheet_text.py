"""Spreadsheets are read as the CSV file with the same cells."""

from __future__ import annotations

import datetime
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from polytask.data.reading import open_table
from polytask.data.reading.text import expansion
from polytask.errors import PolytaskError
from polytask.options import ReadingOptions

ROWS: list[list[Any]] = [
    ["age", "when", "member", "town", "share, %", 2020],
    [31, datetime.date(2024, 1, 2), True, "Rome", 0.1, 7],
    [2.5, datetime.datetime(2024, 1, 3, 4, 5), False, 'O"slo, N', 1e-300, 8],
    [None, None, None, "a\nb", None, None],
    [4, datetime.date(2023, 12, 31), True, "Rome", 2**53 - 1, 9],
]
WRITTEN = (
    'age,when,member,town,"share, %",2020\n31,2024-01-02,true,Rome,0.1,7\n2.5,2024-01-03T04:05:00,false,"O""slo, N",1e-300,8\n'
    ',,,"a\nb",,\n4,2023-12-31,true,Rome,9007199254740991,9\n'
)


def workbook(path: Path, sheets: Mapping[str, list[list[Any]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_sheet_is_read_as_the_same_csv(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(WRITTEN)
    path = workbook(tmp_path / "t.xlsx", {"empty": [], "data": ROWS})
    ours, theirs = open_table(path), open_table(tmp_path / "t.csv")
    assert dict(ours.kinds) == dict(theirs.kinds)
    pd.testing.assert_frame_equal(ours.read(), theirs.read())


def test_empty_rows_below_are_left_out_and_cells_with_errors_are_missing(tmp_path: Path) -> None:
    rows = [["x", "y"], [1, 2], [3, "#DIV/0!"], ["", ""], [None, None]]
    path = workbook(tmp_path / "t.xlsx", {"data": rows})
    book = openpyxl.load_workbook(path)
    book.worksheets[0]["B3"].data_type = "e"
    book.save(path)
    found = open_table(path)
    assert found.rows == 2
    assert dict(found.kinds) == {"x": "number", "y": "number"}
    assert found.read()["y"].isna().tolist() == [False, True]


def test_a_sheet_is_chosen_by_its_name(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"first": [["x"], [1]], "second": [["y"], [2]]})
    assert open_table(path, ReadingOptions(sheet="second")).columns == ("y",)


def bomb(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (expansion.MIN_EXPANDED + 1))
    return folder / "bomb.xlsx"


def damaged(folder: Path) -> Path:
    path = workbook(folder / "t.xlsx", {"data": ROWS})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def two(folder: Path) -> Path:
    return workbook(folder / "t.xlsx", {"first": [["x"], [1]], "second": [["y"], [2]]})


def one(folder: Path) -> Path:
    return workbook(folder / "t.xlsx", {"data": ROWS})


WRONG: Mapping[str, tuple[Callable[[Path], Path], ReadingOptions, str]] = {
    "several sheets": (two, ReadingOptions(), "the file holds several sheets (found 'first', 'second'). Name one of them: --sheet"),
    "no such sheet": (two, ReadingOptions(sheet="secnd"), "there is no such sheet. Did you mean 'second'?"),
    "no cells": (lambda folder: workbook(folder / "t.xlsx", {"data": []}), ReadingOptions(), "an empty file"),
    "damaged": (damaged, ReadingOptions(), "damaged, or not a spreadsheet"),
    "a delimiter": (one, ReadingOptions(delimiter=";"), "this option is for text files (found delimiter=';')"),
    "a decimal comma": (one, ReadingOptions(decimal=","), "this option is for text files (found decimal=',')"),
    "a bomb": (bomb, ReadingOptions(), "expands to more than 100 times its size"),
    "too large": (one, ReadingOptions(max_bytes=1_000), "the file is larger than is allowed"),
    "a name twice": (lambda folder: workbook(folder / "t.xlsx", {"data": [["x", "x"], [1, 2]]}), ReadingOptions(), "x"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    make, options, text = WRONG[name]
    with pytest.raises(PolytaskError) as caught:
        open_table(make(tmp_path), options)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(str(tmp_path)) <= 1, "no message within a message"


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(PolytaskError, match=r"pip install 'polytask\[excel\]'"):
        open_table(one(tmp_path))
