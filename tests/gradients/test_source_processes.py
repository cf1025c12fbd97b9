"""Two processes, each with the rows of one source, train batch normalization as one process does with both."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WORKER = Path(__file__).with_name("source_processes_worker.py")
SECONDS = 600

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def states(together: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The states of the network in one process alone and in both of two."""
    folder = tmp_path_factory.mktemp("processes")
    ranks = ("alone", "0", "1")
    commands = {rank: [sys.executable, str(WORKER), rank, "2", str(folder / "meet"), str(folder / f"{rank}.npz")] for rank in ranks}
    with together(commands, SECONDS):
        pass
    return {rank: dict(np.load(folder / f"{rank}.npz")) for rank in ranks}


def test_parameters_are_those_of_one_process_and_the_same_in_both(states: Mapping[str, Any]) -> None:
    names = [name for name in states["alone"] if name.endswith((".weight", ".bias"))]
    assert len(names) >= 14
    for name in names:
        assert np.array_equal(states["0"][name], states["1"][name]), name
        np.testing.assert_allclose(states["0"][name], states["alone"][name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("rank", "source", "other"), [("0", "first", "second"), ("1", "second", "first")])
def test_statistics_are_those_of_the_source_that_a_process_has_seen(states: Mapping[str, Any], rank: str, source: str, other: str) -> None:
    def statistics(rank: str, of: str) -> list[Any]:
        return [value for name, value in states[rank].items() if name.startswith(f"source_buffers.head_{of}.") and "running" in name]

    assert len(statistics("alone", source)) == 4
    for found, expected in zip(statistics(rank, source), statistics("alone", source), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    for found in statistics(rank, other):
        assert set(found.tolist()) in ({0.0}, {1.0})  # never run there
    assert not np.allclose(statistics("alone", source)[0], statistics("alone", other)[0])
