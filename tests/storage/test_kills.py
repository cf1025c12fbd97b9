"""Commands that are killed at points of their write protocol, from outside, and complete to the same bytes when they are repeated."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.verdicts.conftest import BENCHMARKS, benchmark

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BENCHMARKS / "kills.py").exists(), reason="benchmarks are no part of the source archive"),
    pytest.mark.skipif(os.name == "nt", reason="Windows has other signals"),
]

SHORT = ("--epochs", "2", "--batch-size", "32", "--balancer", "famo", "--encoder", "tabular(dropout=0.2)", "--threads", "1")


@pytest.fixture(scope="module")
def kills() -> ModuleType:
    """The program that kills commands by the hundred."""
    return benchmark("kills")


@pytest.fixture(scope="module")
def prepared(kills: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A short training, run once undisturbed."""
    arguments = ("train", "{data}/sales.csv", "--targets", "price", "plan", "--out", "{out}/run", *SHORT)
    command = kills.KilledCommand("train", (*arguments, *importlib.import_module("killed_commands").NEAR_EVERY_STEP))
    return kills.prepare(command, tmp_path_factory.mktemp("kills"), {})


def test_a_killed_training_completes_to_the_same_bytes(kills: ModuleType, prepared: Any, tmp_path: Path) -> None:
    points = prepared.counts
    states = [point for point in points if point.startswith("rename") and "state-next" in point]
    assert states
    assert len(points) > 25
    for number, kill in enumerate(
        [
            kills.Kill(states[0], occurrence=2),
            kills.Kill("flush run/model/.model.json.part", occurrence=1, whole=True, torn=True),
        ]
    ):
        assert kills.judge(prepared, kill, tmp_path / str(number)) == ("killed", [])
