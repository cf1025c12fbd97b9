"""Real problems for benchmarks of studies: each has training rows, test rows, and fresh rows that a study never reads.

Tables are split 3 : 1 : 1, and their preprocessing is fitted on the training rows. For images, the published test rows are halved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from polytask import datasets
from polytask.data import Source, Sources, TablePreprocessor, random_split
from polytask.options import StudyConfig, make_training_options
from polytask.options.training_presets import preset_training_options
from polytask.studies.spec.study_presets import preset_study_options
from polytask.tasks import Binary, Regression, Task
from real_tables import DATA, Data

SHARES = {"training": 0.6, "test": 0.2, "fresh": 0.2}
CENSUS_ROWS = 20_000


@dataclass(frozen=True)
class Problem:
    """A problem that a study is run on.

    Attributes:
        name: Name in the tables.
        sources: Training rows, with a function that opens the test rows.
        tasks: Tasks to learn.
        fresh: Rows that the study never reads.
        choices: Options of the study, such as its budget.
    """

    name: str
    sources: Sources
    tasks: tuple[Task, ...]
    fresh: tuple[Source, ...]
    choices: Mapping[str, Any]

    def config(self, **choices: Any) -> StudyConfig:  # noqa: ANN401 - fields of StudyConfig
        """Return the configuration of a study; the given options override those of the problem."""
        return StudyConfig(**{**self.choices, **choices})


def table(name: str, load: Callable[[], Data], seed: int) -> Problem:
    """Return a problem from a table with several target columns."""
    data = load()
    labels = {str(target): data.Y[target].to_numpy() for target in data.Y}
    rows = Source(name, np.zeros((len(data.X), 1), dtype=np.float32), labels)
    parts = {part: own.units for part, own in random_split(rows, SHARES, seed).items()}
    coding = TablePreprocessor.fit(data.X.iloc[parts["training"]])

    def part(which: str) -> Source:
        units = parts[which]
        own = {target: values[units] for target, values in labels.items()}
        return Source(name, coding.encode(data.X.iloc[units]), own, units, coding)

    tasks = tuple(_task(target, values, binary=target in data.binary) for target, values in labels.items())
    training = make_training_options(**preset_training_options("standard", len(parts["training"])))
    choices = {"hidden": (), "training": training, **preset_study_options("standard", tasks, tables=True)}
    return Problem(name, Sources((part("training"),), lambda: (part("test"),)), tasks, (part("fresh"),), choices)


def _task(name: str, labels: np.ndarray, *, binary: bool) -> Task:
    if not binary:
        return Regression(name=name)
    return Binary(name=name, classes=tuple(np.unique(labels[~pd.isna(labels)]).tolist()), metric="auc")


def images(name: str) -> Problem:
    """Return a problem from a built-in data set of images."""
    sources, tasks = datasets.load_dataset(name, "sample")
    load_test = sources.open_test
    if load_test is None:
        raise ValueError(f"{name} has no test rows")

    def half(first: int) -> tuple[Source, ...]:
        return tuple(source.take(np.arange(first, len(source), 2)) for source in load_test())

    choices = {"encoder": "lenet" if name == "multi-fashion-mnist" else None, **preset_study_options("standard", tasks, tables=False)}
    return Problem(name, Sources(tuple(sources), lambda: half(0)), tasks, half(1), choices)


def census(seed: int) -> Problem:
    """Return a problem from Census-Income: 20,000 rows each for training, for the test and as fresh rows."""
    sources, tasks = datasets.load_dataset("census-income")
    if sources.open_test is None:
        raise ValueError("the census has no test rows")
    (rows,), (others,) = sources, sources.open_test()
    random = np.random.default_rng(seed)
    chosen = random.choice(len(rows), CENSUS_ROWS, replace=False)
    order = random.permutation(len(others))[: 2 * CENSUS_ROWS]
    training = make_training_options(**preset_training_options("standard", CENSUS_ROWS))
    choices = {"hidden": (), "training": training, **preset_study_options("standard", tasks, tables=True)}
    test, fresh = others.take(order[:CENSUS_ROWS]), others.take(order[CENSUS_ROWS:])
    return Problem("census", Sources((rows.take(chosen),), lambda: (test,)), tasks, (fresh,), choices)


def problem(name: str, seed: int = 0) -> Problem:
    """Return the problem with a name; the seed splits its rows, unless they have a published split."""
    if name in ("mnist-fashion", "multi-fashion-mnist"):
        return images(name)
    return census(seed) if name == "census" else table(name, DATA[name], seed)


PROBLEMS = ("mnist-fashion", "multi-fashion-mnist", "census", "enb", "jura", "wq", "scpf", "401ksubs")
