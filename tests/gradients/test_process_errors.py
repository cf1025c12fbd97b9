"""Two processes in which something goes wrong: both hear of it, neither waits, and nothing of the step is left behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

WORKER = Path(__file__).with_name("process_errors_worker.py")
pytestmark = pytest.mark.slow
SECONDS = 900  # who takes so long hangs, however busy the machine is
FOUR = ("equal", "gls", "upgrad", "moco")
ELSEWHERE = "ConfigError: group: another process failed in this step. See the error message of that process."
Results = tuple[Mapping[str, Mapping[str, object]], ...]


@pytest.fixture(scope="module")
def results(together: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Per process what it raised, and whether it was right afterwards; none of them may hang."""
    folder = tmp_path_factory.mktemp("errors")
    commands = {rank: [sys.executable, str(WORKER), rank, str(folder / "meet"), str(folder / f"{rank}.json")] for rank in "01"}
    with together(commands, SECONDS):
        pass
    return tuple(json.loads((folder / f"{rank}.json").read_text(encoding="utf-8")) for rank in "01")


def said(results: Results, case: str) -> tuple[str, str]:
    """What both said, after it is seen that the step was right."""
    assert [result[case]["right"] for result in results] == [True, True]
    first, second = (str(result[case]["said"]) for result in results)
    assert "\n" not in first + second.partition("RuntimeError")[0]
    return first, second


@pytest.mark.parametrize("name", FOUR)
@pytest.mark.parametrize("case", ["bad_at_the_end", "bad_in_the_middle"])
def test_both_raise_what_is_not_finite_in_one(results: Results, case: str, name: str) -> None:
    first, second = said(results, f"{case} {name}")
    assert first == second
    assert first.startswith("NonFiniteError: task 'b'")


@pytest.mark.parametrize("name", FOUR)
def test_too_many_units_in_one_are_heard_of_in_the_other(results: Results, name: str) -> None:
    first, second = said(results, f"too_many_units {name}")
    assert first == ELSEWHERE
    assert "more labeled units than the step announced (found 9 of 3)" in second


@pytest.mark.parametrize("name", [*FOUR, "graddrop"])
def test_pytorch_s_own_errors_in_one_are_heard_of_in_the_other(results: Results, name: str) -> None:
    first, second = said(results, f"walked_before {name}")
    assert first == ELSEWHERE
    assert "backward through the graph a second time" in second


def test_a_process_without_labels_still_has_to_show_its_representations(results: Results) -> None:
    first, second = said(results, "no_features graddrop")
    assert first == ELSEWHERE
    assert "needs the representations' gradients" in second


def test_a_process_without_rows_shows_representations_of_none(results: Results) -> None:
    assert said(results, "features_without_labels graddrop") == ("a, b, c", "a, b, c")


@pytest.mark.parametrize("name", FOUR[:3])
def test_inputs_that_require_a_gradient(results: Results, name: str) -> None:
    """A walk of the weighted sum does not meet them; a walk task by task would not know where to put their gradient."""
    for words in said(results, f"foreign_tensor {name}"):
        assert words == "" if name in ("equal", "gls") else "must be a parameter of the model" in words


@pytest.mark.parametrize("name", FOUR[:3])
def test_a_penalty_that_belongs_to_no_step_is_refused(results: Results, name: str) -> None:
    for words in said(results, f"late_penalty {name}"):
        assert "needs a micro-batch with labels" in words


@pytest.mark.parametrize("name", ["modo", "sdmgrad", "auto-lambda", "moml"])
def test_wrong_losses_of_any_of_several_batches(results: Results, name: str) -> None:
    first, second = said(results, f"wrong_batch {name}")
    assert first == ELSEWHERE
    assert "'stranger': unknown task" in second


@pytest.mark.parametrize("name", ["modo", "sdmgrad", "auto-lambda", "moml"])
def test_a_task_is_present_in_a_batch_wherever_its_labels_are(results: Results, name: str) -> None:
    first, second = said(results, f"scattered_batches {name}")
    assert first == second == "a, b, c"


@pytest.mark.parametrize("name", [*FOUR, "graddrop"])
def test_policies_are_followed_by_both(results: Results, name: str) -> None:
    assert said(results, f"drop {name}") == ("('b',) False",) * 2
    assert said(results, f"skip {name}") == ("('b',) True",) * 2


@pytest.mark.parametrize("name", [*FOUR, "graddrop"])
def test_both_skip_a_step_that_overflows_in_one(results: Results, name: str) -> None:
    assert said(results, f"overflow {name}") == ("True", "True")
