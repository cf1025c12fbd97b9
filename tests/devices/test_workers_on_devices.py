"""How many networks of a study train at once on accelerators, by their free memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import TASKS, source

import polytask as pt
from polytask import devices
from polytask.options import make_training_options
from polytask.report import write_report
from polytask.studies.execution import run_jobs
from polytask.studies.execution.run_jobs import device_names, worker_count
from polytask.training import prepare_data
from polytask.training.preparation import resident_data, worker_memory
from polytask.training.preparation.worker_memory import PROCESS_BYTES, network_bytes, workers_that_fit

GIB = 1 << 30
CUDA = [torch.device("cuda", number) for number in range(2)]


@pytest.fixture
def inventory(monkeypatch: pytest.MonkeyPatch) -> dict[str, int | None]:
    """Two accelerators with 16 GiB and 2 GiB of free memory, and a machine of 16 cores."""
    free: dict[str, int | None] = {"cuda:0": 16 * GIB, "cuda:1": 2 * GIB}
    monkeypatch.setattr(devices, "_COUNTS", {**devices._COUNTS, "cuda": lambda: 2})
    for module in (worker_memory, resident_data):
        monkeypatch.setattr(module, "memory_limit", lambda device: free[str(device)])
    monkeypatch.setattr(run_jobs, "available_cores", lambda: 16)
    return free


def test_memory_decides_how_many_networks_share_a_device(inventory: dict[str, int | None]) -> None:
    assert workers_that_fit(CUDA, 6 * GIB) == 2 + 1
    assert workers_that_fit(CUDA, GIB // 2) == 4 + 3, "at most four on one"
    assert workers_that_fit(CUDA, 100 * GIB) == 2, "one on each is tried in any case"
    inventory["cuda:0"] = None
    assert workers_that_fit(CUDA, GIB // 2) == 1 + 3, "nobody knows how much is free"


def test_the_number_of_workers_has_other_limits_too(inventory: dict[str, int | None], monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker_count(99, None, "cuda", GIB // 2) == 7
    assert worker_count(5, None, "cuda", GIB // 2) == 5
    assert worker_count(99, None, "cuda:1", GIB // 2) == 3
    assert worker_count(99, None, "cuda") == 2
    assert worker_count(99, 12, "cuda", GIB // 2) == 12, "what the user asks for"
    assert worker_count(99, None, "cpu", GIB // 2) == 16
    monkeypatch.setattr(run_jobs, "available_cores", lambda: 3)
    assert worker_count(99, None, "cuda", GIB // 2) == 3
    monkeypatch.setattr(run_jobs, "available_cores", lambda: 1)
    assert worker_count(99, None, "cuda", GIB // 2) == 2, "one for each device"
    assert device_names("cuda") == ["cuda:0", "cuda:1"]


def test_the_bytes_of_a_network_grow_with_what_it_has(inventory: dict[str, int | None]) -> None:
    def bytes_of(width: int, rows: int) -> int:
        model = pt.MultiTaskModel(pt.encoders.MLP((6,), hidden=(width, width)), TASKS)
        data = prepare_data([source()], TASKS, validation_fraction=0.2, seed=0)
        return network_bytes(model, data, make_training_options(batch_size=rows), None, CUDA[0]) - PROCESS_BYTES

    small, wide, long = bytes_of(64, 8), bytes_of(512, 8), bytes_of(64, 32)
    assert small < long < wide
    assert wide > (5 + len(TASKS)) * 4 * 512**2


def test_a_study_stores_the_number_that_it_has_chosen(
    inventory: dict[str, int | None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from polytask.studies.setup import resolve_config as resolving

    asked: list[Any] = []
    monkeypatch.setattr(resolving, "worker_count", lambda *given: asked.append(given) or 1)
    table = {"x": np.arange(60.0), "y": np.arange(60.0) % 7, "z": np.arange(60.0) % 5}
    pt.study(table, targets=["y", "z"], arms=["single", "equal"], out=tmp_path / "cpu", seeds=2, epochs=1, threads=1, device="cpu")
    assert {len(given) for given in asked} == {4}
    assert {given[-1] for given in asked} == {None}, "nothing is measured for the CPU"
    facts = json.loads((tmp_path / "cpu" / "environment.json").read_text(encoding="utf-8"))
    assert (facts["device"], facts["workers"], facts["precision"]) == ("cpu", 1, "float32")
    page = write_report(tmp_path / "cpu").read_text(encoding="utf-8")
    for name in ("device", "precision", "workers"):
        assert f"<dt>{name}</dt>" in page, "the report contains the environment"
