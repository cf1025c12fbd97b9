"""How often somebody who reads along with a training step has to open another file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "hops.py"
README = PROGRAM.with_name("README.md")
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="benchmarks are no part of the source archive")


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The benchmark that counts."""
    spec = importlib.util.spec_from_file_location("polytask_benchmark_hops", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_a_hop_is_a_call_into_another_file(program: ModuleType) -> None:
    calls = [program.Call(file, "f") for file in ("a.py", "a.py", "b.py", "a.py")]
    assert program.hops(calls) == 3
    assert program.hops([]) == 0


def test_a_step_of_backward_stays_within_few_files(program: ModuleType) -> None:
    calls = program.backward_step()
    assert calls[0].function == "Backward.__call__"
    assert program.hops(calls) <= 45
    assert "{}, {}, {} and {} for `Backward`".format(*program.figures(calls)) in README.read_text(encoding="utf-8")


def test_a_step_of_fit_stays_within_few_files(program: ModuleType) -> None:
    calls = program.fit_step()
    assert {"TrainingLoop.step", "Backward.__call__", "TrainingLoop._tell"} <= {call.function for call in calls}
    assert program.hops(calls) <= 80
    assert "{}, {}, {} and {} for `fit`".format(*program.figures(calls)) in README.read_text(encoding="utf-8")
