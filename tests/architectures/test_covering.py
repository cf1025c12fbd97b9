"""Architecture × encoder × balancer: every pair of two of them takes a step together somewhere in the table."""

from __future__ import annotations

from itertools import product
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
STEP: dict[str, Any] = {"epochs": 1, "batch_size": 8, "threads": 1, "precision": "float32", "validation": 0.25}
NEEDS_ROTATIONS = "rotograd"


def table(encoders: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """All pairs of architectures and balancers, each with an encoder that moves on by one: so that it meets both."""
    pairs = product(enumerate(ARCHITECTURES), enumerate(BALANCERS))
    return [(sharing, encoders[(i + j) % len(encoders)], balancer) for (i, sharing), (j, balancer) in pairs]


def test_the_table_covers_all_pairs(encoders: Any) -> None:
    rows = table(tuple(encoders))
    assert {(a, b) for a, _, b in rows} == set(product(ARCHITECTURES, BALANCERS))
    assert {(a, e) for a, e, _ in rows} == set(product(ARCHITECTURES, encoders))
    assert {(e, b) for _, e, b in rows} == set(product(encoders, BALANCERS))


@pytest.mark.parametrize("sharing", ARCHITECTURES)
def test_a_step_together(sharing: str, encoders: Any, inputs: Any) -> None:
    """With gaps in the labels; what does not fit the encoder is taken by the next one that does."""
    names_of_encoders = tuple(encoders)
    for _, first, balancer in (row for row in table(names_of_encoders) if row[0] == sharing):
        if balancer == NEEDS_ROTATIONS and sharing != "rotated":
            continue
        turned = names_of_encoders[names_of_encoders.index(first) :] + names_of_encoders[: names_of_encoders.index(first)]
        encoder = next(name for name in turned if encoders.fits(sharing, name))
        model = MultiTaskModel(encoders[encoder](), TASKS, architecture=sharing, hidden=(4,), initialisation="framework")
        run = fit(model, [source(inputs(encoder), encoders.coding(encoder))], balancer, **STEP)
        finite = all(bool(torch.isfinite(value).all()) for value in run.model.state_dict().values())
        assert finite, (sharing, encoder, balancer)


def source(inputs: np.ndarray[Any, Any], coding: Any) -> Source:
    rows = len(inputs)
    labels: dict[str, Any] = {
        "price": np.linspace(0, 1, rows),
        "churn": (np.arange(rows) % 2).astype(object),
        "plan": np.array(["a", "b", "b", "a"] * rows, dtype=object)[:rows],
    }
    labels["price"][3], labels["churn"][5], labels["plan"][7] = np.nan, None, None
    return Source("table", inputs, labels, coding=coding)
