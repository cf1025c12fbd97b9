"""Equal updates and equal seconds, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polytask.studies.execution.job_training import Job
from polytask.studies.results.equal_time import equal_time_comparison
from polytask.studies.spec.arms import parse_arm


def trained(arm: str, seed: int, tasks: tuple[str, ...], points: list[tuple[float, float]]) -> tuple[Job, dict[str, Any]]:
    facts = {"measured": {"seconds": points[-1][0], "timeline": points}}
    return Job(parse_arm(arm, ["a", "b"]), seed, tasks, Path("nowhere")), facts


def test_equal_seconds_are_those_of_the_quickest_arm() -> None:
    single = [
        trained("single", 0, ("a",), [(1.0, 0.2), (2.0, 0.4)]),
        trained("single", 0, ("b",), [(1.0, 0.3), (2.0, 0.1)]),
    ]
    joint = [trained("equal", 0, ("a", "b"), [(1.0, 0.1), (2.0, 0.5)])]
    slow = [trained("pcgrad", 0, ("a", "b"), [(3.0, 0.5), (6.0, 0.9)])]
    found = equal_time_comparison({"single": single, "equal": joint, "pcgrad": slow})
    assert found["equal_updates"] == pytest.approx({"single": (0.4 + 0.3) / 2, "equal": 0.5, "pcgrad": 0.9})
    assert found["equal_seconds"]["seconds"] == 2.0
    # Of two seconds each single network has one; the slow arm has seen no epoch.
    assert found["equal_seconds"]["arms"] == pytest.approx({"single": (0.2 + 0.3) / 2, "equal": 0.5, "pcgrad": 0.0})


def test_seeds_are_averaged_and_arms_without_a_timeline_left_out() -> None:
    two = [trained("equal", seed, ("a", "b"), [(1.0, 0.2 + seed / 10)]) for seed in (0, 1)]
    job = Job(parse_arm("trees", ["a", "b"]), 0, ("a",), Path("nowhere"))
    found = equal_time_comparison({"equal": two, "trees": [(job, {"measured": {"seconds": 1.0}})]})
    assert found["equal_updates"] == pytest.approx({"equal": 0.25})
    assert equal_time_comparison({}) == {}
