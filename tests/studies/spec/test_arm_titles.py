"""Arms of classes of users are shown as the classes say."""

from __future__ import annotations

from pathlib import Path

import pytest

from polytask.balancing.loss_based.equal import Equal
from polytask.registry import ComponentSpec
from polytask.studies.execution.job_training import make_jobs
from polytask.studies.spec.arm_titles import arm_title
from polytask.studies.spec.arms import parse_arms


class Named(Equal):  # type: ignore[misc] # the tests may
    """A balancer with a display name."""

    spec = ComponentSpec("balancer", "named", display="My sum")

    def __init__(self, power: float = 1.0) -> None:
        super().__init__()


class NameLess(Equal):  # type: ignore[misc] # the tests may
    """A balancer without one."""


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (f"{__name__}:Named", "My sum"),
        (f"{__name__}:NameLess", "name-less"),
        (f"smooth-weights(decay=0.5):{__name__}:Named(power=2.0)", "My sum (power=2.0), smoothed weights (decay=0.5)"),
        (f"{__name__}:Named@mmoe", "My sum, mixture of experts (MMoE)"),
    ],
)
def test_import_paths_have_display_names(text: str, title: str) -> None:
    assert arm_title(text) == title


def test_jobs_show_titles(tmp_path: Path) -> None:
    jobs = make_jobs(parse_arms(["single", "equal"], ["a", "b"]), [0], tmp_path)
    assert [job.title for job in jobs] == ["separate networks a, seed 0", "separate networks b, seed 0", "plain sum, seed 0"]
