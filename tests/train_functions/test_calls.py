"""Calls of training functions in processes of their own: what they are given, what they find, and how they end."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psutil
import pytest

import polytask as pt
from polytask.errors import ConfigError
from polytask.options import TrainingOptions
from polytask.registry.model_factories import TRAINING_FUNCTION, factory_written
from polytask.studies.execution.function_fit import FunctionJob, TrainFunction, fit_function, stored_predictions
from polytask.training import TrainingProgress

TASKS = (pt.tasks.Regression(name="sum"), pt.tasks.Regression(name="first"))
OPTIONS = TrainingOptions(epochs=4, threads=1, validation_fraction=0.2)


def table(rows: int = 80, seed: int = 0) -> pt.Source:
    x = np.random.default_rng(seed).normal(size=(rows, 3))
    return pt.Source("toy", x, {"sum": x.sum(1), "first": x[:, 0] + 0.5})


def call(path: str, folder: Path, limit: float | None = None, seen: list[TrainingProgress] | None = None, **options: Any) -> dict[str, Any]:
    """Call a function for the arm `joint` and seed 3, and return the state of the job."""
    test = table(40, 1)
    function = TrainFunction(path, {"toy": ("sum", "first")}, (replace(test, labels={}),), limit)
    job = FunctionJob("joint training, seed 3", "joint", options, 3, folder, TASKS)
    return fit_function(function, job, [table()], OPTIONS, (lambda progress: None) if seen is None else seen.append)


def test_predictions_seconds_memory_and_reports_come_back(trains: ModuleType, tmp_path: Path) -> None:
    seen: list[TrainingProgress] = []
    state = call("user_trains:reporting", tmp_path, seen=seen, noise=0.0)
    test = table(40, 1)
    for task in TASKS:
        found = stored_predictions(state, task.name, "toy")
        assert found is not None and found.probabilities is None
        np.testing.assert_allclose(found.values, test.labels[task.name], rtol=1e-9, atol=1e-9)
    facts = state["facts"]
    assert facts["relative"] == pytest.approx(1.0) and facts["used"]["epochs"] == 2
    assert 0 < facts["measured"]["seconds"] < 60 and facts["measured"]["peak_memory"] > 2**25
    reported = [row[:2] + row[3:] for row in facts["history"]["data"] if row[2] == "sum"]
    assert reported == [[epoch, 0, *row] for epoch in (1, 2) for row in (["validation", "rmse", 1 / epoch], ["training", "loss", 0.5])]
    assert (tmp_path / "work" / "weights.txt").read_text() == "1 2 3" and "from a program" in (tmp_path / "output.txt").read_text()
    assert not list(tmp_path.glob(".call-*"))


def disguised(labels: Any) -> str:
    """Labels such that memory that holds this text does not hold their bytes."""
    mask = 0x5A5A_1234_9876_A5A5
    return " ".join(f"{int(number):x}" for number in [mask, *np.ascontiguousarray(labels).view(np.uint64) ^ np.uint64(mask)])


@pytest.mark.slow
def test_no_test_label_is_found_anywhere(trains: ModuleType, tmp_path: Path) -> None:
    """This process holds the test labels; the same search finds those of training rows."""
    found = {}
    for name, source in (("test", table(40, 1)), ("training", table())):
        function = partial(trains.searching, disguised=disguised(source.labels["sum"]))
        call(factory_written(function, TRAINING_FUNCTION), tmp_path / name)
        found[name] = json.loads((tmp_path / name / "work" / "found.json").read_text())
    assert found["test"] == {"objects": 0, "memory": 0, "files": 0, "environment": 0}
    assert found["training"]["objects"] >= 80 and found["training"]["memory"] >= 80


ENDS = [
    ("raises", "the training function failed (found ZeroDivisionError: a b"),
    ("mute", "the training function failed (found MuteError, at user_trains.py line"),
    ("leaves", "the training function failed (found SystemExit: I am done, at user_trains.py line"),
    ("interrupts", "the training function failed (found KeyboardInterrupt, at user_trains.py line"),
    ("ends", "the training function ended its process (found exit code 0)"),
    ("killed", "the training function ended its process (found signal SIGKILL, perhaps for lack of memory)"),
    ("crashes", "the training function ended its process (found signal SIGSEGV)"),
    ("recurses", "the training function failed (found RecursionError"),
    ("closes", "the training function failed (found ValueError: said before the end"),
    ("reads", "the training function failed (found EOFError"),
    ("misreports", "report: values by task are reported as validation, training, loss (found accuracy)"),
    ("reports_others", "report: the request has no such task (found 'third')"),
    ("too_few", "test predictions, task 'sum': predictions of 40 rows are needed (found 3 rows)"),
    ("not_finite", "test predictions, task 'sum': predictions must be finite (found NaN or infinity in 40 of 40 rows"),
    ("nothing", "returned: predictions by task are needed (found None)"),
    ("imports", "the training function failed (found ModuleNotFoundError: No module named 'no_such_package', at user_trains.py line"),
    ("forges", "the training function has changed the answer of its process (found FileNotFoundError"),
    ("scribbles", "the training function has changed the answer of its process (found JSONDecodeError"),
    ("deletes_exchange", "the training function ended its process (found exit code 1)"),
    ("forgets_tasks", "the training function has changed the answer of its process (found KeyError"),
    ("yields", "returned: predictions by task are needed (found "),
    ("waits_for_a_loop", "returned: predictions by task are needed (found "),
    ("words", "test predictions, task 'sum': "),
    ("complex_numbers", "test predictions, task 'sum': "),
    ("paints", "the training function failed (found ValueError: [31mred"),
    ("several", "the training function failed (found ExceptionGroup: many (2 sub-exceptions)"),
    ("ends_later", "the training function ended its process (found exit code 7)"),
]
FEW = ("killed",)


@pytest.mark.parametrize(("name", "text"), [pytest.param(*end, marks=() if end[0] in FEW else pytest.mark.slow, id=end[0]) for end in ENDS])
def test_a_function_that_fails_is_an_error_of_one_line(trains: ModuleType, tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)) as caught:
        call(f"user_trains:{name}", tmp_path)
    message = str(caught.value)
    assert message.startswith(f"train user_trains:{name}, joint training, seed 3") and "\n" not in message and len(message) < 700
    assert not list(tmp_path.glob(".call-*"))


def has_ended(child: Path) -> bool:
    """Whether a program is over; a process that nobody has waited for yet counts."""
    for _ in range(50):
        try:
            if psutil.Process(int(child.read_text())).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_a_time_limit_ends_the_function_and_its_programs(trains: ModuleType, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ConfigError, match=r"seed 3: the training function was ended at its time limit \(found 8 s\)\. .* raise time_limit"):
        call("user_trains:hangs", tmp_path, limit=8.0)
    assert time.monotonic() - started < 60
    assert has_ended(tmp_path / "work" / "child")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lingers", "spoils", "scribbles_reports"])
def test_what_a_function_leaves_behind_or_spoils_does_no_harm(trains: ModuleType, tmp_path: Path, name: str) -> None:
    source = table()
    before = source.inputs.copy()
    state = call(f"user_trains:{name}", tmp_path, noise=0.0)
    found = stored_predictions(state, "sum", "toy")
    assert found is not None and np.allclose(found.values, table(40, 1).labels["sum"])
    assert np.array_equal(source.inputs, before)
    assert name != "lingers" or has_ended(tmp_path / "work" / "child")


@pytest.mark.slow
def test_a_function_may_start_processes(trains: ModuleType, tmp_path: Path) -> None:
    assert call("user_trains:with_processes", tmp_path)["facts"]["used"]["epochs"] == 4
