"""Two processes are one process on the union of their rows, for every balancer."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

WORKER = Path(__file__).with_name("processes_worker.py")
SECONDS = 900  # who takes so long hangs, however busy the machine is


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("processes_worker", WORKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["processes_worker"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


PROGRAM = _loaded()
CASES = tuple(PROGRAM.cases())
SHORT = [case for case in CASES if case.steps < 20]
LONG = [case for case in CASES if case.steps == 20]
COMPARED = ["equal torch.float64 6 (1, 1) False sequential", "upgrad torch.float64 6 (1, 1) False sequential"]


def some(cases: list[Any], every: int) -> list[Any]:
    """The cases; of those with several steps every so manieth is in the fast run."""
    several = [case for case in cases if case.steps > 1]
    return [pytest.param(case, marks=pytest.mark.slow) if case in several and several.index(case) % every else case for case in cases]


@pytest.fixture(scope="module")
def results(
    together: Callable[..., Any], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Any]]:
    """What a process alone and both of two processes found in the cases that are tested; none of them may hang."""
    folder = tmp_path_factory.mktemp("processes")
    tested = [item.callspec.params for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    (folder / "wanted").write_text("\n".join({*COMPARED, *(found["case"].name for found in tested)}), encoding="utf-8")
    commands = {
        rank: [sys.executable, str(WORKER), rank, "2", str(folder / "meet"), str(folder / f"{rank}.npz"), str(folder / "wanted")]
        for rank in ("0", "1")
    }
    threads = torch.get_num_threads()
    try:
        with together(commands, SECONDS):
            PROGRAM.main(None, 1, "", folder / "alone.npz", folder / "wanted")
    finally:
        torch.set_num_threads(threads)
    yield {rank: np.load(folder / f"{rank}.npz") for rank in ("alone", *commands)}


@pytest.mark.parametrize("case", some(SHORT, 20), ids=str)
def test_the_gradients_are_those_of_one_process(case: Any, results: Mapping[str, Any]) -> None:
    """At every step: unequal counts, a task that is absent in one process or in all, nothing at all in one of them."""
    alone, first = results["alone"][f"{case.name}|gradients"], results["0"][f"{case.name}|gradients"]
    limit = 1e-12 if "float64" in case.name else 1e-6
    assert bool((np.linalg.norm(alone - first, axis=1) <= limit * np.linalg.norm(alone, axis=1)).all())
    assert np.array_equal(results["alone"][f"{case.name}|met"], results["0"][f"{case.name}|met"])


@pytest.mark.parametrize("case", [*some(SHORT, 20), *(pytest.param(case, marks=pytest.mark.slow) for case in LONG)], ids=str)
def test_all_processes_hold_the_same_bits(case: Any, results: Mapping[str, Any]) -> None:
    for what in ("gradients", "end", "met"):
        first, second = (results[rank][f"{case.name}|{what}"] for rank in "01")
        assert np.array_equal(first, second)
        assert bool(np.isfinite(first).all())


@pytest.mark.slow
@pytest.mark.parametrize("case", LONG, ids=str)
def test_something_was_learned_on_the_way(case: Any, results: Mapping[str, Any]) -> None:
    assert bool(results["0"][f"{case.name}|gradients"].any())


def test_a_problem_of_one_process_ends_the_step_in_all(results: Mapping[str, Any]) -> None:
    first, second = results["0"]["refusals"], results["1"]["refusals"]
    assert "'stranger': unknown task" in first[0]
    assert "another process failed in this step" in second[0]
    assert "another process failed in this step" in first[1]
    assert "'stranger': unknown task" in second[1]


def test_bytes_are_counted_as_the_ring_algorithms_send_them(results: Mapping[str, Any]) -> None:
    """2 n (R−1)/R for an all-reduce, n (R−1)/R for the others, with R = 2; rows of 9 are filled up to 10."""
    assert results["0"]["traffic"].tolist() == [2 * 10 * 8 // 2, 3 * 10 * 8 // 2, 10 * 8 // 2]


def test_gradients_of_the_trunk_cost_what_the_documentation_says(results: Mapping[str, Any]) -> None:
    """Methods of the Gramian send more than the plain sum by no more than rows, Gramian and small change."""
    plain, gramian = (int(results["0"][f"{name}|sent"]) for name in COMPARED)
    shared = 4 * 6 + 6 + 6 * 5 + 5
    most = 6 * 8 * (3 * (shared + 1) + 3 * 3 * 2 + (shared + 1)) // 2
    assert 0 < gramian - plain <= most
