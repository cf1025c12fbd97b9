"""Two processes of a library's loop are one process on the rows of both, for every bridge."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.bridges.bare_loop import bare_loop
from tests.bridges.processes_worker import CASES, RESUMED, WRAPPED_OTHERWISE

from polytask.storage import has_state, load_state

pytestmark = pytest.mark.slow
WORKER = Path(__file__).with_name("processes_worker.py")
LIBRARIES = {"lightning": "lightning", "trainer": "transformers", "accelerate": "accelerate"}
NAMES = [*CASES, WRAPPED_OTHERWISE, "resumed"]
Results = list[dict[str, Any]]


@pytest.fixture(scope="module", params=LIBRARIES)
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What both of two processes found."""
    for module in {LIBRARIES[request.param], "accelerate" if request.param == "trainer" else LIBRARIES[request.param]}:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(WORKER), request.param, str(folder)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=900)
    folders = [folder / str(rank) for rank in range(2)]
    assert all(map(has_state, folders)), done.stderr[-3000:]
    return [load_state(found) for found in folders]


@pytest.fixture
def _float64() -> Iterator[None]:
    """The worker's precision, in which the order of sums hardly matters."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def tensors_in(found: dict[str, Any]) -> list[torch.Tensor]:
    return [found["tensors"][str(number)] for number in range(len(found["tensors"]))]


def written(state: dict[str, Any]) -> str:
    """The state as a text, whatever the order in which it was read."""
    return "; ".join(f"{key}: {written(value) if isinstance(value, dict) else value!r}" for key, value in sorted(state.items()))


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Whether gradients, weights and the state of `Backward` are the same to the bit."""
    pairs = zip(tensors_in(one), tensors_in(two), strict=True)
    return all(torch.equal(a, b) for a, b in pairs) and written(one["state"]) == written(two["state"])


@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_one_process(results: Results, request: pytest.FixtureRequest, name: str) -> None:
    """At every step; the trainer divides the last step of an epoch by the micro-batches that it has."""
    divide_by = "step" if "trainer" in request.node.callspec.params["results"] else "setting"
    alone = bare_loop({**CASES, WRAPPED_OTHERWISE: CASES["upgrad"], "resumed": RESUMED}[name], divide_by=divide_by)
    for ours, theirs in zip(tensors_in(results[0][name]), alone.flat(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_both_processes_hold_the_same_bits(results: Results, name: str) -> None:
    assert same(*(found[name] for found in results))


def test_a_resumed_run_goes_on_to_the_bit(results: Results) -> None:
    """Its checkpoint is written by one process and read by both."""
    for found in results:
        assert same(found["resumed"], found[RESUMED.balancer])


def test_what_would_be_wrong_is_refused_in_all_processes(results: Results) -> None:
    for found in results:
        assert "the same weights" in found["refused"] or "shared parameters and the model" in found["refused"]
