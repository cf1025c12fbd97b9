"""Clean tables are read as they are, whatever the chunks; anything else is a frame or one line."""

from __future__ import annotations

import csv
import gzip
import io
import string
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from pyarrow import parquet

from polytask.data.reading import check_frame, open_table, read_table
from polytask.data.reading.text.csv_quoting import QuoteTracker, row_ends
from polytask.data.reading.text.text_stream import TextStream
from polytask.errors import ConfigError, DataError, PolytaskError
from polytask.options import ReadingOptions


def written(content: bytes | str, name: str = "t.csv") -> Path:
    path = Path(tempfile.mkdtemp()) / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(content: bytes | str, name: str = "t.csv", **options: Any) -> pd.DataFrame:
    return read_table(written(content, name), ReadingOptions(**options))


def listed(column: pd.Series[Any]) -> list[Any]:
    return [None if pd.isna(value) else value for value in column]


# --- What columns are -------------------------------------------------------------------------------------------------

KINDS = {
    "integers": ("1\n-2\n+3\n", "number", [1, -2, 3], "int64"),
    "integers with a gap": ("1\n\n3\n", "number", [1.0, None, 3.0], "float64"),
    "decimals": ("1.5\n-.5\n2.\n", "number", [1.5, -0.5, 2.0], "float64"),
    "exponents": ("1e3\n2E-2\n1e+1\n", "number", [1000.0, 0.02, 10.0], "float64"),
    "blanks around numbers": (" 1\n2 \n\t3\n", "number", [1, 2, 3], "int64"),
    "blanks around decimals": (" 1.5\n2 \n\n", "number", [1.5, 2.0, None], "float64"),
    "the largest exact integer": (f"{2**53}\n-{2**53}\n", "number", [2**53, -(2**53)], "int64"),
    "a larger integer": (f"{2**53 + 1}\n1\n", "category", [str(2**53 + 1), "1"], "text"),
    "a far larger integer": (f"{2**80}\n1\n\n", "category", [str(2**80), "1", None], "text"),
    "a larger number among decimals": (f"{2**53 + 1}\n1.5\n", "number", [float(2**53), 1.5], "float64"),
    "zeros in front": ("007\n010\n", "category", ["007", "010"], "text"),
    "zeros in front of decimals": ("00.5\n010\n", "number", [0.5, 10.0], "float64"),
    "zero": ("0\n10\n", "number", [0, 10], "int64"),
    "tiny": ("1e-999\n2\n", "number", [0.0, 2.0], "float64"),
    "booleans": ("true\nfalse\n", "boolean", [True, False], "boolean"),
    "booleans in other cases": ("TRUE\nFalse\n\n", "boolean", [True, False, None], "boolean"),
    "yes and no": ("yes\nno\n", "category", ["yes", "no"], "text"),
    "booleans in no case": ("tRue\nfalse\n", "category", ["tRue", "false"], "text"),
    "dates": ("2024-02-29\n\n1999-12-31\n", "date", ["2024-02-29", None, "1999-12-31"], "datetime64[us]"),
    "times": ("2024-02-29T10:00\n2024-02-29 10:00:01.5\n", "date", ["2024-02-29 10:00", "2024-02-29 10:00:01.5"], "datetime64[us]"),
    "times of a zone": ("2024-02-29T10:00Z\n2024-02-29T10:00+02:00\n", "date", ["2024-02-29 10:00", "2024-02-29 08:00"], "datetime64[us]"),
    "nanoseconds": ("2024-02-29T10:00:00.123456789\n", "date", ["2024-02-29 10:00:00.123456"], "datetime64[us]"),
    "dates and a word": ("2024-02-29\nsoon\n", "category", ["2024-02-29", "soon"], "text"),
    "a date that does not exist and a word": ("2024-02-30\nsoon\n", "category", ["2024-02-30", "soon"], "text"),
    "words": ("NA\nNone\nnull\nnan\n", "category", ["NA", "None", "null", "nan"], "text"),
    "few numbers": ("1\nx\ny\n", "category", ["1", "x", "y"], "text"),
    "versions": ("1.2.3\n1.2.4\n", "category", ["1.2.3", "1.2.4"], "text"),
    "nothing": ("\n\n", "empty", [None, None], "float64"),
    "quoted nothing": ('""\n""\n', "empty", [None, None], "float64"),
    "quoted numbers": ('"1"\n"2"\n', "number", [1, 2], "int64"),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_a_column_is(name: str) -> None:
    cells, kind, values, dtype = KINDS[name]
    path = written("a\n" + cells)
    table = open_table(path)
    assert dict(table.kinds) == {"a": kind}
    column = table.read()["a"]
    if dtype == "text":
        assert pd.api.types.is_string_dtype(column.dtype) or column.dtype == object
    else:
        assert str(column.dtype) == dtype
    assert listed(column) == ([None if value is None else pd.Timestamp(value) for value in values] if kind == "date" else values)
    forced = open_table(path, ReadingOptions(categorical=("a",)))
    assert dict(forced.kinds) == {"a": "category"}
    assert listed(forced.read()["a"]) == [row[0] if row and row[0] else None for row in csv.reader(io.StringIO(cells))]


def test_what_is_read_otherwise_than_it_seems_is_warned_of() -> None:
    table = open_table(written(f"id,zip,n\n{2**53 + 1},01234,1\n2,99999,2\n"))
    assert [warning.split(":")[0] for warning in table.warnings] == [
        "column 'id' is read as categories",
        "column 'zip' is read as categories",
    ]
    assert "'9007199254740993'" in table.warnings[0]
    assert "'01234'" in table.warnings[1]
    assert open_table(written("5.1,3.5\n4.9,3.0\n")).warnings[0].startswith("the names of all columns are numbers ('5.1' first)")
    assert not open_table(written("0,1\n4.9,3.0\n")).warnings


def test_texts_that_mean_no_value() -> None:
    frame = read("a,b,c,d\n1,NA,NA,2024-01-01\n?,x,true,NA\n3,y,false,?\n", na_values=("NA", "?"))
    assert listed(frame["a"]) == [1.0, None, 3.0]
    assert listed(frame["b"]) == [None, "x", "y"]
    assert listed(frame["c"]) == [None, True, False]
    assert listed(frame["d"])[1:] == [None, None]


def test_blanks_around_hide_no_missing_value() -> None:
    frame = read("a,b,c,d\n -999,NA ,1,NA\n5,x,\tNA,NA\n6, y,2.5,NA\n", na_values=("NA", "-999"))
    assert {name: listed(frame[name]) for name in frame} == {
        "a": [None, 5.0, 6.0],
        "b": [None, "x", " y"],
        "c": [1.0, None, 2.5],
        "d": [None, None, None],
    }


# --- How texts are cut ------------------------------------------------------------------------------------------------

SAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y z"]})
SPELLINGS = {
    "plain": ("t.csv", b"a,b\n1,x\n2,y z\n", {}),
    "no line end at the end": ("t.csv", b"a,b\n1,x\n2,y z", {}),
    "upper case ending": ("T.CSV", b"a,b\n1,x\n2,y z\n", {}),
    "a byte order mark": ("t.csv", b"\xef\xbb\xbfa,b\n1,x\n2,y z\n", {}),
    "a mark and quotes": ("t.csv", b'\xef\xbb\xbf"a","b"\n"1","x"\n"2","y z"\n', {}),
    "carriage returns and feeds": ("t.csv", b"a,b\r\n1,x\r\n2,y z\r\n", {}),
    "carriage returns": ("t.csv", b"a,b\r1,x\r2,y z\r", {}),
    "empty lines": ("t.csv", b"\n\na,b\n\n1,x\n\n\n2,y z\n\n", {}),
    "blanks around names": ("t.csv", b"a , b\n1,x\n2,y z\n", {}),
    "tabs": ("t.tsv", b"a\tb\n1\tx\n2\ty z\n", {}),
    "semicolons": ("t.csv", b"a;b\n1;x\n2;y z\n", {"delimiter": ";"}),
    "gzip": ("t.csv.gz", gzip.compress(b"a,b\n1,x\n2,y z\n"), {}),
    "gzip in parts": ("t.csv.gz", gzip.compress(b"a,b\n1,x\n") + gzip.compress(b"2,y z\n"), {}),
    "gzip of tabs": ("t.tsv.gz", gzip.compress(b"a\tb\n1\tx\n2\ty z\n"), {}),
    "UTF-16": ("t.csv", "a,b\n1,x\n2,y z\n".encode("utf-16"), {"encoding": "utf-16"}),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings_of_one_table(name: str) -> None:
    file, content, options = SPELLINGS[name]
    assert_frame_equal(read(content, file, **options), SAME)


def test_quoted_cells_hold_anything() -> None:
    cells = ["x,y", "x\ny", 'say "x"', '"', "\r\n", " ", ""]
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([["a", "b"], *([cell, "z"] for cell in cells)])
    assert listed(read(buffer.getvalue())["a"]) == [*cells[:-1], None]


def test_another_encoding() -> None:
    assert listed(read("a,b\ncafé,€\n".encode("cp1252"), encoding="cp1252").iloc[0]) == ["café", "€"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32", "shift_jis", "gb18030"])
def test_letters_across_blocks(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of the file may be more bytes as UTF-8, or fewer, and may end inside a letter."""
    for block in (97, 1_024):
        monkeypatch.setattr("polytask.data.reading.text.text_stream.BLOCK_BYTES", block)
        frame = read(("a,b\n" + "日本,1\n" * 500).encode(encoding), encoding=encoding)
        assert frame["a"].tolist() == ["日本"] * 500
        assert frame["b"].tolist() == [1] * 500


def test_odd_blanks_in_names_end_no_line() -> None:
    path = written("a,b\u2028c\n1,2\n")
    with pytest.raises(DataError, match="a name that cannot be printed"):
        read_table(path)


# --- Round trips ------------------------------------------------------------------------------------------------------

NAMES = st.text(string.ascii_letters + string.digits + "_äλ語 \"',", min_size=1, max_size=8).map(str.strip).filter(bool)
# A lone carriage return is a line end that the writer of CSV leaves without quotes.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=8)
DATES = st.datetimes(pd.Timestamp("1000-01-01").to_pydatetime(), pd.Timestamp("2999-01-01").to_pydatetime())


def column_of(kind: str, rows: int) -> st.SearchStrategy[Any]:
    def several(values: st.SearchStrategy[Any], gaps: bool = True) -> st.SearchStrategy[list[Any]]:
        cells = st.lists(values | st.none() if gaps else values, min_size=rows, max_size=rows)
        return cells.filter(lambda own: any(value is not None for value in own))

    return {
        "integer": several(st.integers(-(2**53), 2**53), gaps=False).map(lambda own: np.array(own, dtype=np.int64)),
        "float": several(st.floats(allow_nan=False, allow_infinity=False)).map(lambda own: np.array(own, dtype=np.float64)),
        "boolean": several(st.booleans()).map(lambda own: pd.array(own, dtype="boolean")),
        "category": several(TEXTS).map(pd.Series),
        "date": several(DATES).map(lambda own: np.array(own, dtype="datetime64[us]")),
    }[kind]


@st.composite
def frames(draw: st.DrawFn) -> tuple[pd.DataFrame, dict[str, str]]:
    names = draw(st.lists(NAMES, min_size=2, max_size=4, unique=True))
    rows = draw(st.integers(1, 12))
    kinds = {name: draw(st.sampled_from(["integer", "float", "boolean", "category", "date"])) for name in names}
    return pd.DataFrame({name: draw(column_of(kind, rows)) for name, kind in kinds.items()}), kinds


@given(drawn=frames(), ending=st.sampled_from(["\n", "\r\n"]), file=st.sampled_from(["t.csv", "t.tsv", "t.csv.gz", "t.parquet"]))
@settings(max_examples=2 * settings.default.max_examples)
def test_what_is_written_is_read(drawn: tuple[pd.DataFrame, dict[str, str]], ending: str, file: str) -> None:
    frame, kinds = drawn
    check_frame(frame)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        if file == "t.parquet":
            frame.to_parquet(path)
        else:
            frame.to_csv(path, index=False, lineterminator=ending, sep="\t" if "tsv" in file else ",")
        table = open_table(path, ReadingOptions(categorical=tuple(name for name, kind in kinds.items() if kind == "category")))
        assert dict(table.kinds) == {name: {"integer": "number", "float": "number"}.get(kind, kind) for name, kind in kinds.items()}
        assert table.rows == len(frame)
        assert_frame_equal(table.read(), frame)
        for rows in (1, 7, 1000):
            chunks = list(table.chunks(rows))
            assert [len(chunk) for chunk in chunks[:-1]] == [rows] * (len(chunks) - 1)
            assert all((chunk.dtypes == frame.dtypes).all() for chunk in chunks)
            assert_frame_equal(pd.concat(chunks), frame)


BIG = pd.DataFrame(
    {
        "integer": np.arange(3_000),
        "late decimal": [*range(2_999), 0.5],
        "late gap": [*map(float, range(2_999)), np.nan],
        "text": [None if n % 7 == 0 else f"t{n % 5}" for n in range(3_000)],
        "late text": [None] * 2_999 + ["x"],
        "late truth": pd.array([None] * 2_999 + [True], dtype="boolean"),
    }
)


@pytest.mark.parametrize("rows", [pytest.param(1, marks=pytest.mark.slow), 7, 1_000, 5_000])
@pytest.mark.parametrize("file", ["t.csv", "t.parquet"])
def test_a_chunk_has_the_types_of_the_whole(rows: int, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytask.data.reading.text.csv_reader.BLOCK_BYTES", 4_096)
    monkeypatch.setattr("polytask.data.reading.typed_files.BATCH_ROWS", 64)
    path = tmp_path / file
    BIG.to_csv(path, index=False) if file == "t.csv" else BIG.to_parquet(path)
    table = open_table(path)
    chunks = list(table.chunks(rows))
    assert [len(chunk) for chunk in chunks] == [rows] * (3_000 // rows) + [3_000 % rows] * bool(3_000 % rows)
    assert {tuple(map(str, chunk.dtypes)) for chunk in chunks} == {tuple(map(str, table.read().dtypes))}
    assert_frame_equal(pd.concat(chunks), read_table(path))
    assert_frame_equal(table.read(), BIG)


def test_chunks_may_be_read_again_and_side_by_side(tmp_path: Path) -> None:
    BIG.to_csv(tmp_path / "t.csv", index=False)
    table = open_table(tmp_path / "t.csv")
    for one, other in zip(table.chunks(900), table.chunks(900), strict=True):
        assert_frame_equal(one, other)
    with pytest.raises(ConfigError, match="a chunk needs at least one row"):
        table.chunks(0)


def test_a_table_need_not_be_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n" + "1.2345678901234567,some text,7654321\n" * 400_000)
    table = open_table(path)
    for _ in range(20):
        chunks = table.chunks(10)
        assert len(next(chunks)) == 10
        del chunks
    assert table.rows == 400_000


@pytest.mark.slow
def test_memory_is_bounded_by_blocks_and_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Arrow holds are some blocks and a chunk, however long the file."""
    block = 2**16
    monkeypatch.setattr("polytask.data.reading.text.csv_reader.BLOCK_BYTES", block)
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n" + "1.2345678901234567,some text,7654321\n" * 600_000)
    before = pa.total_allocated_bytes()
    held = max(pa.total_allocated_bytes() - before for _ in open_table(path).chunks(1_000))
    assert held < 64 * block < path.stat().st_size / 5


def test_only_the_calling_thread_reads_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of pyarrow that runs Python code while the interpreter ends aborts the process of a refused table."""
    threads = set()
    read_bytes = TextStream.read

    def read_noting_the_thread(self: TextStream, size: int = -1) -> bytes:
        threads.add(threading.get_ident())
        return read_bytes(self, size)

    monkeypatch.setattr(TextStream, "read", read_noting_the_thread)
    monkeypatch.setattr("polytask.data.reading.text.csv_reader.BLOCK_BYTES", 4_096)
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n" + "1.5,some text,7\n" * 5_000 + "1,2\n" + "1.5,some text,7\n" * 5_000)
    with pytest.raises(DataError, match="row 5001: a row with too few cells"):
        open_table(path)
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
def test_blocks_consist_of_whole_rows(ends: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytask.data.reading.text.text_stream.BLOCK_BYTES", block)
    rows = ['1,"a ""b"""', '2,"c' + ends + 'd"', "3,e", '4,"' + "f" * 50 + '"']
    path = written(ends.join(rows) + ends)
    with TextStream(path, ReadingOptions()) as text:
        blocks = [*text.row_blocks(block + 60)]
    assert b"".join(blocks).decode() == ends.join(rows) + ends
    assert all(one.endswith(ends.encode()) and one.count(b'"') % 2 == 0 for one in blocks)


def test_a_file_that_expands_without_end_is_refused_by_its_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytask.data.reading.text.expansion.MIN_EXPANDED", 100_000)
    monkeypatch.setattr("polytask.data.reading.text.csv_reader.BLOCK_BYTES", 65_536)
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(["a,b\n", *["1.5,text\n"] * 200_000])
    with pytest.raises(DataError, match="expands to more than 100 times its size"):
        open_table(path)
    drawn = np.random.default_rng(0).normal(size=60_000)
    with gzip.open(path, "wt") as file:
        file.writelines(["a,b\n", *(f"{value},text\n" for value in drawn)])
    assert open_table(path).rows == 60_000


# --- Parquet ----------------------------------------------------------------------------------------------------------


def test_types_of_parquet(tmp_path: Path) -> None:
    times = pa.array([0, 1_700_000_000_123_456_789], pa.timestamp("ns", "Europe/Rome"))
    table = {
        "small": (pa.array([1, 2], pa.int8()), "number", [1, 2]),
        "unsigned": (pa.array([1, None], pa.uint64()), "number", [1.0, None]),
        "half": (pa.array(np.array([1.5, 2], np.float16)), "number", [1.5, 2.0]),
        "nan": (pa.array([1.5, float("nan")]), "number", [1.5, None]),
        "decimal": (pa.array([1, None], pa.decimal128(9, 2)), "number", [1.0, None]),
        "large": (pa.array([2**53 + 1, None], pa.uint64()), "category", ["9007199254740993", None]),
        "negative": (pa.array([-(2**53) - 1, 1]), "category", ["-9007199254740993", "1"]),
        "truth": (pa.array([True, None]), "boolean", [True, None]),
        "text": (pa.array(["1", ""], pa.large_string()), "category", ["1", None]),
        "view": (pa.array(["NA", "x"], pa.string_view()), "category", [None, "x"]),
        "coded": (pa.array(["x", None]).dictionary_encode(), "category", ["x", None]),
        "day": (pa.array([0, None], pa.date32()), "date", [pd.Timestamp(0), None]),
        "time": (times, "date", [pd.Timestamp(0), pd.Timestamp("2023-11-14 22:13:20.123456")]),
        "none": (pa.nulls(2), "empty", [None, None]),
        "gaps": (pa.nulls(2, pa.string()), "empty", [None, None]),
        "forced": (pa.array([1, 2]), "category", ["1", "2"]),
    }
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({name: array for name, (array, _, _) in table.items()}), path)
    read = open_table(path, ReadingOptions(na_values=("NA",), categorical=("forced",)))
    assert dict(read.kinds) == {name: kind for name, (_, kind, _) in table.items()}
    frame = read.read()
    assert {name: listed(frame[name]) for name in frame} == {name: values for name, (_, _, values) in table.items()}
    assert len(read.warnings) == 2


def test_the_index_of_a_frame_is_no_column(tmp_path: Path) -> None:
    pd.DataFrame({"a": [2, 3]}, index=[7, 5]).to_parquet(tmp_path / "t.parquet")
    table = open_table(tmp_path / "t.parquet")
    assert table.columns == ("a",)
    assert table.read()["a"].tolist() == [2, 3]
    assert "index" in table.warnings[0]


# --- Anything ---------------------------------------------------------------------------------------------------------

PIECES = [b"a", b"b", b",", b",", b"\n", b"\n", b'"', b"\r", b" ", b"1", b"2.5", b"x", b"", b"\xc3\xa9", b'""', b"\r\n", b"true", b"-"]
ODD = [
    b"\0",
    b"\xff",
    b"inf",
    b"1e999",
    b"2024-01-01",
    b"2024-02-30",
    b"1,000",
    b"\xef\xbb\xbf",
    b"\x1f\x8b",
    b"PK\x03\x04",
    b"\xe2\x80\xae",
    b"0x1F",
]
PIECED = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)
WILD = st.lists(st.sampled_from(PIECES + ODD), max_size=30).map(b"".join) | st.binary(max_size=60) | st.text(max_size=60).map(str.encode)


def lines_of(error: PolytaskError) -> list[str]:
    return str(error).splitlines()


@given(content=WILD.map(lambda body: b"a,b\n" + body) | WILD, file=st.sampled_from(["t.csv", "t.csv.gz", "t.tsv", "t.parquet"]))
@settings(max_examples=6 * settings.default.max_examples)
def test_any_bytes_are_a_frame_or_one_line(content: bytes, file: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        path.write_bytes(gzip.compress(content) if file.endswith(".gz") else content)
        try:
            frame = read_table(path)
        except PolytaskError as error:
            assert len(lines_of(error)) == 1
            assert str(error).isprintable()
        else:
            check_frame(frame)


def oracle(text: str, width: int) -> Iterator[list[str | None]]:
    for row in csv.reader(io.StringIO(text, newline=""), strict=True):
        if row or width == 1:
            yield [cell or None for cell in row] or [None]


@given(body=PIECED, header=st.sampled_from(["a,b\n", "a\n", "a,b,c\r\n"]))
@example(body=b'"\r\n",1\r\n\r\n', header="a,b\n")
@settings(max_examples=10 * settings.default.max_examples)
def test_what_is_accepted_is_cut_as_the_standard_library_cuts_it(body: bytes, header: str) -> None:
    names = tuple(header.strip().split(","))
    path = written(header.encode() + body)
    try:
        frame = read_table(path, ReadingOptions(categorical=names))
    except PolytaskError as error:
        assert len(lines_of(error)) == 1
        return
    assert frame.astype(object).where(frame.notna(), None).to_numpy().tolist() == list(oracle(body.decode(), len(names)))


@given(body=PIECED, size=st.integers(1, 9))
def test_quotes_and_rows_are_the_same_whatever_the_blocks(body: bytes, size: int) -> None:
    whole, parts = QuoteTracker(","), QuoteTracker(",")
    fault = whole.fault(body)
    faults = (parts.fault(body[start : start + size]) for start in range(0, len(body), size))
    assert next((at for at in faults if at is not None), None) == fault
    if fault is None:
        assert (parts.open, parts.opened) == (whole.open, whole.opened)
    ends, inside, last = [], False, ord("\n")
    for start in range(0, len(body), size):
        block = body[start : start + size]
        ends += [start + int(end) for end in row_ends(block, inside, last)]
        inside, last = inside ^ bool(block.count(b'"') % 2), block[-1]
    assert ends == row_ends(body).tolist()
