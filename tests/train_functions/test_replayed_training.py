"""A loop by hand with the start, the batches and the average of the built-in training, on images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from polytask.datasets import load_dataset
from polytask.studies import Study

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.skipif(not (BENCHMARKS / "door_claims.py").exists(), reason="benchmarks are no part of the source archive")
def test_the_built_in_training_replayed_by_hand_gives_its_predictions(
    own_module: Callable[[Path, str], ModuleType], tmp_path: Path
) -> None:
    """What differs is the order of sums, in the kernels of a processor."""
    own_module(BENCHMARKS, "door_claims")
    whole, tasks = load_dataset("mnist-fashion", "sample")
    sources = [source.take(np.arange(500)) for source in whole]
    given: dict[str, Any] = {"seeds": 2, "workers": 1, "test": lambda: tuple(source.take(np.arange(500, 700)) for source in whole)}
    few = {"epochs": 2, "threads": 1, "validation_fraction": 0.2}
    replayed = Study(sources, tasks, train="door_claims:replayed", training=few, **given).run(tmp_path / "replayed")
    fixed = {**few, "batch_size": 64, "precision": "float32", "keep": "last"}
    built_in = Study(sources, tasks, arms=["single", "equal"], training=fixed, **given).run(tmp_path / "built-in")
    keys = ["arm", "seed", "task", "unit", "target"]
    one, other = (result.predictions.replace({"arm": {"equal": "joint"}}).set_index(keys) for result in (replayed, built_in))
    assert len(one) == 2 * 2 * 2 * 200 and one.index.equals(other.index)
    np.testing.assert_allclose(one["probability"], other["probability"], atol=1e-3)
    assert (one["prediction"].astype(str) == other["prediction"].astype(str)).mean() >= 0.999
