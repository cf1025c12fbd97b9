"""Tables of one's own as sources: kinds, parts, codings, and the same from files that are larger than memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from polytask.data import TablePreprocessor, train_validation_split
from polytask.data.memmap import is_memmap
from polytask.data.preprocessing.columns import CategoricalColumn
from polytask.data.reading import TableFile
from polytask.datasets.tables import LoadedTables, column_labels, load_tables, make_task, source_from_table, to_dataframe
from polytask.errors import ConfigError, DataError, PolytaskError, StorageError
from polytask.options import TableOptions
from polytask.tasks import Binary, Count, Multilabel, Ordinal, Regression, Survival, Task
from polytask.tasks.type_of_target import LabelFacts, suggested_kind
from polytask.training import fit
from polytask.training.preparation.default_model import plan_network

Write = Callable[..., str]
ROWS = 200


def sales(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Customers in several rows each, on some days, with three targets that have gaps."""
    random = np.random.default_rng(seed)
    age = random.integers(18, 80, rows)
    table = pd.DataFrame(
        {
            "row": [f"r{number}" for number in range(rows)],
            "customer": random.integers(0, rows // 4, rows),
            "day": (pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 60, rows), unit="D")).strftime("%Y-%m-%d"),
            "age": age,
            "town": random.choice(["Oslo", "Rome", "Bern"], rows),
            "value": (age + random.normal(size=rows)).round(3),
            "churn": np.where(age + random.normal(size=rows) > 45, "yes", "no"),
            "plan": random.choice(["a", "b", "c"], rows),
        }
    )
    table.loc[random.random(rows) < 0.3, "value"] = np.nan
    table.loc[random.random(rows) < 0.3, "churn"] = None
    table.loc[random.random(rows) < 0.1, "age"] = np.nan
    return table


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a table as CSV, and says where it is."""

    def written(table: pd.DataFrame, name: str = "sales.csv") -> str:
        table.to_csv(tmp_path / name, index=False)
        return str(tmp_path / name)

    return written


def load(file: str, targets: Any = ("churn", "value"), *, share: float = 0.2, large: bool | None = None, **options: Any) -> LoadedTables:
    chosen = targets if isinstance(targets, dict) else dict.fromkeys(targets)
    return load_tables({"sales": TableOptions(file, chosen, **options)}, test_fraction=share, on_disk=large)


def units(loaded: LoadedTables) -> tuple[set[Any], set[Any], set[Any]]:
    """What the rows for training, validation and test are called."""
    assert loaded.sources.open_test is not None
    (source,), (test,) = loaded.sources, loaded.sources.open_test()
    training, validation = train_validation_split(source, 0.2, 0)
    return set(training.units.tolist()), set(validation.units.tolist()), set(test.units.tolist())


INFERRED: dict[str, tuple[list[Any], str | None, str]] = {
    "two words": (["no", "yes", None], "object", "binary"),
    "two numbers": ([3, 8, 3], None, "binary"),
    "0 and 1 beside a gap": ([0, 1, None], "float64", "binary"),
    "two fractions": ([0.5, 1.5] * 40, None, "regression"),
    "true and false": ([True, False], None, "binary"),
    "pandas' true and false": ([True, None], "boolean", "binary"),
    "three words": (["a", "b", "c"], "string", "multiclass"),
    "categorical": (["a", "b", "c"], "category", "multiclass"),
    "few whole numbers": ([1, 2, 3, 4, 5] * 20, None, "multiclass"),
    "the same beside gaps": ([1, 2, 3, 4, 5] * 20 + [None], "Int64", "multiclass"),
    "whole numbers that are many for so few rows": ([1, 2, 3, 4, 5] * 19, None, "regression"),
    "20 classes": (list(range(20)) * 20, None, "multiclass"),
    "21 different numbers": (list(range(21)) * 30, None, "regression"),
    "fractions": ([1.5, 2.0, 3.0] * 30, None, "regression"),
}


@pytest.mark.parametrize("case", INFERRED)
def test_kinds_are_inferred(case: str) -> None:
    cells, dtype, expected = INFERRED[case]
    assert suggested_kind(LabelFacts.of(column_labels(pd.Series(cells, dtype=dtype)))) == expected  # type: ignore[call-overload]


def test_labels_stay_what_they_are() -> None:
    assert column_labels(pd.Series([1, None], dtype="Int64")).tolist()[0] == 1.0
    assert column_labels(pd.Series([1, 2])).dtype == np.int64
    assert column_labels(pd.Series([True, False])).dtype == np.bool_
    assert column_labels(pd.Series([True, None], dtype="boolean")).tolist() == [True, None]
    assert column_labels(pd.Series(["a", None], dtype="string")).tolist() == ["a", None]
    assert column_labels(pd.Series(["a", None], dtype="category")).tolist() == ["a", None]
    with pytest.raises(DataError, match="a target cannot hold dates"):
        column_labels(pd.Series([pd.Timestamp("2024-01-01")]))


WORDS = np.array(["low", "high", None, "mid"], dtype=object)


def test_a_task_of_a_column_takes_options() -> None:
    assert make_task("size", WORDS, "ordinal(classes=[low, mid, high])").classes == ("low", "mid", "high")  # type: ignore[attr-defined]
    assert make_task("size", np.array([3.0, 1.0, np.nan]), "ordinal") == Ordinal(name="size", classes=(1, 3))
    assert make_task("size", WORDS[:2], "binary(classes=[low, high])", 0.5) == Binary(name="size", weight=0.5, classes=("low", "high"))
    assert make_task("size", np.array([1.5, 2.5]), None, 3.0) == Regression(name="size", weight=3.0)
    tags = make_task("tags", np.array(["b;a", "-", None, "c"], dtype=object), "multilabel(separator=;)")
    assert isinstance(tags, Multilabel)
    assert tags.classes == ("a", "b", "c")
    mine = Count(name="size")
    assert make_task("size", np.array([1, 2]), mine) is mine


OBJECTS: dict[str, tuple[list[Any], str | list[Any]]] = {
    "numbers": ([1.5, None, 2], [1.5, np.nan, 2.0]),
    "decimals": ([Decimal("1.5"), pd.NA, Decimal(2)], [1.5, np.nan, 2.0]),
    "true and false": ([True, np.nan, False], [True, None, False]),
    "words": (["a", pd.NaT, "nan"], ["a", None, "nan"]),
    "names that are large numbers": ([2**60 + 1, None, 3], [2**60 + 1, None, 3]),
    "numbers and words": ([None, 1, 2.5, "x"], r"column 't', row 4: labels of a target must have one type \(found 1 and 'x'\)"),
    "a number and its text": ([1, "1"], "row 2: labels of a target must have one type"),
    "true and 1": ([True, 1], "row 2: labels of a target must have one type"),
    "bytes": ([b"a", b"b"], "row 1: labels of a target must have one type"),
    "days": ([date(2024, 1, 1), None], "a target cannot hold dates"),
    "spans": ([timedelta(1), None], "a target cannot hold dates"),
}


@pytest.mark.parametrize("case", OBJECTS)
def test_what_a_column_of_objects_holds(case: str) -> None:
    """No gap is a class, numbers are numbers, and classes are of one sort."""
    cells, expected = OBJECTS[case]
    column = pd.Series(cells, dtype=object, name="t")
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected):
            column_labels(column)
        return
    found = column_labels(column)
    assert [None if pd.isna(label) else label for label in found] == [None if pd.isna(label) else label for label in expected]
    assert (found.dtype == np.float64) == all(isinstance(label, float) for label in expected)


@pytest.mark.parametrize(
    ("labels", "kind", "text"),
    [
        ([f"{number}.5" for number in range(60)], None, "too many different texts for classes .found 60 .* in 60 rows.*to_numeric"),
        ([f"name {number}" for number in range(60)], None, "too many different texts for classes.*Leave the target out"),
        ([1, None, -2], "count", "task 't', row 3: a count must be a whole number of at least 0"),
        (["low", None, "mid"], "ordinal(classes=[low, high])", "task 't', row 3: every label must be one of the 2 classes .found 'mid'"),
        ([1.0, None, 0.0], "survival", "task 't', row 3: a time must not be 0"),
        (["a", None, "b"], Binary(name="t", classes=("a", "c")), "task 't', row 3: every label must be one of the 2 classes"),
        (["a", "b"], "binary(positve_weight=2)", "Did you mean 'positive_weight'"),
    ],
)
def test_labels_that_a_kind_cannot_have_are_named_by_their_row(labels: list[Any], kind: Any, text: str) -> None:
    with pytest.raises(PolytaskError, match=text):
        make_task("t", column_labels(pd.Series(labels, dtype=object)), kind)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ordinal", r"Write size=ordinal\(classes=\[high, low, mid\]\)"),
        ("multiklass", "Did you mean 'multiclass'"),
        ("regression(speed=3)", "these options do not fit .found 'speed'.*Choose from: metric, selection_metric, mean"),
        ("tagging", "a table column cannot hold labels of tokens"),
        ("binary", "must have two classes"),
        ("regression(metric=auc)", "no such metric"),
    ],
)
def test_a_kind_that_does_not_fit_is_one_line(kind: str, text: str) -> None:
    with pytest.raises(PolytaskError, match=text) as caught:
        make_task("size", WORDS, kind)
    assert len(str(caught.value).splitlines()) == 1


class Squares(Regression):
    """Kind of a user."""

    kind = "squares"


@pytest.mark.parametrize("kind", [f"{__name__}:Squares", f"{__name__}:Squares(weight=2)", Squares, Squares(name="size")])
def test_a_kind_of_ones_own_is_named_by_import_path_class_or_object(kind: Any) -> None:
    frame = pd.DataFrame({"x": np.arange(20.0), "size": np.arange(20.0) ** 2})
    assert type(source_from_table(frame, {"size": kind})[1][0]) is Squares


@pytest.mark.parametrize("kind", [3, int, Task])
def test_what_is_no_kind_is_one_line(kind: Any) -> None:
    with pytest.raises(ConfigError, match=r"^target 'size': ") as caught:
        source_from_table(pd.DataFrame({"x": [1.0, 2.0], "size": [1.0, 2.0]}), {"size": kind})
    assert "\n" not in str(caught.value)


def test_kinds_in_table_options_become_text() -> None:
    assert TableOptions("a.csv", {"churn": Binary, "value": None}).targets == {"churn": "binary", "value": None}  # type: ignore[dict-item]


def test_a_target_without_a_label_is_one_line() -> None:
    with pytest.raises(DataError, match="target 'size': no row has a label"):
        make_task("size", np.array([np.nan, np.nan]))


def test_a_frame_is_a_source_of_all_its_rows() -> None:
    table = sales().set_index("row")
    source, tasks = source_from_table(
        table, {"churn": None, "value": "quantile"}, weights={"churn": 2}, drop=["customer"], categorical=["age"]
    )
    assert (len(source), source.units[0]) == (ROWS, "r0")
    assert isinstance(source.preprocessor, TablePreprocessor)
    assert source.preprocessor.names == ("day", "age", "town", "plan")
    assert isinstance(source.preprocessor.columns[1], CategoricalColumn)
    assert [(task.kind, task.weight) for task in tasks] == [("binary", 2), ("quantile", 1.0)]
    assert np.array_equal(pd.isna(source.labels["churn"]), table["churn"].isna())


def test_a_frame_has_times_with_events_and_sets_of_labels() -> None:
    table = sales().assign(months=np.arange(1, ROWS + 1), left=np.resize([True, False], ROWS))
    table["tags"] = [["a", "b"], ["a"]] * (ROWS // 2)
    source, tasks = source_from_table(table, {"months": "survival(event=left, intervals=3)", "tags": None}, drop=["row", "day", "customer"])
    assert [task.kind for task in tasks] == ["survival", "multilabel"]
    assert source.labels["months"][:4].tolist() == [1, -2, 3, -4]
    assert isinstance(source.preprocessor, TablePreprocessor)
    assert "left" not in source.preprocessor.names


@pytest.mark.parametrize(
    ("targets", "options", "text"),
    [
        (["chrun"], {}, "Did you mean 'churn'"),
        (["churn"], {"drop": ["tonw"]}, "Did you mean 'town'"),
        (["churn"], {"categorical": ["tonw"]}, "Did you mean 'town'"),
        (["churn"], {"weights": {"value": 2}}, "a weight for a target that does not exist"),
        (["day", "churn"], {"drop": [name for name in sales() if name not in ("day", "churn")]}, "at least one column"),
    ],
)
def test_columns_that_are_not_there_are_one_line(targets: list[str], options: dict[str, Any], text: str) -> None:
    with pytest.raises(PolytaskError, match=text) as caught:
        source_from_table(sales(), dict.fromkeys(targets), **options)
    assert len(str(caught.value).splitlines()) == 1


class Stream:
    """A table of some library that knows nothing of pandas."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def test_a_table_of_any_library_is_the_same_frame() -> None:
    columns = {"age": [31, 7], "town": ["Rome", None]}
    expected = pd.DataFrame(columns)
    table = pa.table(columns)
    for given in (expected, columns, table, Stream(table), table.to_reader()):
        frame = to_dataframe(given)
        assert list(frame) == ["age", "town"]
        assert TablePreprocessor.fit(frame) == TablePreprocessor.fit(expected)
        assert np.array_equal(TablePreprocessor.fit(frame).encode(frame), TablePreprocessor.fit(expected).encode(expected))
    assert to_dataframe(pd.Series([1, 2])).columns.tolist() == to_dataframe(np.array([1, 2])).columns.tolist() == ["target"]
    assert to_dataframe(pd.Series([1, 2], name="age")).columns.tolist() == ["age"]
    assert to_dataframe([[1, 2], [3, 4]]).to_numpy().tolist() == [[1, 2], [3, 4]]


def test_what_is_no_table_is_one_line() -> None:
    for wrong, text in (
        (np.zeros((2, 2, 2)), "shape"),
        (3, "shape"),
        ({"a": [1, 2], "b": [1]}, "a: 2 cells, b: 1 cells"),
        ({"a": 1}, "column"),
    ):
        with pytest.raises(DataError, match=text) as caught:
            TablePreprocessor.fit(to_dataframe(wrong))
        assert len(str(caught.value).splitlines()) == 1


def test_rows_are_drawn_by_lot_and_in_proportion(write: Write) -> None:
    table = sales()
    loaded = load(write(table), ["churn", "plan"])
    training, validation, test = units(loaded)
    assert training | validation | test == set(range(1, ROWS + 1)), "rows are called by their numbers from 1"
    assert len(training) + len(validation) + len(test) == ROWS
    assert len(test) == 40
    shares = table["plan"].iloc[[unit - 1 for unit in test]].value_counts() - 0.2 * table["plan"].value_counts()
    assert shares.abs().max() <= 2
    assert units(load(write(table), ["churn", "plan"])) == (training, validation, test)
    assert len(units(load(write(table), ["churn", "plan"], test_fraction=0.5))[2]) == 100


def test_another_seed_draws_other_rows(write: Write) -> None:
    options = {"sales": TableOptions(write(sales()), {"churn": None})}
    first, again, other = (load_tables(options, seed=seed) for seed in (0, 0, 1))
    assert first.sources[0].units.tolist() == again.sources[0].units.tolist() != other.sources[0].units.tolist()


def test_rows_without_any_label_are_in_no_part(write: Write) -> None:
    table = sales()
    bare = set((np.flatnonzero(table["churn"].isna() & table["value"].isna()) + 1).tolist())
    assert bare
    for options in ({}, {"group": "customer"}, {"time": "day"}, {"test_file": write(table.assign(town="Oslo"), "test.csv")}):
        training, validation, test = units(load(write(table), **options))
        assert not bare & (training | validation | test)


def test_groups_are_never_torn(write: Write) -> None:
    table = sales()
    loaded = load(write(table), ["plan"], group="customer")
    parts = [{table["customer"].iloc[unit - 1] for unit in part} for part in units(loaded)]
    assert all(parts)
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert "customer" not in loaded.sources[0].preprocessor.names  # type: ignore[union-attr]


@pytest.mark.parametrize("group", [{}, {"group": "customer"}])
def test_the_latest_rows_are_held_out(write: Write, group: dict[str, str]) -> None:
    table = sales()
    loaded = load(write(table), ["plan"], time="day", **group)
    training, validation, test = units(loaded)
    if group:
        days = table.groupby("customer")["day"].transform("max")
    else:
        days = table["day"]
        assert abs(len(test) - 40) <= 5
    earliest, between, latest = ([days[unit - 1] for unit in part] for part in (training, validation, test))
    assert max(earliest) < min(between) <= max(between) < min(latest)
    assert "day" in loaded.sources[0].preprocessor.names, "when it is may well tell something"  # type: ignore[union-attr]


def test_training_keeps_no_test_rows_and_is_chosen_on_the_latest(write: Write) -> None:
    training, validation, test = units(load(write(sales()), ["plan"], time="day", share=0.0))
    assert (len(training) + len(validation), test) == (ROWS, set())


def test_a_column_says_what_rows_are_for(write: Write) -> None:
    words = np.resize(["train", "Train", "dev", "TEST", "validation"], ROWS)
    training, validation, test = units(load(write(sales().assign(part=words)), ["plan"], split="part"))
    for part, named in ((training, {"train", "Train"}), (validation, {"dev", "validation"}), (test, {"TEST"})):
        assert part == {row + 1 for row in range(ROWS) if words[row] in named}


def test_a_file_of_test_rows_is_checked_and_then_closed_until_the_door_opens(write: Write) -> None:
    table = sales()
    path = write(sales(seed=1), "test.csv")
    loaded = load(write(table), ["churn"], test_file=path)
    assert len(loaded.sources[0]) == table["churn"].notna().sum(), "no row of the first file is kept"
    assert loaded.sources.open_test is not None
    Path(path).unlink()
    with pytest.raises(StorageError, match=r"test\.csv: no such file"):
        loaded.sources.open_test()
    write(table.iloc[:30].assign(town="Lima"), "test.csv")
    (test,) = loaded.sources.open_test()
    assert len(test) == table["churn"].iloc[:30].notna().sum()
    assert test.preprocessor == loaded.sources[0].preprocessor
    Path(path).unlink()
    assert load(write(table), ["churn"], test_file=path, share=0.0), "where nothing is tested, it stays closed"


def test_a_file_of_test_rows_needs_no_column_that_is_dropped(write: Write) -> None:
    table = sales().assign(created="31.12.2023")
    path = write(sales(seed=1), "test.csv")
    assert load(write(table), ["churn"], test_file=path, drop=("row", "created"))


UNUSABLE: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "a target is missing": (lambda table: table.drop(columns="value"), "'value': there is no such column"),
    "an input is missing": (lambda table: table.drop(columns="age"), "column 'age': this column is missing"),
    "a class is new": (lambda table: table.assign(churn=["perhaps", *table["churn"][1:]]), "row 1: every label must be .*'perhaps'"),
    "words as numbers": (lambda table: table.assign(value="x"), "target 'value'|task 'value', row 1: a label is not a number"),
    "words among inputs": (lambda table: table.assign(age="old"), "row 1: a number is needed .found 'old'"),
    "no day": (lambda table: table.assign(day="soon"), "column 'day', row 1: a date is needed"),
    "no labels": (lambda table: table.assign(churn=None), "task 'churn', test part.*found 0 labels"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_file_of_test_rows_that_cannot_be_used_is_known_before_training(write: Write, case: str) -> None:
    spoil, text = UNUSABLE[case]
    path = write(spoil(sales(seed=1)), "test.csv")
    with pytest.raises(PolytaskError, match=text) as caught:
        load(write(sales()), ["churn", "value"], test_file=path, drop=("row",))
    assert len(str(caught.value).splitlines()) == 1
    assert "test.csv" in str(caught.value) or case == "no labels"


def town_codes(source: Any) -> set[float]:
    place = 0
    for column in source.preprocessor.columns:
        if column.name == "town":
            return set(source.inputs[:, place].tolist())
        place += len(column.cardinalities)
    raise AssertionError


def test_what_only_test_rows_have_is_unknown(write: Write) -> None:
    """Codings are learned from training rows alone, of a file of its own and of the same file, as CSV and as Parquet."""
    table = sales()
    test = write(table.assign(town="Lima"), "test.csv")
    parts = np.resize(["train", "test"], ROWS)
    mixed = table.assign(part=parts, town=table["town"].where(parts == "train", "Lima").astype("category"))
    mixed.to_parquet(Path(test).with_name("mixed.parquet"))
    for loaded in (
        load(write(table), ["plan"], test_file=test),
        load(write(mixed), ["plan"], split="part"),
        load(str(Path(test).with_name("mixed.parquet")), ["plan"], split="part"),
    ):
        assert loaded.sources.open_test is not None
        assert town_codes(loaded.sources[0]) == {1.0, 2.0, 3.0}
        assert town_codes(loaded.sources.open_test()[0]) == {0.0}


def test_codes_that_look_like_numbers_are_the_same_in_a_file_of_test_rows(write: Write) -> None:
    """007 is a category in the first file, for its zeros; where a file has none of them, it still is."""
    table = sales().assign(town=np.resize(["007", "10", "12"], ROWS), plan=np.resize(["01", "2", "3"], ROWS))
    test = write(table.assign(town="10", plan=np.resize(["2", "3"], ROWS)), "test.csv")
    loaded = load(write(table), ["plan"], test_file=test)
    assert loaded.sources.open_test is not None
    (opened,) = loaded.sources.open_test()
    assert town_codes(opened) == {2.0}
    assert set(opened.labels["plan"].tolist()) == {"2", "3"}


def test_rows_can_be_called_by_a_column(write: Write) -> None:
    loaded = load(write(sales()), ["plan"], id_column="row")
    assert set.union(*units(loaded)) == {f"r{number}" for number in range(ROWS)}
    assert "row" not in loaded.sources[0].preprocessor.names  # type: ignore[union-attr]


def test_columns_left_out_and_columns_of_categories(write: Write) -> None:
    coding = load(write(sales()), ["plan"], drop=("row", "day"), categorical=("customer",)).sources[0].preprocessor
    assert isinstance(coding, TablePreprocessor)
    assert coding.names == ("customer", "age", "town", "value", "churn")
    assert coding.columns[0].kind == "category"


def test_weights_are_those_of_the_tasks(write: Write) -> None:
    assert [task.weight for task in load(write(sales()), weights={"value": 0.25}).tasks] == [1.0, 0.25]


def test_kinds_of_targets(write: Write) -> None:
    table = sales()
    random = np.random.default_rng(3)
    table["months"], table["left"] = random.integers(1, 40, ROWS), random.choice(["true", "false"], ROWS)
    table["size"] = random.choice(["S", "M", "L"], ROWS)
    table["tags"] = ["a|b|c", *random.choice(["a", "a|b", "-", "b"], ROWS - 1)]
    table["visits"] = random.poisson(3, ROWS)
    kinds = {
        "months": "survival(event=left, intervals=4)",
        "size": "ordinal(classes=[S, M, L])",
        "tags": "multilabel",
        "visits": "count",
        "value": "quantile(levels=[0.1, 0.9])",
    }
    loaded = load(write(table), kinds, drop=("row",))
    assert [task.kind for task in loaded.tasks] == ["survival", "ordinal", "multilabel", "count", "quantile"]
    source = loaded.sources[0]
    assert source.preprocessor.names == ("customer", "day", "age", "town", "churn", "plan")  # type: ignore[union-attr]
    rows = source.units - 1
    signs = np.where(table["left"] == "true", 1, -1)
    assert source.labels["months"].tolist() == (table["months"] * signs)[rows].tolist()
    assert isinstance(loaded.tasks[0], Survival)
    assert loaded.tasks[2].classes == ("a", "b", "c")  # type: ignore[attr-defined]


def test_tables_share_a_target_and_their_columns(write: Write) -> None:
    """One task and one coding, in whatever order the columns stand; rows of each table alone teach its categories."""
    first, second = sales(seed=1), sales(seed=2)
    second["town"] = np.resize(["Lima", "Rome"], ROWS)
    loaded = load_tables(
        {
            "one": TableOptions(write(first, "one.csv"), {"value": None, "churn": None}, drop=("row",)),
            "two": TableOptions(write(second[list(first)[::-1]], "two.csv"), {"churn": None, "value": None}, drop=("row",)),
            "three": TableOptions(write(first, "three.csv"), {"plan": None}, drop=("value", "churn", "day", "row", "customer")),
        }
    )
    assert [(task.name, task.kind) for task in loaded.tasks] == [("value", "regression"), ("churn", "binary"), ("plan", "multiclass")]
    one, two, three = loaded.sources
    assert one.preprocessor == two.preprocessor != three.preprocessor
    assert town_codes(one) == {1.0, 3.0, 4.0}
    assert town_codes(two) == {2.0, 4.0}
    assert three.tasks == ("plan",)
    assert loaded.sources.open_test is not None
    assert [source.name for source in loaded.sources.open_test()] == ["one", "two", "three"]


def test_a_target_of_several_tables_is_inferred_from_all_of_them(write: Write) -> None:
    """Few whole numbers in one table, fractions in the other: a number."""
    table = sales()
    whole, parts = table.assign(value=np.resize([1, 2, 3], ROWS)), table.assign(value=np.linspace(0, 3, ROWS))
    options = {name: TableOptions(write(own, f"{name}.csv"), {"value": None}) for name, own in (("a", whole), ("b", parts))}
    (task,) = load_tables(options).tasks
    assert task.kind == "regression"


def test_a_large_number_is_named_by_the_row_of_its_file(write: Write) -> None:
    table = sales().assign(part=np.resize(["test", "train"], ROWS), size=np.arange(ROWS) / 8)
    table.loc[5, "size"] = 1e43
    with pytest.raises(DataError, match=r"sales\.csv, column 'size', row 6: a number is too large"):
        load(write(table), ["plan"], split="part")


AT_A_ROW: dict[str, tuple[str, Any, dict[str, Any], str]] = {
    "no time": ("day", None, {"time": "day"}, "row 8, column 'day': a row has no time"),
    "a time that is none": ("day", "soon", {"time": "day"}, "row 8, column 'day': a time must be .*'soon'"),
    "no group": ("customer", None, {"group": "customer"}, "row 8, column 'customer': a row has no group"),
    "a group of times": ("customer", None, {"group": "customer", "time": "day"}, "row 8, column 'customer': a row has no group"),
    "no part": ("part", "tset", {"split": "part"}, "column 'part', split column, row 8: unknown name of a part"),
    "no event": ("left", "no", {"targets": {"months": "survival(event=left)"}}, "column 'left', row 8: true or false is needed"),
    "an event that nobody tells": ("left", None, {"targets": {"months": "survival(event=left)"}}, "row 8, column 'left'"),
    "a time below 0": ("months", -1, {"targets": {"months": "survival(event=left)"}}, "'months', row 8: a time must be above 0"),
    "a count below 0": ("months", -1, {"targets": {"months": "count"}}, "'months', row 8: a count must be a whole number"),
}


@pytest.mark.parametrize("case", AT_A_ROW)
def test_what_is_wrong_is_named_by_file_and_row(write: Write, case: str) -> None:
    """By the row of the file, though the first five have no label and take part in nothing."""
    column, cell, options, text = AT_A_ROW[case]
    table = sales().assign(part=np.resize(["train", "test"], ROWS), left=np.resize(["true", "false"], ROWS), months=3)
    table["months"] += np.arange(ROWS) % 50
    table.loc[:4, ["plan", "months"]] = None
    table = table.astype({column: object})
    table.loc[7, column] = cell
    with pytest.raises(DataError, match=rf"sales\.csv.*{text}") as caught:
        load(write(table), **{"targets": ["plan"], **options})
    assert len(str(caught.value).splitlines()) == 1


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no target": ({"targets": {}}, "at least one target column"),
    "an unknown target": ({"targets": {"chrun": None}}, "Did you mean 'churn'"),
    "an unknown group": ({"group": "custmer"}, "Did you mean 'customer'"),
    "an unknown column left out": ({"drop": ("tonw",)}, "Did you mean 'town'"),
    "an unknown category": ({"categorical": ("tonw",)}, "Did you mean 'town'"),
    "an unknown event": ({"targets": {"age": "survival(event=dead)"}}, "'dead'"),
    "a weight of no target": ({"weights": {"plan": 2.0}}, "a weight was given for a column that is not a target"),
    "a negative weight": ({"weights": {"churn": -1.0}}, "a task's weight"),
    "a target left out": ({"drop": ("churn",)}, "drop: a target cannot have another role .found 'churn'"),
    "a target as group": ({"group": "churn"}, "group: a target cannot have another role"),
    "a target as time": ({"time": "churn"}, "time: a target cannot have another role"),
    "a target as split": ({"split": "churn"}, "split: a target cannot have another role"),
    "a target as unit": ({"id_column": "churn"}, "id_column: a target cannot have another role"),
    "an event that is the time": ({"targets": {"age": "survival(event=age)"}}, "an event column cannot be a target"),
    "too many bytes": ({"max_bytes": 100}, "larger than is allowed"),
    "too many columns": ({"max_columns": 3}, "too many columns"),
    "a cell that is too long": ({"max_field_bytes": 2}, "a cell that is too long"),
    "two ways to divide": ({"split": "plan", "group": "customer"}, "split in one way only"),
    "split and time": ({"split": "plan", "time": "day"}, "split in one way only"),
    "a share of everything": ({"test_fraction": 1.0}, "must be at least 0 and below 1"),
    "a split column of other words": ({"split": "plan"}, "unknown name of a part"),
    "a time that is none": ({"time": "town"}, "a time must be a number or a date"),
    "rows without a time": ({"time": "age", "targets": {"plan": None}}, "a row has no time"),
    "rows without a group": ({"group": "age", "targets": {"plan": None}}, "a row has no group"),
    "a date as target": ({"targets": {"day": None}}, "a target that holds dates"),
    "a file that is not there": ({"file": "nowhere.csv"}, "no such file"),
    "no table": ({"file": "sales.docx"}, "the name must end|no such file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_one_line(write: Write, case: str) -> None:
    options, text = WRONG[case]
    with pytest.raises(PolytaskError, match=text) as caught:
        load(**{"file": write(sales()), "targets": ["churn"], **options})
    assert len(str(caught.value).splitlines()) == 1


def test_nothing_is_left_for_training(write: Write) -> None:
    with pytest.raises(DataError, match="no row is left for training"):
        load(write(sales().assign(part="test")), ["plan"], split="part")


def test_a_label_that_cannot_be_is_named_by_the_row_of_its_own_table(write: Write) -> None:
    table = sales().assign(visits=np.resize([0, 1, 2], ROWS))
    bad = table.assign(visits=table["visits"].where(table.index != 7, -1))
    options = {name: TableOptions(write(own, f"{name}.csv"), {"visits": "count"}) for name, own in (("one", table), ("two", bad))}
    with pytest.raises(DataError, match=r"two\.csv, task 'visits', row 8: a count must be a whole number"):
        load_tables(options)


def test_two_tables_say_different_things_of_a_target(write: Write) -> None:
    path = write(sales())
    with pytest.raises(ConfigError, match=r"target 'value'.*regression and count"):
        load_tables({"a": TableOptions(path, {"value": "regression"}), "b": TableOptions(path, {"value": "count"})})


def test_tables_with_the_same_columns_have_one_format_of_dates(write: Write) -> None:
    days = {form: pd.to_datetime(sales()["day"]).dt.strftime(form) for form in ("%d/%m/%Y", "%m/%d/%Y")}
    paths = {name: write(sales().assign(day=days[form]), f"{name}.csv") for name, form in (("eu", "%d/%m/%Y"), ("us", "%m/%d/%Y"))}
    tables = {name: TableOptions(path, {"churn": None}) for name, path in paths.items()}
    with pytest.raises(ConfigError, match=r"table 'us', column 'day'.*%d/%m/%Y and %m/%d/%Y.*2026-12-31"):
        load_tables(tables)
    assert load_tables({**tables, "us": TableOptions(paths["us"], {"churn": None}, drop=("day",))}), "a column of one table alone"


def test_what_is_odd_is_noted(write: Write) -> None:
    found = load(write(sales().assign(same=1, zip=[f"{row:03d}" for row in range(ROWS)])), ["churn"]).notes
    assert all("sales.csv" in note for note in found)
    notes = "\n".join(found)
    assert "'zip' is read as categories" in notes
    assert "'same'" in notes
    assert "'row'" in notes


@pytest.mark.parametrize("way", [{}, {"group": "customer"}, {"time": "day"}, {"id_column": "row", "categorical": ("age",)}])
def test_a_large_table_is_the_same_table(write: Write, monkeypatch: pytest.MonkeyPatch, way: dict[str, Any]) -> None:
    path = write(sales().assign(note=[f"a text of its own, {row}" for row in range(ROWS)]))
    plain = load(path, large=False, **way)
    monkeypatch.setattr(TableFile, "chunks", partialmethod(TableFile.chunks, rows=37))
    large = load(path, large=True, **way)
    assert large.tasks == plain.tasks
    for own, other in zip(_all(large), _all(plain), strict=True):
        assert is_memmap(own.inputs)
        assert not is_memmap(other.inputs)
        assert own.preprocessor == other.preprocessor
        assert own.inputs.tobytes() == other.inputs.tobytes()
        assert own.units.tolist() == other.units.tolist()
        assert (own.held_out is None) == (other.held_out is None)
        assert own.held_out is None or np.array_equal(own.held_out, other.held_out)  # type: ignore[arg-type]
        assert own.groups is None or own.groups.tolist() == other.groups.tolist()  # type: ignore[union-attr]
        for task, labels in own.labels.items():
            assert pd.Series(labels).equals(pd.Series(other.labels[task]))


def _all(loaded: LoadedTables) -> list[Any]:
    assert loaded.sources.open_test is not None
    return [*loaded.sources, *loaded.sources.open_test()]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_training_on_a_large_table_gives_the_same_weights(write: Write, tmp_path: Path, ending: str) -> None:
    path = write(sales(), f"sales.{ending}") if ending != "parquet" else str(tmp_path / "sales.parquet")
    if ending == "parquet":
        sales().to_parquet(path, row_group_size=37)
    weights = []
    for large in (False, True):
        loaded = load(path, large=large, drop=("row",))
        plan = plan_network(list(loaded.sources), None, {}, "hard", (8,))
        model = plan.build(loaded.tasks, seed=3)
        fit(model, list(loaded.sources), seed=3, epochs=3, batch_size=16, threads=1)
        weights.append(model.state_dict())
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(own, weights[1][name]) for name, own in weights[0].items())
