"""The door to the test data: what happens behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import polytask.study.opening as opening
from polytask.study import Study


@pytest.mark.parametrize("count", [1, 2])
def test_test_rows_are_predicted_on_the_threads_of_training(
    make: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    seen = set()
    outcome_of = opening.outcome_of

    def watched(*values: Any) -> Any:
        seen.add(torch.get_num_threads())
        return outcome_of(*values)

    monkeypatch.setattr(opening, "outcome_of", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        make(arms=["single", "equal"], training={"epochs": 1, "threads": count}).run(tmp_path / "run")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert seen == {count}
