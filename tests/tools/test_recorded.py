"""What is recorded of values does not depend on what things are called."""

from __future__ import annotations

import csv
import doctest
import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch

TOOLS = Path(__file__).parents[2] / "tools"
ROWS = [
    ("tensor", "architecture.encoder", "trunk"),
    ("tensor", "heads", "outputs.per_task"),
    ("key", "difference", "effect"),
    ("key", "metric", "measure"),
    ("word", "log", "scale-invariant"),
    ("word", "first", "leading"),
]
NEW = {"trunk.0.weight": "architecture.encoder.0.weight", "outputs.per_task.a.bias": "heads.a.bias", "trunkless.bias": "trunkless.bias"}

pytestmark = pytest.mark.skipif(not TOOLS.exists(), reason="tools are no part of the source archive")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that maps names."""
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("recorded.names")


@pytest.fixture
def values(names: ModuleType) -> ModuleType:
    """The module that records values; that of the names puts it on the path."""
    del names
    return importlib.import_module("recorded.values")


def test_the_examples_of_the_recorder_hold(names: ModuleType, values: ModuleType) -> None:
    for module in (names, values):
        found = doctest.testmod(module)
        assert found.failed == 0 < found.attempted


@pytest.mark.parametrize(("new", "old"), NEW.items())
def test_keys_of_tensors_are_mapped_by_their_longest_runs_of_parts(names: ModuleType, new: str, old: str) -> None:
    assert names.Names.of(ROWS).tensor(new) == old


def test_keys_of_json_may_be_words_too_and_words_are_no_keys(names: ModuleType) -> None:
    table = names.Names.of(ROWS)
    assert (table.key("effect"), table.key("scale-invariant"), table.word("effect")) == ("difference", "log", "effect")


@pytest.mark.parametrize("row", [("nonsense", "a", "b"), ("key", "difference", "gap"), ("key", "gap", "effect")])
def test_rows_that_contradict_each_other_are_refused(names: ModuleType, row: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="must be"):
        names.Names.of([*ROWS, row])


def test_renamed_tensors_tables_and_documents_are_recorded_as_before(names: ModuleType, values: ModuleType) -> None:
    before, after = names.Names(), names.Names.of(ROWS)
    tensor = torch.arange(6.0).reshape(2, 3)
    assert values.of_tensors({"heads.a.bias": tensor}, before) == values.of_tensors({"outputs.per_task.a.bias": tensor.half()}, after)
    old = pd.DataFrame({"arm": ["first", "log"], "metric": ["auc", "auc"], "difference": [0.5, np.nan]})
    new = pd.DataFrame({"arm": ["scale-invariant", "leading"], "measure": ["auc", "auc"], "effect": [np.nan, 0.5]})
    assert values.of_table(old, before) == values.of_table(new, after)
    document = {"arms": {"log": {"difference": 0.1, "chosen": "first"}}, "seconds": 1}
    renamed = {"arms": {"scale-invariant": {"effect": 0.1, "chosen": "leading"}}, "seconds": 2}
    assert values.of_document(document, before) == values.of_document(renamed, after)


def test_another_number_in_the_last_bit_is_seen_where_it_is(names: ModuleType, values: ModuleType) -> None:
    frame = pd.DataFrame({"arm": ["a", "b"], "x": [1.0, 2.0], "y": [3.0, 4.0]})
    found = values.of_table(frame, names.Names())
    other = values.of_table(frame.assign(y=[3.0, np.nextafter(4.0, 5.0)]), names.Names())
    assert [name for name in found if found[name] != other[name]] == ["b/y"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [({"a/x": 1, "b/y": 2}, ""), ({"a/x": 1, "b/y": 3}, "differs"), ({"a/x": 1}, "missing"), ({"a/x": 1, "b/y": 2, "c/z": 1}, "new")],
)
def test_what_is_not_as_recorded_is_named(
    names: ModuleType, capsys: pytest.CaptureFixture[str], found: dict[str, int], expected: str
) -> None:
    del names
    program = importlib.import_module("record_values")
    stored = program.flat(program.nested({"a/x": 1, "b/y": 2}))
    assert program.report({"job": stored}, {"job": found}) == bool(expected)
    assert capsys.readouterr().out.startswith(f"{expected}: job/" if expected else "2 values, all as recorded")


def test_inputs_of_jobs_have_names_of_their_own() -> None:
    for file in ("fits.csv", "commands.csv"):
        with (TOOLS / "recorded" / file).open(encoding="utf-8", newline="") as lines:
            rows = [(row["job"], row["id"]) for row in csv.DictReader(lines)]
        assert len(set(rows)) == len(rows)
