"""What several tests of the evaluation need."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from types import ModuleType

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MakeFrame = Callable[..., pd.DataFrame]


def benchmark(name: str) -> ModuleType:
    """A program of the benchmarks, which find each other as programs do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        spec = importlib.util.spec_from_file_location(f"polytask_benchmark_{name}", BENCHMARKS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def simulation() -> ModuleType:
    """The benchmark that publishes the calibration table."""
    return benchmark("simulated_false_alarms")


@pytest.fixture(scope="session")
def pool_of_networks() -> ModuleType:
    """The benchmark of studies in which both arms are the same."""
    return benchmark("real_false_alarms")


@pytest.fixture(scope="session")
def known_truths() -> ModuleType:
    """The benchmark of families of tasks whose truth is known."""
    return benchmark("verdict_power")


@pytest.fixture(scope="session")
def make_frame() -> MakeFrame:
    """Predictions of a digit (10 classes), a flag (2 classes) and a size (a number), better by `gain` in the arms after the first."""

    def make(
        seeds: int = 5, units: int = 80, arms: tuple[str, ...] = ("single", "equal"), gain: float = 0.0, root: int = 0
    ) -> pd.DataFrame:
        generator = np.random.default_rng(root)
        parts: list[pd.DataFrame] = []
        targets: dict[str, Any] = {
            "digit": generator.integers(10, size=units),
            "flag": np.where(generator.random(units) < 0.4, "yes", "no"),
            "size": generator.normal(5, 2, size=units),
        }
        for arm in arms:
            better = gain * (arm != arms[0])
            for seed in range(seeds):
                right = generator.random(units) < 0.7 + better
                flag = np.where(right, targets["flag"], np.where(targets["flag"] == "yes", "no", "yes"))
                guesses: dict[str, Any] = {
                    "digit": np.where(right, targets["digit"], (targets["digit"] + 1) % 10),
                    "flag": flag,
                    "size": targets["size"] + (1 - better) * generator.normal(size=units),
                }
                for task, guess in guesses.items():
                    given = np.clip(0.5 + 0.4 * np.where(right, 1, -1) * generator.random(units), 0, 1)
                    columns = {"arm": arm, "seed": seed, "task": task, "unit": np.arange(units)}
                    values = {"target": [str(v) for v in targets[task]], "prediction": [str(v) for v in guess], "probability": given}
                    parts.append(pd.DataFrame(columns | values))
        return pd.concat(parts, ignore_index=True)

    return make
