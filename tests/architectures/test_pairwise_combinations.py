"""Architecture × encoder × balancer × sources: every pair of two of them takes a step together somewhere in the table."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch

from polytask import fit
from polytask.architectures import MultiTaskModel
from polytask.data import Source
from polytask.registry import names
from polytask.tasks import Binary, Multiclass, Regression, Task

BALANCERS = tuple(name for name in names("balancer") if name != "torchjd")
ARCHITECTURES = names("architecture")
TASKS: tuple[Task, ...] = (Regression(name="price"), Binary(name="churn"), Multiclass(name="plan", classes=("a", "b")))
STEP: dict[str, Any] = {"epochs": 1, "batch_size": 8, "threads": 1, "precision": "float32", "validation_fraction": 0.25}
NEEDS_ROTATIONS = "rotograd"
PARTS = 10


def table(encoders: tuple[str, ...]) -> list[tuple[str, str, str, int]]:
    """All pairs of architectures and balancers, each with an encoder that moves on by one and one or two sources: so that all meet."""
    pairs = product(enumerate(ARCHITECTURES), enumerate(BALANCERS))
    return [(sharing, encoders[(i + j) % len(encoders)], balancer, 1 + (i + j // 2) % 2) for (i, sharing), (j, balancer) in pairs]


def part_of(rows: list[tuple[str, str, str, int]], part: int) -> list[tuple[str, str, str, int]]:
    """One of so many parts of an architecture's rows; every architecture begins elsewhere, so that the first parts hold every balancer."""
    return rows[(part + ARCHITECTURES.index(rows[0][0])) % PARTS :: PARTS]


def test_parts_are_a_whole_and_the_first_ones_hold_all_that_meets(encoders: Any) -> None:
    rows = table(tuple(encoders))
    of = {sharing: [row for row in rows if row[0] == sharing] for sharing in ARCHITECTURES}
    assert sorted(row for own in of.values() for part in range(PARTS) for row in part_of(own, part)) == sorted(rows)
    first = [row for own in of.values() for row in part_of(own, 0)]
    assert [{row[column] for row in first} for column in range(4)] == [set(ARCHITECTURES), set(encoders), set(BALANCERS), {1, 2}]


def test_the_table_covers_all_pairs(encoders: Any) -> None:
    columns = (ARCHITECTURES, tuple(encoders), BALANCERS, (1, 2))
    rows = table(columns[1])
    for one, other in combinations(range(len(columns)), 2):
        assert {(row[one], row[other]) for row in rows} == set(product(columns[one], columns[other]))


@pytest.mark.sampled(4 * PARTS, sweep=4)
@pytest.mark.parametrize(("sharing", "part"), list(product(ARCHITECTURES, range(PARTS))))
def test_a_step_together(sharing: str, part: int, encoders: Any, inputs: Any) -> None:
    """With gaps in the labels; what does not fit the encoder is taken by the next one that does."""
    names_of_encoders = tuple(encoders)
    for _, first, balancer, count in part_of([row for row in table(names_of_encoders) if row[0] == sharing], part):
        if balancer == NEEDS_ROTATIONS and (sharing != "rotated" or count > 1):
            continue  # it asks for rotated features, and for tasks that label the same rows
        turned = names_of_encoders[names_of_encoders.index(first) :] + names_of_encoders[: names_of_encoders.index(first)]
        encoder = next(name for name in turned if encoders.fits(sharing, name))
        model = MultiTaskModel(encoders[encoder](), TASKS, architecture=sharing, hidden=(4,), initialization="framework")
        run = fit(model, sources(inputs(encoder), encoders.coding(encoder), count), balancer, **STEP)
        finite = all(bool(torch.isfinite(value).all()) for value in run.model.state_dict().values())
        assert finite, (sharing, encoder, balancer)


def sources(inputs: np.ndarray[Any, Any], coding: Any, count: int) -> list[Source]:
    """All tasks of one source, or one source of two tasks beside one of the third; labels are missing in either."""
    rows = len(inputs)
    labels: dict[str, Any] = {
        "price": np.linspace(0, 1, rows),
        "churn": (np.arange(rows) % 2).astype(object),
        "plan": np.array(["a", "b", "b", "a"] * rows, dtype=object)[:rows],
    }
    labels["price"][3], labels["churn"][5], labels["plan"][7] = np.nan, None, None
    parts = [list(labels)] if count == 1 else [["price", "churn"], ["plan"]]
    return [Source(f"table {part[0]}", inputs, {name: labels[name] for name in part}, preprocessor=coding) for part in parts]
