"""A study that several tests run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from polytask.data import Source
from polytask.studies import Study, StudyResult
from polytask.tasks import Task

ARMS = ["single", "equal", "uncertainty", "weights=1/2/0.5"]


@pytest.fixture(scope="session")
def make(table: Callable[..., Source], three_tasks: tuple[Task, ...]) -> Callable[..., Study]:
    """A study that trains in a second."""

    def study(**choices: Any) -> Study:
        few = {"arms": ARMS, "seeds": 2, "workers": 1, "training": {"epochs": 2, "threads": 1, "checkpoint_seconds": 0}}
        given = choices if "config" in choices else few | choices
        return Study([table(gaps=0.2)], three_tasks, test=lambda: (table(rows=80, seed=1, gaps=0.2),), **given)

    return study


@pytest.fixture(scope="session")
def whole(make: Callable[..., Study], tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """A study from beginning to end, which nobody changes."""
    return make().run(tmp_path_factory.mktemp("study") / "run")
