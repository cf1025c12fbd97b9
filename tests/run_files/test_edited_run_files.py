"""Run files that somebody has edited: one line that names the file, or a report; the same for a study that is resumed."""

from __future__ import annotations

import json
from types import ModuleType

import pytest
from tests.verdicts.conftest import BENCHMARKS, benchmark

from polytask.errors import DataError
from polytask.studies.stored_facts import checked_facts


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The program that makes edits by the hundred."""
    return benchmark("edited_run_files")


@pytest.mark.slow
@pytest.mark.skipif(not (BENCHMARKS / "edited_run_files.py").exists(), reason="benchmarks are no part of the source archive")
def test_drawn_edits_never_end_in_another_error(program: ModuleType) -> None:
    counts, failures = program.count_outcomes(50, 2)
    assert failures == []
    assert counts["refused"] and counts["completed"]


FACTS = {
    "validation": {"value": {"rmse": 1.0}},
    "relative": 0.5,
    "used": {"epochs": 1, "best_epoch": 1, "steps": 3, "rows": 77},
    "measured": {"seconds": 0.1, "peak_memory": 10, "timeline": [[0.1, 0.5]]},
    "history": {
        "columns": ["epoch", "step", "task", "split", "name", "value"],
        "data": [[1, 3, "value", "training", "loss", 0.6]],
    },
}


@pytest.mark.parametrize(
    ("place", "value", "text"),
    [
        (("relative",), "high", "relative"),
        (("measured", "timeline"), [[0.1, "a:b"]], "measured.timeline"),
        (("used",), {}, "used.epochs: field required"),
        (("history", "columns"), ["epoch", -1], "history.columns.1"),
        (("history", "columns"), ["x"], "the columns must be epoch"),
        (("history", "data"), [[1]], "every row must have a value per column"),
    ],
)
def test_facts_that_were_edited_are_refused_with_their_field(place: tuple[str, ...], value: object, text: str) -> None:
    facts = json.loads(json.dumps(FACTS))
    assert checked_facts(facts, "values.json, facts") is facts
    inner = facts
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    with pytest.raises(DataError, match=r"values\.json, facts, ") as caught:
        checked_facts(facts, "values.json, facts")
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
