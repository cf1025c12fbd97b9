"""The door to the test data: what happens behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import polytask.studies.results.open_test_data as opening
from polytask.data import Source
from polytask.errors import DataError
from polytask.studies import Study


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_test_rows_are_predicted_on_the_threads_of_training(
    make: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    seen = set()
    outcome_of = opening.task_outcome

    def watched(*values: Any) -> Any:
        seen.add(torch.get_num_threads())
        return outcome_of(*values)

    monkeypatch.setattr(opening, "task_outcome", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        make(arms=["single", "equal"], training={"epochs": 1, "threads": count}).run(tmp_path / "run")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert seen == {count}


def _renamed(source: Source) -> Source:
    return replace(source, name="test table")


def _without_churn(source: Source) -> Source:
    return replace(source, labels={task: labels for task, labels in source.labels.items() if task != "churn"})


def _churn_unlabeled(source: Source) -> Source:
    return replace(source, labels={**source.labels, "churn": np.full(len(source), None, dtype=object)})


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            _renamed,
            "task 'price': no test row .* .found labels in 'test table'.. Give the test source the same name as in training: 'table'",
        ),
        (_without_churn, r"task 'churn': no test row .* \(found no label\)"),
        (_churn_unlabeled, r"task 'churn': no test row .* \(found no label\)"),
    ],
)
def test_test_rows_that_no_network_can_predict_are_named(
    make: Callable[..., Study], tmp_path: Path, change: Callable[[Source], Source], text: str
) -> None:
    study = make(arms=["single", "equal"])
    right = study._rows.load_test
    study._rows = replace(study._rows, load_test=lambda: tuple(change(source) for source in right()))
    with pytest.raises(DataError, match=text) as caught:
        study.run(tmp_path / "run")
    assert "\n" not in str(caught.value)
    study._rows = replace(study._rows, load_test=right)
    assert study.run(tmp_path / "run").verdict.openings == 2


def test_test_sources_beside_the_known_ones_are_left_alone(make: Callable[..., Study], tmp_path: Path) -> None:
    study = make(arms=["single", "equal"])
    right = study._rows.load_test
    study._rows = replace(study._rows, load_test=lambda: (_renamed(right()[0]), *right()))
    units = study.run(tmp_path / "run").predictions["unit"]
    assert set(units.str.split("/").str[0]) == {"table"}
