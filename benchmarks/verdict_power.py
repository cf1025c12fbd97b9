"""Measure the power of the verdict on families of tasks whose true effects are known.

    python benchmarks/verdict_power.py [--out runs/power] [--families "one representation" …] [--write]

**The families** are regressions from normal inputs, with noise of standard deviation 0.3:

* *one representation*: three tasks, each a mixture of the same two features of 20 inputs, with few labels, on rows of their own; the knob
  is the number of labels per task. Together the tasks have three times as many rows for learning the features.
* *independent*: three tasks that depend on separate inputs, 200 rows; the knob is the width of the trunk.
* *opposed*: two tasks with three separate steep features each, 300 rows, on a trunk too small for both; the knob is its width.

**The pool.** Per cell (family and knob) the training rows are drawn once. Then 200 seeds train a network for all tasks and one for each,
through `polytask.fit`, with the same options; each seed has its own initialization, validation rows and order of batches, the same in
both arms, as in a study. All networks predict the same 100,000 fresh rows. The **truth** of a task is its mean difference in RMSE over all
seeds and rows. It is the effect of actual training, never "no effect by construction".

**Finished studies.** 4,000 times, 10 of the seeds and n of the rows are drawn without replacement and judged as `pt.verdict` does, with
the same influences, analysis and family, but for all studies at once and without a frame (tests/verdicts/test_benchmark_calibration.py
compares the two). The standard error of a study is the standard deviation of the difference over these replicates. If a truth is less than
0.45 standard errors from 0, its sign is uncertain: 200 seeds are only 20 times as many as 10.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from markdown_tables import put, row, share
from network_pools import pool, predicted
from plan_simulation import p_values
from polytask.architectures import NetworkPlan
from polytask.data import Source
from polytask.metrics.influence_functions import influence_differences, unit_contributions
from polytask.seeds import derive_seed
from polytask.tasks import Regression, Runs
from polytask.verdicts.estimates.crossed_anova import MeanSquares, half_widths, mean_squares, variance_of_mean
from polytask.verdicts.spending.error_split import FAMILYWISE_LEVEL, rejection_levels
from polytask.verdicts.spending.seed_plan import PLAN_SHARE

Array = NDArray[Any]

SEEDS, ROWS, REPLICATES, SEEDS_OF_A_STUDY = 200, 100_000, 4_000, 10
TEST_ROWS = (100, 200, 500, 2_500)
WORDS = ("helps", "hurts", "same", "unclear")
NOISE = 0.3
BINS = (0.0, 1.0, 2.0, 3.0, 4.5, 6.0, np.inf)
HEAD = ("family", "knob", "test rows", "task", "truth", "standard error", "effect", "helps", "hurts", "same", "unclear")


@dataclass(frozen=True)
class Family:
    """A family of related or unrelated tasks.

    Attributes:
        tasks: Number of tasks.
        inputs: Number of inputs per row.
        truth: Function from inputs (N, inputs) to noiseless targets (N, tasks).
        knob: Description of the parameter in which cells differ, with a placeholder for its value.
        cells: Number of labels per task and width of the trunk, for each value of the knob.
        own_rows: Whether every row has the label of one task only.
        lr: Learning rate.
    """

    tasks: int
    inputs: int
    truth: Callable[[Array], Array]
    knob: str
    cells: Mapping[int, tuple[int, int]]
    own_rows: bool = False
    lr: float = 0.01

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return tuple("ABC"[: self.tasks])

    def rows(self, number: int, seed: int) -> tuple[Array, Array]:
        """Return inputs and labels of `number` rows."""
        generator = np.random.default_rng(seed)
        x = generator.normal(size=(number, self.inputs)).astype(np.float32)
        return x, self.truth(x) + NOISE * generator.normal(size=(number, self.tasks))


def directions(inputs: int, number: int) -> Array:
    """Return orthonormal directions (inputs, number), the same in every run."""
    return np.asarray(np.linalg.qr(np.random.default_rng(0).normal(size=(inputs, inputs)))[0][:, :number])


def one_representation(x: Array) -> Array:
    """Return mixtures of tanh(2 u x) and tanh(2 v x), 10 degrees apart."""
    angles = np.deg2rad([0, 10, 20])
    return np.asarray(np.tanh(2 * x @ directions(x.shape[1], 2)) @ np.stack([np.cos(angles), np.sin(angles)]))


def apart(x: Array, tasks: int, steepness: float) -> Array:
    """Return, per task, the sum of tanh(steepness u x) over three directions that no other task has."""
    features = np.tanh(steepness * x @ directions(x.shape[1], 3 * tasks))
    return np.asarray(features.reshape(len(x), tasks, 3).sum(axis=2))


FAMILIES: Mapping[str, Family] = {
    "one representation": Family(3, 20, one_representation, "{} labels a task", {40: (40, 16), 80: (80, 16)}, own_rows=True),
    "independent": Family(3, 10, partial(apart, tasks=3, steepness=1.0), "trunk of {}", {8: (200, 8), 32: (200, 32)}),
    "opposed": Family(2, 6, partial(apart, tasks=2, steepness=3.0), "trunk of {}", {4: (300, 4), 16: (300, 16)}, lr=0.02),
}
ARMS: Mapping[str, Callable[[tuple[str, ...]], list[tuple[str, ...]]]] = {
    "single": lambda names: [(name,) for name in names],
    "joint": lambda names: [names],
}


def source(family: Family, x: Array, y: Array, tasks: Sequence[str]) -> Source:
    """Return a source of the rows that have a label of one of these tasks."""
    labels = {name: y[:, place] for place, name in enumerate(family.names) if name in tasks}
    kept = np.flatnonzero(~np.all([np.isnan(own) for own in labels.values()], axis=0))
    return Source("rows", x, labels).take(kept)


def errors(family: Family, value: int, seed: str) -> Array:
    """Return (arms, tasks, rows) prediction minus label on the fresh rows, for the networks of one seed."""
    labels, width = family.cells[value]
    x, y = family.rows(labels * family.tasks if family.own_rows else labels, derive_seed(0, "training"))
    fresh = family.rows(ROWS, derive_seed(0, "fresh"))
    if family.own_rows:
        y[np.arange(len(y))[:, None] % family.tasks != np.arange(family.tasks)] = np.nan
    plan = NetworkPlan("mlp", (family.inputs,), {"hidden": (width,)})
    options = {"epochs": 40, "batch_size": 32, "lr": family.lr, "patience": 10}
    found = np.empty((len(ARMS), family.tasks, ROWS), dtype=np.float32)
    for arm, groups in enumerate(ARMS.values()):
        for group in groups(family.names):
            data = ([source(family, x, y, group)], [source(family, *fresh, group)])
            outcomes = predicted(plan, [Regression(name=name) for name in group], data, options, seed=int(seed))
            for name in group:
                found[arm, family.names.index(name)] = outcomes[name].predictions - outcomes[name].targets
    return found


class Point(NamedTuple):
    """One task of one cell: the true difference, the standard error of a study, and the share of each verdict."""

    truth: float
    error: float
    words: Mapping[str, float]

    @property
    def effect(self) -> float:
        """Absolute true difference, in standard errors."""
        return abs(self.truth) / self.error

    @property
    def right(self) -> float:
        """Share of studies whose verdict has the true sign."""
        return self.words["helps" if self.truth > 0 else "hurts"]

    @property
    def wrong(self) -> float:
        """Share of studies whose verdict has the opposite sign."""
        return self.words["hurts" if self.truth > 0 else "helps"]


def replicates(pooled: Sequence[Array], rows: int, number: int, seed: int) -> tuple[MeanSquares, Array]:
    """Draw `number` studies, and return their mean squares and margins, (studies, tasks) each."""
    generator, nothing = np.random.default_rng(seed), np.zeros(rows)
    squares, margins = [], []
    for _ in range(number):
        seeds = generator.choice(len(pooled), SEEDS_OF_A_STUDY, replace=False)
        drawn = generator.choice(pooled[0].shape[2], rows, replace=False, shuffle=False)
        found = np.stack([pooled[seed][:, :, drawn] for seed in seeds], axis=2).astype(np.float64)  # (arms, tasks, seeds, rows)
        single, joint = ([Runs(task) for task in arm] for arm in found)
        influences = [influence_differences("rmse", nothing, *runs) for runs in zip(joint, single, strict=True)]
        squares.append(mean_squares(np.stack(influences)))
        margins.append([0.01 * unit_contributions("rmse", nothing, runs).mean() for runs in single])
    return MeanSquares(*map(np.stack, zip(*squares, strict=True))), np.array(margins)


def words(squares: MeanSquares, margins: Array, rows: int) -> Array:
    """Return the verdicts (studies, tasks); the tasks of each study form a family, without their mean."""
    tasks, size = squares.mean.shape[1], (SEEDS_OF_A_STUDY, rows)
    parts = variance_of_mean(squares, *size)
    errors = p_values(np.abs(squares.mean), *parts, SEEDS_OF_A_STUDY, rows) / PLAN_SHARE
    same = 2 * PLAN_SHARE * FAMILYWISE_LEVEL / tasks
    fits = np.abs(squares.mean) + half_widths(*parts, *size, same) <= margins
    clear = rejection_levels(errors[:, :0], errors)[1] > 0
    return np.select([clear & (squares.mean > 0), clear, fits], WORDS[:3], WORDS[3])


def points(pooled: Sequence[Array], rows: int, number: int, seed: int) -> list[Point]:
    """Draw studies, and return one point per task."""
    roots = np.sqrt([np.square(array, dtype=np.float64).mean(axis=2) for array in pooled])  # (seeds, arms, tasks)
    truths = (roots[:, 0] - roots[:, 1]).mean(axis=0)
    squares, margins = replicates(pooled, rows, number, seed)
    said, errors_of = words(squares, margins, rows), squares.mean.std(axis=0, ddof=1)
    shares = [{word: float((own == word).mean()) for word in WORDS} for own in said.T]
    return [Point(*of_task) for of_task in zip(truths.tolist(), errors_of.tolist(), shares, strict=True)]


def cells(name: str, folder: Path, seeds: int, number: int) -> Iterator[tuple[str, Point]]:
    """Yield the table lines of a family, each with its point."""
    family = FAMILIES[name]
    for value in family.cells:
        kept = folder / f"{name.replace(' ', '-')}-{value}"
        pooled = pool(kept, [str(seed) for seed in range(seeds)], partial(errors, family, value))
        for rows in TEST_ROWS:
            for task, point in zip(family.names, points(pooled, rows, number, derive_seed(0, name, value, rows)), strict=True):
                truth = f"{point.truth:+.4f}", f"{point.error:.4f}", f"{point.effect:.1f}"
                shares = [share(value, 2 if word in ("same", "unclear") else 3) for word, value in point.words.items()]
                yield row([name, family.knob.format(value), f"{rows:,}", task, *truth, *shares]), point


def summary(found: Sequence[Point]) -> Iterator[str]:
    """Yield a table by effect size: the number of tasks, and the shares of right and wrong verdicts."""
    yield row(["effect, in standard errors", "tasks", "right: lowest", "mean", "wrong sign: highest", "mean"])
    yield "|---" * 6 + "|"
    for low, high in pairwise(BINS):
        inside = [point for point in found if low <= point.effect < high]
        if inside:
            right, wrong = [point.right for point in inside], [point.wrong for point in inside]
            bounds = f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} and more"
            numbers = (min(right), float(np.mean(right)), max(wrong), float(np.mean(wrong)))
            yield row([bounds, len(inside), *(share(number) for number in numbers)])


def main() -> None:
    """Train missing networks, draw studies, print the tables, and write them with `--write`."""
    parser = argparse.ArgumentParser(description="Power of the verdict on families of tasks with known truth")
    parser.add_argument("--out", type=Path, default=Path("runs/power"), help="folder for the errors, 0.7 GB per cell")
    parser.add_argument("--families", nargs="*", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds to train per cell")
    parser.add_argument("--replicates", type=int, default=REPLICATES, help="studies per cell and number of test rows")
    parser.add_argument("--write", action="store_true", help="write the tables to docs/verdict.md")
    options = parser.parse_args()
    started, found = time.monotonic(), list[Point]()
    lines = [row(HEAD), "|---" * len(HEAD) + "|"]
    print("\n".join(lines), flush=True)
    for name in options.families:
        for line, point in cells(name, options.out, options.seeds, options.replicates):
            found.append(point)
            lines.append(line)
            print(line, flush=True)
    short = list(summary(found))
    print("\n" + "\n".join(short) + f"\n\n{time.monotonic() - started:,.0f} s")
    if options.write:
        caption = f"{options.replicates:,} studies with {SEEDS_OF_A_STUDY} of {options.seeds} seeds per line."
        put("power", "\n".join([*short, "", caption, "", *lines]))


if __name__ == "__main__":
    main()
