"""Numbers and dates as people write them, and files of several formats, are the same table."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.data.reading import open_table, read_table
from polytask.errors import ConfigError, DataError
from polytask.options import ReadingOptions
from polytask.options.values.date_format import RECOGNIZED, DateFormat

PLAIN = pd.DataFrame(
    {"x": [1234.5, -0.25, 1e6], "n": [1, 2000, 3], "day": pd.to_datetime(["2026-01-31", "2025-12-01", "2024-02-29"]), "t": ["a", "b", "a"]}
)


def read(folder: Path, text: str, name: str = "t.csv", **options: object) -> pd.DataFrame:
    (folder / name).write_text(text, encoding="utf-8")
    return read_table(folder / name, ReadingOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (
            "x;n;day;t\n1.234,5;1;31.01.2026;a\n-0,25;2.000;01.12.2025;b\n1.000.000;3;29.02.2024;a\n",
            {"delimiter": ";", "decimal": ",", "thousands": "."},
        ),
        ("x;n;day;t\n1234,5;1;31/1/2026;a\n-,25;2000;1/12/2025;b\n1e6;3;29/2/2024;a\n", {"delimiter": ";", "decimal": ","}),
        ('x,n,day,t\n"1,234.50",1,2026/01/31,a\n-.25,"2,000",2025/12/01,b\n"1,000,000",3,2024/02/29,a\n', {"thousands": ","}),
        ("x,n,day,t\n1 234.5,1,1/31/2026,a\n-0.25,2\u202f000,12/1/2025,b\n1\u00a0000 000,3,2/29/2024,a\n", {"thousands": " "}),
        ("x,n,day,t\n1'234.5,1,31-01-2026,a\n-0.25,2’000,01-12-2025,b\n1'000'000,3,29-02-2024,a\n", {"thousands": "'"}),
        (
            "x,n,day,t\n1234.5,1,31 January 26,a\n-0.25,2000,1 Dec. 25,b\n1000000,3,29 feb 24,a\n",
            {"date_formats": {"day": "%d %b %y"}},
        ),
        ("sep=;\nx;n;day;t\n1234.5;1;2026-01-31;a\n-0.25;2000;2025-12-01;b\n1e6;3;2024-02-29;a\n", {}),
        ("sep=;\r\nx;n;day;t\r\n1234.5;1;2026-01-31;a\r\n-0.25;2000;2025-12-01;b\r\n1e6;3;2024-02-29;a\r\n", {"delimiter": ";"}),
    ],
    ids=["german", "comma", "american", "blanks", "swiss", "months", "excel", "excel and delimiter"],
)
def test_one_table_in_the_forms_of_several_countries(tmp_path: Path, text: str, options: dict[str, object]) -> None:
    found = read(tmp_path, text, **options)
    pd.testing.assert_frame_equal(found, PLAIN.astype({"day": "datetime64[us]"}), check_dtype=False)


def test_dates_whose_day_and_month_cannot_be_told_apart_stay_texts_until_a_format_is_named(tmp_path: Path) -> None:
    text = "day,x\n03/04/2026,1\n05/06/2026,2\n"
    assert read(tmp_path, text)["day"].tolist() == ["03/04/2026", "05/06/2026"]
    for form, month in (("%d/%m/%Y", 4), ("%m/%d/%Y", 3)):
        assert read(tmp_path, text, date_formats={"day": form})["day"].dt.month.tolist()[0] == month


@pytest.mark.parametrize(
    ("form", "text", "iso"),
    [
        ("%d %b %Y", "3 March 2021", "2021-03-03"),
        ("%d-%b-%y", "12-Sept.-99", "1999-09-12"),
        ("%d %b. %Y", "3 Dec. 2021", "2021-12-03"),
        ("%Y%d%b", "202103MarT09:30", "2021-03-03 09:30"),
        ("%d %b %Y", "3 4 2021", None),
        ("%d %b %Y", "3 04 2021", None),
        ("%d %b %Y", "3 maybe 2021", None),
        ("%d %m %Y", "3 March 2021", None),
    ],
)
def test_names_of_months_are_names(form: str, text: str, iso: str | None) -> None:
    assert DateFormat(form).iso(text) == iso


def test_a_format_that_is_no_text_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"date_formats, 'a': a date format is a text"):
        ReadingOptions(date_formats={"a": None})  # type: ignore[dict-item]


def test_numbers_before_dates_are_no_dates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytask.data.reading.text.csv_reader.BLOCK_BYTES", 16)
    text = "x,y\n" + "1.5,2\n" * 3 + "31.12.2026,2\n" * 9
    assert open_table_kind(tmp_path, text) == "category"


def open_table_kind(folder: Path, text: str) -> str:
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return open_table(folder / "t.csv").kinds["x"]


def test_categories_keep_their_spelling(tmp_path: Path) -> None:
    found = read(tmp_path, "size;x\n1,5 m;1,5\nlarge;2,5\n1.000;3\n", delimiter=";", decimal=",", categorical=("size",))
    assert found["size"].tolist() == ["1,5 m", "large", "1.000"]
    assert found["x"].tolist() == [1.5, 2.5, 3.0]


def test_missing_cells_stay_missing(tmp_path: Path) -> None:
    found = read(tmp_path, "x;day\n1,5;31.12.2026\n;\n2,5;01.01.2026\n", delimiter=";", decimal=",")
    assert found.isna().sum().tolist() == [1, 1]


@given(st.datetimes(min_value=pd.Timestamp("1970-01-01"), max_value=pd.Timestamp("2068-12-31")), st.sampled_from(RECOGNIZED))
def test_a_date_comes_back_from_every_format(moment: pd.Timestamp, form: DateFormat) -> None:
    assert form.iso(moment.strftime(form.text)) == f"{moment:%Y-%m-%d}"
    assert form.iso(f"{moment.strftime(form.text)} {moment:%H:%M:%S}") == f"{moment:%Y-%m-%d %H:%M:%S}"
    short = DateFormat(form.text.replace("%Y", "%y"))
    assert short.iso(moment.strftime(short.text)) == f"{moment:%Y-%m-%d}"


def test_every_format_of_files_holds_the_same_table(tmp_path: Path) -> None:
    written = PLAIN.assign(day=PLAIN["day"].dt.strftime("%Y-%m-%d"))
    written.to_csv(tmp_path / "t.csv", index=False)
    with zipfile.ZipFile(tmp_path / "t.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "t.csv", "inside/t.csv")
        archive.writestr("__MACOSX/t.csv", b"\0")
    written.to_csv(tmp_path / "t.tsv.zip", index=False, sep="\t", compression="zip")
    written.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    PLAIN.to_feather(tmp_path / "t.feather")
    PLAIN.to_feather(tmp_path / "t.arrow", compression="zstd")
    whole = read_table(tmp_path / "t.csv")
    for name in ("t.zip", "t.tsv.zip", "t.jsonl", "t.feather", "t.arrow"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), whole, check_dtype=False, obj=name)
        opened = open_table(tmp_path / name)
        assert [len(chunk) for chunk in opened.chunks(2)] == [2, 1]


def test_an_arrow_file_that_is_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"x": range(10_000), "y": range(10_000)}).to_feather(tmp_path / "t.arrow")
    with pytest.raises(Exception, match="larger than is allowed") as caught:
        read_table(tmp_path / "t.arrow", ReadingOptions(max_bytes=1_000))
    assert "t.arrow" in str(caught.value)
    buffer = io.StringIO()
    pd.DataFrame({"x": range(1_000)}).to_json(buffer, orient="records", lines=True)
    (tmp_path / "t.jsonl").write_text(buffer.getvalue(), encoding="utf-8")
    with pytest.raises(Exception, match="larger than is allowed"):
        read_table(tmp_path / "t.jsonl", ReadingOptions(max_bytes=1_000))


@pytest.mark.parametrize(("names", "found"), [((), "0 files"), (("a.csv", "b.csv"), "2 files: 'a.csv', 'b.csv'")])
def test_an_archive_of_other_than_one_file_is_said_in_words_of_its_own(tmp_path: Path, names: tuple[str, ...], found: str) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "a,b\n1,2\n")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "t.zip")
    assert str(caught.value) == f"{tmp_path / 't.zip'}: an archive must hold exactly one table (found {found}). Unpack it first."
