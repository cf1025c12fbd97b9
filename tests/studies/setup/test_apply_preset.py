"""Presets hold in Python as they do on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import polytask as pt
from polytask.errors import ConfigError

TASKS = (pt.tasks.Regression(name="sum"), pt.tasks.Regression(name="first"))


def table(rows: int = 120) -> pt.Source:
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype("float32")
    return pt.Source("toy", x, {"sum": x.sum(1), "first": x[:, 0]})


def study(**choices: Any) -> pt.Study:
    return pt.Study([table()], TASKS, test=lambda: (table(60),), **choices)


def test_a_study_follows_its_preset_but_for_what_is_given() -> None:
    quick, given = study(preset="quick").config, study(preset="quick", seeds=2, training={"epochs": 2}).config
    assert (quick.minutes, quick.training.epochs, quick.training.batch_size) == (2.0, 60, 32)
    assert (given.minutes, given.seeds, given.training.epochs, given.training.batch_size) == (None, (0, 1), 2, 32)
    assert study(config=quick).config == quick


@pytest.mark.parametrize(
    ("choices", "minutes"),
    [({}, 10.0), ({"preset": "thorough"}, 60.0), ({"minutes": 3}, 3.0), ({"seeds": 4}, None), ({"looks": [2, 4]}, None)],
)
def test_a_preset_sets_the_minutes_of_a_study_without_a_plan_of_its_own(choices: dict[str, Any], minutes: float | None) -> None:
    assert study(**{"preset": "standard", **choices}).config.minutes == minutes


@pytest.mark.parametrize("start", [study, lambda **choices: pt.relate([table()], TASKS, **choices)])
@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ({"preset": "quik"}, "'quik': unknown preset. Did you mean 'quick'"),
        ({"source": "atis", "size": "full"}, "only commands and files use this option (found source"),
    ],
)
def test_what_has_no_effect_is_refused(start: Callable[..., Any], choices: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        start(**choices)
    assert text in str(caught.value)
