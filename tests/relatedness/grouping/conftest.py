"""Published measurements to group by."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from polytask.relatedness.grouping import CandidateNetwork

TASKONOMY = ("segmentation", "depth", "normals", "keypoints", "edges")
HALF = 0.5


@pytest.fixture
def taskonomy() -> Callable[[str], list[CandidateNetwork]]:
    """The losses of all 31 networks of five Taskonomy tasks, and of five single-task networks of half the size (Standley et al., 2020)."""
    beside = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("POLYTASK_DATA", beside)) / "taskonomy-subsets"
    if not folder.exists():
        pytest.skip("the measurements are not here")

    def read(file: str) -> list[CandidateNetwork]:
        lines = [line.split("\t") for line in (folder / f"{file}.txt").read_text().splitlines() if line.strip()]
        halves = [CandidateNetwork({task: float(loss)}, HALF) for task, loss in zip(TASKONOMY, lines[0], strict=True)]
        return halves + [
            CandidateNetwork({TASKONOMY[place]: float(cell) for place, cell in enumerate(line) if cell.strip()}) for line in lines[1:]
        ]

    return read
