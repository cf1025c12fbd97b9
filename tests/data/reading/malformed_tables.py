"""Tables that cannot be read as they stand, and what is said of each: one row per situation.

Every row names what is wrong, the file (or the frame, with targets), and the words that the one line has to hold.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from polytask.errors import ConfigError, DataError, PolytaskError
from polytask.options import ReadingOptions


@dataclass(frozen=True)
class File:
    """A file that is refused: its name, its bytes, how it is read, and the words of the error."""

    name: str
    file: str
    content: bytes | Callable[[], bytes]
    words: tuple[str, ...]
    error: type[PolytaskError] = DataError
    options: Mapping[str, Any] = field(default_factory=dict)

    def bytes(self) -> bytes:
        return self.content() if callable(self.content) else self.content

    def reading(self) -> ReadingOptions:
        return ReadingOptions(**self.options)


@dataclass(frozen=True)
class Frame:
    """A frame that is refused, and the words of the error."""

    name: str
    frame: Callable[[], Any]
    words: tuple[str, ...]
    error: type[PolytaskError] = DataError


@dataclass(frozen=True)
class Targets:
    """Targets that are refused, or warned of if there is no error."""

    name: str
    table: Mapping[str, Any]
    targets: Any
    words: tuple[str, ...]
    error: type[PolytaskError] | None = DataError
    kinds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Features:
    """Features beside the target `y`, and the words of the only warning; none if there is to be none."""

    name: str
    table: Mapping[str, Any]
    words: tuple[str, ...] = ()


def csv(name: str, content: bytes, *words: str, file: str = "t.csv", error: type[PolytaskError] = DataError, **options: Any) -> File:
    return File(name, file, content, words, error, options)


def stored(table: Callable[[], Any], damage: Callable[[bytes], bytes] = bytes) -> Callable[[], bytes]:
    def content() -> bytes:
        buffer = io.BytesIO()
        parquet.write_table(table(), buffer)
        return damage(buffer.getvalue())

    return content


def columns(**arrays: Any) -> Callable[[], Any]:
    return lambda: pa.table({name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in arrays.items()})


def stored_parquet(name: str, table: Callable[[], Any], *words: str, damage: Callable[[bytes], bytes] = bytes, **options: Any) -> File:
    return File(name, "t.parquet", stored(table, damage), words, DataError, options)


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if sum(map(len, files.values())) > 100 else zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.csv", content)
    return buffer.getvalue()


LONG = b"x" * 101
HEADER = b"a,b,c,d,e,f,g,h\n"
MANY = b"1,2\n" * 30_000

CELLS = (
    csv(
        "text in numbers",
        b"a,b\n1,2\n3,x\n5,6\n",
        "t.csv, row 2, column 'b'",
        "not a number",
        "found 'x'",
        "na_values=('x',)",
        "categorical=('b',)",
    ),
    csv("NA is a text", b"a,b\n1,2\nNA,3\n4,5\n", "row 2, column 'a'", "found 'NA'", "na_values=('NA',)"),
    csv("None is a text", b"a,b\n1,2\nNone,3\n4,5\n", "row 2, column 'a'", "na_values=('None',)"),
    csv("null is a text", b"a,b\n1,2\nnull,3\n4,5\n", "row 2, column 'a'", "na_values=('null',)"),
    csv("NaN is a text", b"a,b\n1,2\nNaN,3\n4,5\n", "row 2, column 'a'", "na_values=('NaN',)"),
    csv("a question mark is a text", b"a,b\n?,2\n1,3\n4,5\n", "row 1, column 'a'", "na_values=('?',)"),
    csv("a blank is a text", b"a,b\n 1,2\n ,3\n4,5\n", "row 2, column 'a'", "not a number", "found ' '"),
    csv("exactly half are numbers", b"a\n1\nx\n2\ny\n", "row 2, column 'a'", "found 'x'"),
    csv("another text is missing", b"a,b\n1,2\n?,3\nNA,5\n4,5\n", "row 3", "found 'NA'", na_values=("?",)),
    csv("a hexadecimal number", b"a\n1\n2\n0x1F\n", "row 3, column 'a'", "not a number", "0x1F"),
    csv("Arabic digits", "a\n1\n2\n٣\n".encode(), "row 3, column 'a'", "found '٣'"),
    csv("two dots", b"a\n1\n2\n1.2.3\n", "row 3", "found '1.2.3'"),
    csv("a lone sign", b"a\n1\n2\n-\n", "row 3", "found '-'"),
    csv("a lone exponent", b"a\n1\n2\ne5\n", "row 3", "found 'e5'"),
    csv("a sum", b"a\n1\n2\n1+1\n", "row 3", "found '1+1'"),
    csv(
        "thousands with commas",
        b'a,b\n"1,000",1\n"2,500",2\n',
        "row 1, column 'a'",
        "separators",
        "found '1,000'",
        "plainly",
        "categorical=('a',)",
    ),
    csv("one number with a comma", b'a\n1\n2\n"3,000"\n', "row 3", "separators", "found '3,000'"),
    csv("a decimal comma", b"a;b\n1;1,5\n2;2,25\n", "row 1, column 'b'", "separators", "found '1,5'", delimiter=";"),
    csv("thousands with blanks", b"a,b\n1 000,1\n2 500,2\n", "row 1, column 'a'", "separators", "1 000"),
    csv("thousands with narrow blanks", "a\n1\u202f000\n2\u202f500\n".encode(), "row 1", "separators"),
    csv("thousands with apostrophes", b"a,b\n1'000,1\n2'500,2\n", "row 1", "separators", "1'000"),
    csv("thousands with dots", b"a,b\n1.000.000,1\n2.500.000,2\n", "row 1", "separators", "1.000.000"),
    csv("underscores", b"a,b\n1_000,1\n2_500,2\n", "row 1", "separators", "1_000"),
    csv("percent", b"a,b\n12%,1\n50%,2\n", "row 1", "%", "12%"),
    csv("a currency", "a,b\n€12,1\n$50,2\n".encode(), "row 1", "currency", "€12"),
    csv("a number that overflows", b"a,b\n1,2\n1e999,3\n", "row 2, column 'a'", "infinite", "found '1e999'"),
    csv("infinity by name", b"a,b\n1,2\n3,4\ninf,3\n", "row 3, column 'a'", "infinite", "found 'inf'"),
    csv("minus infinity", b"a,b\n1,2\n3,4\n-Infinity,3\n", "row 3", "infinite", "'-Infinity'"),
    csv("only infinities", b"a,b\ninf,2\ninf,3\n", "row 1", "infinite"),
    csv("booleans and numbers", b"a\nTrue\nFalse\n1\n", "row 1, column 'a'", "booleans and numbers", "found 'True'"),
    csv("a date that does not exist", b"a\n2024-01-31\n2024-02-30\n", "row 2, column 'a'", "does not exist", "2024-02-30"),
    csv("an hour that does not exist", b"a\n2024-01-31 10:00\n2024-02-01 25:00\n", "row 2", "does not exist", "25:00"),
    csv("a zone in one time of two", b"a\n2024-01-31T10:00Z\n2024-02-01T10:00\n", "row 2", "time zone", "'2024-02-01T10:00'"),
    csv(
        "a cell that is too long",
        b"a,b\n1,x\n2," + LONG + b"\n",
        "row 2, column 'b'",
        "too long",
        "101 bytes",
        "max_field_bytes",
        max_field_bytes=100,
    ),
    csv("a long text is shown short", b"a\n1\n2\n" + LONG + b"\n", "row 3", "x" * 39 + "…'", "na_values=(that text,)"),
    csv("control characters are not shown", b"a\n1\n2\n\x1b[31mred\x07\n", "row 3", "found '[31mred'", "na_values=(that text,)"),
    csv("far down", b"a,b\n" + MANY + b"1,x\n" + MANY, "row 30001, column 'b'", "found 'x'"),
    csv("in the next block", b"a,b\n" + b"1,2\n" * 1_500_000 + b"1,x\n", "row 1500001, column 'b'", "found 'x'"),
)

ROWS = (
    csv("too few cells", b"a,b\n1,2\n3\n", "t.csv, row 2", "too few cells", "1 for 2 columns", "'3'"),
    csv("too many cells", b"a,b\n1,2\n3,4,5\n", "row 2", "too many cells", "3 for 2 columns", "quotes"),
    csv("too many cells in the first row", b"a,b\n1,2,3\n4,5,6\n", "row 1", "3 for 2 columns"),
    csv("a comma at the end of rows", b"a,b\n1,2,\n3,4,\n", "row 1", "too many cells"),
    csv("a decimal comma between commas", b"a,b\n1,5,2\n", "row 1", "too many cells"),
    csv("too few cells far down", b"a,b\n" + MANY + b"\n\n3\n" + MANY, "row 30001", "too few cells"),
    csv("quoted lines count as one row", b'a,b\n"1\n\n",2\n3\n', "row 2", "too few cells"),
    csv("an open quote", b'a,b\n1,"x\n2,y\n', "row 1", "not closed"),
    csv("an open quote in the last cell", b'a,b\n1,x\n2,"', "row 2", "not closed"),
    csv("two open quotes", b'a,b\n1,x\n2,"y\n3,z\n4,"w\n', "row 2", "a quote out of place"),
    csv("text after a quote", b'a,b\n1,"x"y\n', "row 1", "a quote out of place", "twice"),
    csv("a quote inside a cell", b'a,b\n1,x\n2,12" pipe\n', "row 2", "a quote out of place"),
    csv("a blank before a quote", b'a,b\n1, "x"\n', "row 1", "a quote out of place"),
    csv("an open quote far down", b"a,b\n" + MANY + b'1,"x\n' + MANY, "row 30001", "not closed"),
    csv("an open quote and a row that never ends", b'a,b\n1,"x\n' + b"1,2\n" * 3_000_000, "row 1", "not closed"),
    csv("a NUL byte", b"a,b\n1,2\n3,\x004\n", "row 2", "NUL byte", "UTF-8"),
    csv("a NUL byte in the header", b"a,\0b\n1,2\n", "header", "NUL byte"),
    csv("bytes of another encoding", b"a,b\n1,x\n2,caf\xe9\n", "row 2", "not valid utf-8 text", "0xE9", "cp1252"),
    csv("a letter that is cut off", b"a,b\n1,x\n2,caf\xc3", "row 2", "not valid utf-8 text"),
    csv("UTF-16 without saying so", "a,b\n1,2\n".encode("utf-16"), "header", "not valid utf-8 text", "0xFF"),
    csv("UTF-16 without a mark", "a,b\n1,2\n".encode("utf-16-le"), "NUL byte", "encoding"),
    csv("ASCII asked for", "a,b\n1,é\n".encode(), "row 1", "not valid ascii text", encoding="ascii"),
    csv("too many bytes", b"a,b\n" + MANY, "larger than is allowed", "1000 bytes", "max_bytes", max_bytes=1_000),
    csv(
        "a bomb",
        gzip.compress(b"a,b\n" + b"1,2\n" * 1_000_000),
        "larger than is allowed",
        "max_bytes",
        file="t.csv.gz",
        max_bytes=100_000,
    ),
    csv("gzip that is cut off", gzip.compress(b"a,b\n" + MANY)[:-20], "t.csv.gz", "damaged gzip", file="t.csv.gz"),
    csv("gzip with another byte", gzip.compress(b"a,b\n1,2\n")[:-8] + b"\0" * 8, "damaged gzip", "again", file="t.csv.gz"),
    csv("gzip that is none", b"a,b\n1,2\n", "damaged gzip", file="t.csv.gz"),
    csv("gzip unannounced", gzip.compress(b"a,b\n1,2\n"), "not a text file", "a gzip file", ".csv.gz"),
)

HEADERS = (
    csv("an empty file", b"", "t.csv", "an empty file"),
    csv("an empty gzip file", gzip.compress(b""), "an empty file", file="t.csv.gz"),
    csv("a mark and nothing", b"\xef\xbb\xbf", "an empty file"),
    csv("line ends only", b"\n\n\n", "no column has a name"),
    csv("a header only", b"a,b\n", "a table without rows"),
    csv("a header without a line end", b"a,b", "a table without rows"),
    csv("a header and empty lines", b"a,b\n\n\n\n", "a table without rows"),
    csv("one name twice", b"a,b,a\n1,2,3\n", "header", "two columns have the same name", "'a' at columns 1 and 3"),
    csv("one name twice but for blanks", b"a, a\n1,2\n", "two columns have the same name", "columns 1 and 2"),
    csv("an index without a name", b",a,b\n0,1,2\n", "a column without a name", "column 1 of 3", "index=False"),
    csv("a comma at the end of the header", b"a,b,\n1,2,3\n", "a column without a name", "column 3 of 3"),
    csv("names of blanks", b"a,  ,c\n1,2,3\n", "a column without a name", "column 2 of 3"),
    csv("a name with an escape", b"a,\x1b[31mb\n1,2\n", "cannot be printed", "'[31mb'", "column 2"),
    csv("a name that turns the direction", "a,\u202eb\n1,2\n".encode(), "cannot be printed"),
    csv("a name of two lines", b'a,"b\nc"\n1,2\n', "cannot be printed"),
    csv("semicolons", b"a;b\n1;2\n", "another delimiter", "; in 'a;b'", "delimiter=';'"),
    csv("tabs", b"a\tb\n1\t2\n", "another delimiter", "a tab in", "delimiter='\\t'"),
    csv("bars", b"a|b\n1|2\n", "another delimiter", "delimiter='|'"),
    csv("commas in a .tsv file", b"a,b\n1,2\n", "another delimiter", "delimiter=','", file="t.tsv"),
    csv("too many columns", b",".join(b"%d" % n for n in range(11)) + b"\n", "too many columns", "found 11", "max_columns", max_columns=10),
    csv("an open quote in the header", b'a,"b\n1,2\n', "header", "not closed"),
    csv("a first line of megabytes", b"a" * 5_000_000, "header", "does not end"),
)

WRONG_FILES = (
    csv("a spreadsheet", b"PK\x03\x04rest", ".xlsx", "CSV or Parquet", file="t.xlsx"),
    csv("a spreadsheet named .csv", b"PK\x03\x04rest", "not a text file", "spreadsheet"),
    csv("an old Excel file named .csv", b"\xd0\xcf\x11\xe0rest", "an Excel file"),
    csv("a Parquet file named .csv", b"PAR1rest", "a Parquet file", ".parquet"),
    csv("a web page named .csv", b"<!DOCTYPE html>\n<html></html>", "a web page"),
    csv("a pointer named .csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    csv(
        "three columns at once", b"a,b,c\n1,2,3\n4,x,inf\n6,7,8\ny,9,9\n", "row 4, column 'a'", "Also", "column 'b'", "column 'c'", "'inf'"
    ),
    csv("many columns at once", HEADER + b"1" + b",1" * 7 + b"\n1" + b",1" * 7 + b"\nx" + b",x" * 7, "'a'", "'e'", "3 more"),
    csv("a ZIP archive that is none", b"PK", "archive cannot be read", "Unpack", file="t.zip"),
    csv("a ZIP archive of two tables", zipped(a=b"a,b\n1,2\n", b=b"a,b\n1,2\n"), "exactly one", "2 files", file="t.zip"),
    csv("a ZIP archive of nothing", zipped(), "exactly one", "0 files", file="t.zip"),
    csv("a ZIP archive with another byte", zipped(a=b"a,b\n1,2\n").replace(b"1,2", b"1,3"), "damaged ZIP", file="t.zip"),
    csv("a ZIP archive that expands", zipped(a=b"a,b\n" + b"1,2\n" * 20_000_000), "100 times its size", file="t.zip"),
    csv("Arrow that is none", b"ARROW1", "not a Feather", file="t.feather"),
    csv("JSON that is none", b'{"a": 1', "not a JSON lines", file="t.jsonl"),
    csv("JSON of two types", b'{"a": 1}\n{"a": "x"}\n', "not a JSON lines", "number to string", file="t.jsonl"),
    csv("JSON with lists", b'{"a": [1]}\n', "unsupported type", "column", file="t.jsonl"),
    csv("a date of another format", b"d,y\n31/12/2026,1\n12/31/2026,2\n", "12/31/2026", "row 2", "format", date_formats={"d": "%d/%m/%Y"}),
    csv("a day that its month lacks", b"d,y\n28.02.2026,1\n31.02.2026,2\n", "does not exist", "31.02.2026", "row 2"),
    csv("a format of dates with hours of twelve", b"d,y\n1,1\n", "%I", error=ConfigError, date_formats={"d": "%d/%m/%Y %I"}),
    csv("a format of dates without a year", b"d,y\n1,1\n", "a year", error=ConfigError, date_formats={"d": "%d/%m"}),
    csv("a format for no column", b"d,y\n1,1\n", "no such column", error=ConfigError, date_formats={"e": "%d/%m/%Y"}),
    csv("points where commas are decimal signs", b"a;b\n1,5;1\n1.5;2\n2,5;3\n", "1.5", "row 2", delimiter=";", decimal=","),
    csv("no thousands", b"a;b\n1.234;1\n0.123;2\n2,5;3\n", "0.123", "row 2", delimiter=";", decimal=",", thousands="."),
    csv("thousands that begin with 0", b"a;b\n1.234;1\n-012.345;2\n2,5;3\n", "-012.345", delimiter=";", decimal=",", thousands="."),
    csv("thousands of two digits", b"a;b\n1.234;1\n1.23;2\n2,5;3\n", "1.23", "row 2", delimiter=";", decimal=",", thousands="."),
    csv("a decimal sign that is none", b"a,b\n1,2\n", "a point or a comma", error=ConfigError, decimal=";"),
    csv("one sign for decimals and thousands", b"a,b\n1,2\n", "differ", error=ConfigError, decimal=",", thousands=","),
    csv("a separator of thousands that is none", b"a,b\n1,2\n", "must be one of", error=ConfigError, thousands="x"),
    csv("a text file", b"a,b\n1,2\n", ".txt", "end in .csv", file="t.txt"),
    csv("JSON", b"[]", ".json", "CSV or Parquet", file="t.json"),
    csv("no ending", b"a,b\n1,2\n", "no ending", file="table"),
)

OPTIONS = (
    csv(
        "categories of no column", b"age,town\n1,2\n", "categorical='tonw'", "Did you mean 'town'", error=ConfigError, categorical=("tonw",)
    ),
    csv("missing is a text", b"a\n1\n", "na_values", "tuple", error=ConfigError, na_values="NA"),
    csv("categories are a list", b"a\n1\n", "categorical", "tuple", error=ConfigError, categorical=["a"]),
    csv("a delimiter of two", b"a\n1\n", "delimiter", "'::'", error=ConfigError, delimiter="::"),
    csv("a delimiter that is a quote", b"a\n1\n", "delimiter", error=ConfigError, delimiter='"'),
    csv("a delimiter that is in numbers", b"a\n1\n", "delimiter", error=ConfigError, delimiter="."),
    csv("no such encoding", b"a\n1\n", "encoding", "'utf-9'", error=ConfigError, encoding="utf-9"),
    csv("an encoding of bytes", b"a\n1\n", "encoding", "'zlib'", error=ConfigError, encoding="zlib"),
    csv("no bytes at most", b"a\n1\n", "max_bytes", "positive", error=ConfigError, max_bytes=0),
    csv("half a column at most", b"a\n1\n", "max_columns", "positive", error=ConfigError, max_columns=0.5),
)

PARQUET = (
    stored_parquet("cut off", columns(a=[1, 2]), "t.parquet", "damaged", damage=lambda data: data[:-10]),
    stored_parquet("half of it", columns(a=list(range(10_000))), "damaged", damage=lambda data: data[: len(data) // 2]),
    stored_parquet(
        "damaged inside", columns(a=list(map(str, range(999)))), "damaged", damage=lambda data: data[:4] + b"\xff" * 60 + data[64:]
    ),
    File("nothing", "t.parquet", b"", ("damaged",)),
    File("text named .parquet", "t.parquet", b"a,b\n1,2\n", ("damaged",)),
    stored_parquet("lists", columns(a=[1], b=pa.array([[1]])), "column 'b'", "list", "parts a column"),
    stored_parquet("structures", columns(b=pa.array([{"x": 1}])), "column 'b'", "struct"),
    stored_parquet("bytes", columns(b=pa.array([b"x"])), "column 'b'", "binary", "as text"),
    stored_parquet("times of day", columns(b=pa.array([1], pa.time32("s"))), "column 'b'", "time32"),
    stored_parquet("durations", columns(b=pa.array([1], pa.duration("s"))), "column 'b'", "duration"),
    stored_parquet("one name twice", lambda: pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), "the same name", "'a'"),
    stored_parquet("no name", columns(**{"": [1]}), "without a name"),
    stored_parquet("no columns", lambda: pa.table({}), "no columns"),
    stored_parquet("no rows", columns(a=pa.array([], pa.int64())), "without rows"),
    stored_parquet("infinity", columns(a=[1.0, 2.0], b=[1.0, float("inf")]), "row 2, column 'b'", "infinite"),
    stored_parquet("infinity in the next batch", columns(b=[1.0] * 70_000 + [float("-inf")]), "row 70001, column 'b'", "infinite"),
    stored_parquet("too many columns", columns(a=[1], b=[2], c=[3]), "too many columns", "found 3", max_columns=2),
    stored_parquet(
        "a cell that is too long", columns(a=["x", "y" * 101]), "row 2, column 'a'", "too long", "101 bytes", max_field_bytes=100
    ),
    stored_parquet("too large", columns(a=[0] * 1_000_000), "larger than is allowed", "8000000 bytes", max_bytes=1_000_000),
)

FILES = (*CELLS, *ROWS, *HEADERS, *WRONG_FILES, *OPTIONS, *PARQUET)


def frame(**values: Any) -> Callable[[], pd.DataFrame]:
    return lambda: pd.DataFrame({name: pd.Series(own, dtype=object) if isinstance(own, tuple) else own for name, own in values.items()})


def named(*names: Any) -> Callable[[], pd.DataFrame]:
    return lambda: pd.DataFrame([range(len(names))], columns=pd.Index(list(names), dtype=object))


FRAMES = (
    Frame("no frame", lambda: {"a": [1]}, ("data frame", "dict")),
    Frame("no frame but a series", lambda: pd.Series([1]), ("data frame", "Series")),
    Frame("no columns", lambda: pd.DataFrame(index=[1]), ("no columns",)),
    Frame("no rows", frame(a=[]), ("no rows",)),
    Frame("one name twice", named("a", "b", "a"), ("here", "the same name", "'a' at columns 1 and 3")),
    Frame("an empty name", named("a", ""), ("without a name", "column 2 of 2")),
    Frame("a number as a name", named("a", 7), ("not a string", "'7'", "columns.map(str)")),
    Frame("no name", named("a", None), ("not a string", "column 2")),
    Frame("levels of names", lambda: pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), ("one level", "2 levels")),
    Frame("infinity", frame(a=[1.0, float("inf")]), ("here, row 2, column 'a'", "infinite", "found inf")),
    Frame("minus infinity", frame(a=np.array([1, -np.inf], np.float32)), ("row 2, column 'a'", "infinite", "-inf")),
    Frame("infinity among gaps", lambda: pd.DataFrame({"a": pd.array([None, np.inf], "Float64")}), ("row 2", "infinite")),
    Frame("infinity among objects", frame(a=(1.0, 2, float("inf"))), ("row 3", "infinite")),
    Frame("infinity among categories", lambda: pd.DataFrame({"a": pd.Categorical([1.0, np.inf, 1.0])}), ("row 2", "infinite")),
    Frame("a large integer", frame(a=[1, 2**53 + 1]), ("row 2, column 'a'", "2^53", "9007199254740993", "text")),
    Frame("a large object", frame(a=(1, 2**70)), ("row 2", "2^53")),
    Frame("an integer that no float holds", frame(a=(1, 10**400)), ("row 2, column 'a'", "cannot represent", "1000")),
    Frame("an integer of thousands of digits", frame(a=(1, 10**5000)), ("row 2, column 'a'", "cannot represent", "found int")),
    Frame("a decimal that signals", frame(a=(Decimal(1), Decimal("sNaN"))), ("row 2, column 'a'", "cannot represent", "sNaN")),
    Frame("an infinite decimal", frame(a=(Decimal(1), Decimal("Infinity"))), ("row 2, column 'a'", "infinite")),
    Frame(
        "lists of Arrow", lambda: pd.DataFrame({"a": pd.Series([[1]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))}), ("column 'a'", "list")
    ),
    Frame("text after numbers", frame(a=(1, 2, "x")), ("row 3, column 'a'", "text in a column that begins with a number", "'x'")),
    Frame("a number after texts", frame(a=("x", None, 2)), ("row 3", "a number in a column that begins with text", "found 2")),
    Frame("a boolean after numbers", frame(a=(1, True)), ("row 2", "a boolean in a column")),
    Frame("a date after texts", frame(a=("x", dt.date(2024, 1, 1))), ("row 2", "a date in a column")),
    Frame("a list", frame(a=([1, 2],)), ("row 1, column 'a'", "nested", "[1, 2]")),
    Frame("a dictionary", frame(a=(None, {"x": 1})), ("row 2", "nested")),
    Frame("an array", frame(a=("x", np.zeros(2))), ("row 2", "nested")),
    Frame("a set", frame(a=({1},)), ("row 1", "nested")),
    Frame("an object", frame(a=(len,)), ("row 1", "an unsupported type")),
    Frame("bytes", frame(a=(b"x",)), ("row 1", "bytes, which is not supported")),
    Frame("complex numbers", frame(a=[1j]), ("column 'a'", "complex128")),
    Frame("complex objects", frame(a=(1j,)), ("row 1", "complex")),
    Frame("durations", frame(a=pd.to_timedelta(["1 D"])), ("column 'a'", "timedelta64")),
    Frame("periods", frame(a=pd.period_range("2024", periods=1, freq="D")), ("column 'a'", "period[D]")),
    Frame("intervals", frame(a=pd.interval_range(0, 1)), ("column 'a'", "interval")),
    Frame("sparse", lambda: pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])}), ("column 'a'", "Sparse")),
)

TARGETS = (
    Targets("no such column", {"price": [1, 2]}, ["prise"], ("here", "'prise'", "Did you mean 'price'"), ConfigError),
    Targets("no target", {"a": [1]}, [], ("a list of target columns",), ConfigError),
    Targets("a text as targets", {"a": [1]}, "a", ("a list of target columns",), ConfigError),
    Targets("one target twice", {"a": [1, 2]}, ["a", "a"], ("named twice", "'a'"), ConfigError),
    Targets("a number as a target", {"a": [1, 2]}, [0], ("no such column", "'0'"), ConfigError),
    Targets("no label", {"a": [np.nan, np.nan]}, ["a"], ("here, column 'a'", "without a label")),
    Targets("no label of a class", {"a": pd.Series([None, None], dtype=object)}, ["a"], ("column 'a'", "without a label")),
    Targets("one number", {"a": [2.5, 2.5, np.nan]}, ["a"], ("column 'a'", "always the same", "2.5")),
    Targets("one class", {"a": ["x", "x", None]}, ["a"], ("column 'a'", "always the same", "'x'")),
    Targets("one truth", {"a": [True, True]}, ["a"], ("column 'a'", "always the same", "'True'")),
    Targets("a class of one row", {"a": ["x", "x", "y"]}, ["a"], ("row 3, column 'a'", "one row", "'y'")),
    Targets("many classes of one row", {"a": ["x", "x", "y", "z"]}, ["a"], ("row 3", "'y', one of 2 such classes among 3")),
    Targets("integers as classes", {"a": [1, 1, 2]}, ["a"], ("row 3", "'2'"), kinds={"a": "category"}),
    Targets("an infinite target", {"a": [1.0, np.inf]}, ["a"], ("row 2, column 'a'", "infinite", "inf")),
    Targets("dates", {"a": pd.to_datetime(["2024-01-01", "2024-01-02"])}, ["a"], ("column 'a'", "dates")),
    Targets("texts as numbers", {"a": ["x", "y"]}, ["a"], ("column 'a'", "not numbers"), kinds={"a": "number"}),
    Targets("few labels", {"a": [1.5, 2.5] + [np.nan] * 98}, ["a"], ("column 'a'", "only 2 of 100 rows"), None),
    Targets("a rare class", {"a": ["x"] * 9 + ["y"] * 4}, ["a"], ("column 'a'", "'y' has only 4 rows"), None),
    Targets("codes of classes", {"a": [0, 1, 2, 3] * 20}, ["a"], ("column 'a'", "4 different whole numbers", "classes"), None),
)

rng = np.random.default_rng(0)
NOISE = rng.normal(size=60)
SORTED = np.arange(60) // 20
CLASSES = np.array(["x", "y", "z"])[SORTED]
FEATURES = (
    Features("an empty column", {"a": [None] * 60, "y": NOISE}, ("column 'a'", "empty")),
    Features("a constant", {"a": [7] * 60, "y": NOISE}, ("column 'a'", "always the same")),
    Features("a row number", {"a": range(60), "y": NOISE}, ("column 'a'", "identifier", "increase")),
    Features("a falling number", {"a": range(60, 0, -1), "y": NOISE}, ("column 'a'", "identifier", "decrease")),
    Features("a named identifier", {"patient_id": rng.permutation(60), "y": NOISE}, ("'patient_id'", "identifier", "name")),
    Features("an identifier in camel case", {"patientId": rng.permutation(60), "y": NOISE}, ("'patientId'", "identifier", "name")),
    Features("texts that differ", {"a": [f"p{n}" for n in range(60)], "y": NOISE}, ("column 'a'", "identifier", "texts differ")),
    Features("the target itself", {"a": NOISE, "y": NOISE}, ("column 'a'", "target 'y' itself", "1.000000")),
    Features("the target in other units", {"a": 32 - 1.8 * NOISE, "y": NOISE}, ("column 'a'", "target 'y' itself")),
    Features("the target nearly", {"a": NOISE + 1e-4 * rng.normal(size=60), "y": NOISE}, ("column 'a'", "target 'y' itself")),
    Features("classes under other names", {"a": SORTED, "y": CLASSES}, ("column 'a'", "other names", "3 values")),
    Features(
        "groups with one class each", {"a": [f"g{n // 10}" for n in range(60)], "y": CLASSES}, ("determines", "6 values", "all 60 rows")
    ),
    Features(
        "groups where there is a label",
        {"a": [f"g{n // 10}" for n in range(60)], "y": [*CLASSES[:50], *[None] * 10]},
        ("determines", "5 values"),
    ),
    Features("nothing: noise", {"a": rng.normal(size=60), "y": NOISE}),
    Features("nothing: integers that differ", {"width": rng.permutation(60), "y": NOISE}),
    Features("nothing: groups with several classes", {"a": ["u", "v"] * 30, "y": CLASSES}),
    Features("nothing: a close relation", {"a": NOISE + 0.1 * rng.normal(size=60), "y": NOISE}),
    Features("nothing: dates", {"a": pd.date_range("2024", periods=60), "y": NOISE}),
    Features("nothing: too few rows", {"a": list("uvw"), "y": list("xyz")}),
    Features("nothing: huge numbers", {"a": NOISE * 1e300, "y": rng.normal(size=60) * 1e300}),
)
