"""A small budget of `benchmarks/fuzz.py`, and the inputs that it has found."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks are no part of the source archive")
BUDGETS = {"table": 200, "study": 40, "json": 500, "model": 40, "idx": 2_000, "arguments": 40, "frame": 20}
FOUND: tuple[tuple[str, bytes], ...] = (
    ("table", b'\x04{"a": 1, "\xa9": null}\n'),
    ("table", b'\x04{"a": "2024-01-31"}\n{"a": "soon"}\n'),
    ("study", b"margins: " + b"{" * 3_000),
    ("study", b"seeds: &a [1, *a]"),
    ("study", b"? [a]\n: 1"),
    ("json", b"\x09" + b"[" * 100_000),
    ("json", b"\x0a" + b"[" * 100_000),
    ("json", b'\x0a{"epoch": "x", "epochs": 2, "step": 3, "steps": 4}'),
    ("json", b'\x0a{"epoch": 1, "epochs": 0, "step": 3, "steps": 0}'),
    ("json", b'\x0a{"epoch": 1, "epochs": 2, "step": 3, "steps": 4, "losses": {"a": []}}'),
    ("json", b'\x0a{"epoch": 1, "epochs": %s, "step": 3, "steps": 4}' % (b"9" * 400)),
    ("idx", b"\x02\0\0\x08\x03" + b"\xff" * 12),
    ("arguments", b"study t.csv --targets"),
)  # fmt: skip


@pytest.fixture(scope="module")
def fuzz() -> Iterator[ModuleType]:
    """The program."""
    before = list(sys.path)
    sys.path.append(str(BENCHMARKS))
    yield importlib.import_module("fuzz")
    sys.path[:] = before


@pytest.mark.parametrize("target", BUDGETS)
def test_mutated_inputs_are_read_or_refused(fuzz: ModuleType, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    done, failures = fuzz.run_target(target, BUDGETS[target], seed=1, seconds=60)
    assert (done, failures) == (BUDGETS[target], [])
    assert "lines" in capsys.readouterr().out
    assert BUDGETS.keys() == fuzz.TARGETS.keys()


@pytest.mark.parametrize(("target", "data"), FOUND)
def test_inputs_that_were_found(fuzz: ModuleType, target: str, data: bytes) -> None:
    assert not fuzz.failure(fuzz.TARGETS[target], data)


@given(data=st.binary(max_size=200))
@pytest.mark.parametrize("target", ["table", "json", "idx"])
def test_any_bytes_are_read_or_refused(fuzz: ModuleType, target: str, data: bytes) -> None:
    assert not fuzz.failure(fuzz.TARGETS[target], data)


def test_a_reader_that_raises_is_a_failure(fuzz: ModuleType) -> None:
    def read(data: bytes) -> object:
        return data[7]

    assert "IndexError" in fuzz.failure(fuzz.Target(read, list, ()), b"short")
