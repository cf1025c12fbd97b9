"""Measure by simulation what plans of looks promise: false words, power, and the regret of the advice.

    python benchmarks/plan_simulation.py [--studies 100000] [--simulate] [--write]

A study has T tasks; its differences between seeds are normal with standard deviation 1, and the effect of the test rows, which is the same
at all looks, has the given share of the variance of five seeds. Its verdict is computed with the code that ships: levels of looks, split
of the error, intersection of intervals, margins, words that stay. A **false word** is helps or hurts about a task or a mean without a
difference (or with the wrong sign), or same about one whose difference is at least the margin. All looks count, also those after a study
would have stopped, and the continuation, which is always made.

With `--simulate` the true differences are drawn, and the regret of the advice is the utility that the best choice would have gained more,
per task, in standard deviations between seeds. One network instead of T is worth .2 of them, half a margin of .4.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from markdown_tables import put, row, share
from polytask.verdicts.advice import PRIOR_SD, choose, shrunk
from polytask.verdicts.spending.error_split import FAMILYWISE_LEVEL, family_errors, rejection_levels
from polytask.verdicts.spending.seed_plan import SeedPlan

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PLANS = {
    "fixed 5": SeedPlan.of((5,)),
    "looks 5, 8, 12, 20": SeedPlan.of((5, 8, 12, 20)),
    "looks 5, 8, 12, 20, then 30": SeedPlan.of((5, 8, 12, 20), (30,)),
}
TASKS = (2, 5, 14)
MARGIN = 1.0
CHUNK = 5_000
ROWS = 4_000


@dataclass(frozen=True)
class Words:
    """Words about the mean over tasks (column 0) and the tasks, at every look.

    Attributes:
        clear: (K, N, 1 + T) whether the interval excludes 0 at the error that was reached.
        sign: (K, N, 1 + T) sign of the difference.
        same: (K, N, 1 + T) whether the interval of twice the base error lies within the margin.
        low: (K, N, 1 + T) lower ends of the intervals of the base error.
        high: (K, N, 1 + T) upper ends.
    """

    clear: Bools
    sign: Floats
    same: Bools
    low: Floats
    high: Floats

    @property
    def word(self) -> NDArray[np.int64]:
        """(N, 1 + T) the word after the last look: 1 helps, -1 hurts, 2 same, 0 unclear; the first word stays."""
        found = np.zeros(self.clear.shape[1:], dtype=np.int64)
        for clear, sign, same in zip(self.clear, self.sign, self.same, strict=True):
            now = np.where(clear, np.where(sign > 0, 1, -1), np.where(same, 2, 0))
            found = np.where(found == 0, now, found)
        return np.where(self.low[-1] > self.high[-1], 0, found)

    def decided_at(self, columns: slice) -> NDArray[np.int64]:
        """(N,) the index of the first look at which all these words are clear; the last look if there is none."""
        there = (self.clear | self.same)[:, :, columns]
        every = np.maximum.accumulate(there, axis=0).all(axis=2)
        return np.where(every.any(axis=0), every.argmax(axis=0), len(self.clear) - 1)


def verdicts(seeds: Floats, rows: Floats, row_variance: float, plan: SeedPlan, margin: float = MARGIN) -> Words:
    """Judge studies at all looks of a plan.

    Args:
        seeds: (N, S, T) differences of every seed.
        rows: (N, T) effects of the test rows.
        row_variance: Variance of these effects, which is taken as known with many rows.
        plan: Plan of the looks.
        margin: Largest difference that counts as the same, in the unit of the differences.
    """
    whole = np.concatenate([(seeds / margin).mean(axis=2, keepdims=True), seeds], axis=2)  # the mean over tasks is in margins
    shift = np.concatenate([(rows / margin).mean(axis=1, keepdims=True), rows], axis=1)
    tasks = seeds.shape[2]
    known = np.array([row_variance / tasks / margin**2, *[row_variance] * tasks])
    errors = np.concatenate([np.ones(1) * family_errors(FAMILYWISE_LEVEL, 1, tasks)[0], np.full(tasks, 0.04 / tasks)])
    margins = np.array([1.0, *[margin] * tasks])
    parts: list[tuple[Any, ...]] = []
    least = np.full(whole.shape[::2], np.inf)
    ends = [np.full(least.shape, -np.inf), np.full(least.shape, np.inf), np.full(least.shape, -np.inf), np.full(least.shape, np.inf)]
    for look, number in enumerate(plan.looks):
        mean = whole[:, :number].mean(axis=1) + shift
        seed_variance = whole[:, :number].var(axis=1, ddof=1) / number
        least = np.minimum(least, plan.error(look, p_values(np.abs(mean), seed_variance, known, number)))
        for factor, place in ((1, 0), (2, 2)):
            levels = np.array([plan.level(look, float(error) * factor) for error in errors])
            half = np.sqrt(stdtrit(number - 1, levels / 2) ** 2 * seed_variance + stdtrit(ROWS - 1, levels / 2) ** 2 * known)
            ends[place], ends[place + 1] = np.maximum(ends[place], mean - half), np.minimum(ends[place + 1], mean + half)
        pooled, own = rejection_levels(least[:, :1], least[:, 1:])
        clear = np.concatenate([pooled, own], axis=1) > 0
        same = (ends[2] >= -margins) & (ends[3] <= margins) & (ends[2] <= ends[3])
        parts.append((clear, np.sign(mean), same, ends[0].copy(), ends[1].copy()))
    return Words(*(np.stack(part) for part in zip(*parts, strict=True)))


def p_values(size: Floats, seed_variance: Floats, row_variance: Floats, seeds: int, units: int = ROWS) -> Floats:
    """Return the levels whose half-widths are these sizes, by bisection in a table of quantiles."""
    if not row_variance.any():
        return np.asarray(2 * stdtr(seeds - 1, -size / np.sqrt(seed_variance)))
    grid = np.linspace(np.log(1e-12), 0.0, 400)
    of_seeds, of_rows = (stdtrit(df - 1, np.exp(grid) / 2) ** 2 for df in (seeds, units))
    low, high = np.full(size.shape, grid[0]), np.zeros(size.shape)
    for _ in range(30):
        middle = (low + high) / 2
        wide = np.interp(middle, grid, of_seeds) * seed_variance + np.interp(middle, grid, of_rows) * row_variance > size**2
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return np.asarray(np.exp(high))


def drawn(generator: np.random.Generator, shape: tuple[int, int, int], kind: str) -> Floats:
    """Draw differences between seeds without a mean: normal, with heavy tails, or with one-sided collapses of one seed in ten."""
    if kind == "heavy tails":
        return generator.standard_t(3, shape)
    normal = generator.normal(size=shape)
    return normal - 4 * ((generator.random(shape) < 0.1) - 0.1) if kind == "collapses" else normal


def truths(name: str, tasks: int) -> Floats:
    """Return true differences (T,): all 0, one of them large, or all at the margin."""
    found = np.zeros(tasks)
    if name == "one large":
        found[0] = 4.0
    return np.full(tasks, MARGIN) if name == "at the margin" else found


def false_words(words: Words, truth: Floats) -> Bools:
    """(N,) whether any word of a study is false at any look."""
    whole = np.array([truth.mean() / MARGIN, *truth])
    margins = np.array([1.0, *[MARGIN] * len(truth)])
    wrong = (words.clear & (words.sign != np.sign(whole))) | (words.same & (np.abs(whole) >= margins))
    return np.asarray(wrong.any(axis=(0, 2)))


def rate(plan: SeedPlan, tasks: int, studies: int, truth: str = "all 0", kind: str = "normal", rows: float = 0.0) -> float:
    """Return the share of studies with a false word."""
    generator, own, found = np.random.default_rng([tasks, len(plan.looks)]), truths(truth, tasks), 0
    # The variance of the mean of five seeds is .2 where only seeds vary; it is divided between seeds and rows.
    of_seeds, of_rows = max((1 - rows) ** 0.5, 1e-3), 0.2 * rows
    for start in range(0, studies, CHUNK):
        size = min(CHUNK, studies - start)
        seeds = of_seeds * drawn(generator, (size, plan.looks[-1], tasks), kind) + own
        effects = of_rows**0.5 * generator.normal(size=(size, tasks))
        found += int(false_words(verdicts(seeds, effects, of_rows, plan), own).sum())
    return found / studies


CELLS: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("no difference", {}),
    ("one task of them large", {"truth": "one large"}),
    ("all at the margin", {"truth": "at the margin"}),
    ("no difference, half from rows", {"rows": 0.5}),
    ("no difference, all from rows", {"rows": 1.0}),
    ("no difference, heavy tails", {"kind": "heavy tails"}),
    ("*no difference, one-sided collapses*", {"kind": "collapses"}),
)


def alarm_lines(studies: int) -> Iterator[str]:
    """Yield the table of false words."""
    yield row(["truth", "plan", *(f"T = {tasks}" for tasks in TASKS)])
    yield "|---" * (2 + len(TASKS)) + "|"
    for name, options in CELLS:
        for plan_name, plan in PLANS.items():
            yield row([name, plan_name, *(share(rate(plan, tasks, studies, **options)) for tasks in TASKS)])


def power_lines(studies: int) -> Iterator[str]:
    """Yield the table of decided tasks and of seeds, for two tasks with a margin of 1 standard deviation."""
    yield row(["plan", "effect", "task decided", "seeds until it is", "seeds until all are"])
    yield "|---" * 5 + "|"
    for name in ("fixed 5", "looks 5, 8, 12, 20"):
        plan = PLANS[name]
        for effect in (0.0, 1.0, 1.5):
            generator = np.random.default_rng(7)
            seeds = generator.normal(size=(studies, plan.looks[-1], 2)) + np.array([effect, 0.0])
            words = verdicts(seeds, np.zeros((studies, 2)), 0.0, plan)
            counts = np.array(plan.looks)
            own, every = (counts[words.decided_at(columns)].mean() for columns in (slice(1, 2), slice(0, 3)))
            yield row([name, f"{effect:g}", share(float((words.word[:, 1] != 0).mean()), 2), f"{own:.1f}", f"{every:.1f}"])


WORTH, NETWORK = 0.4, 0.2
"""Margin, and what one network is worth, in standard deviations between seeds."""


def true_differences(generator: np.random.Generator, shape: tuple[int, int], kind: str) -> Floats:
    """Draw true differences, in standard deviations between seeds."""
    scale, form = {"x 1/3": (1 / 3, ""), "x 3": (3.0, ""), "heavy tails": (1.0, "t"), "mostly 0": (1.0, "0")}.get(kind, (1.0, ""))
    found = generator.standard_t(3, shape) / 3**0.5 if form == "t" else generator.normal(size=shape)
    return 0.83 * scale * found * (generator.random(shape) < 0.2 if form == "0" else 1.0)


def regret(kind: str, tasks: int, seeds: int, studies: int, prior: float = PRIOR_SD) -> dict[str, float]:
    """Return what the best choice gains, and the regret of the advice and of other rules, per task."""
    generator = np.random.default_rng([tasks, seeds])
    truth = true_differences(generator, (studies, tasks), kind)
    scale = 0.05 if kind == "margin / 20" else 1.0
    margin, worth = scale * WORTH, 0.0 if kind == "v = 0" else scale * NETWORK
    noise = np.array([3.0, *[1.0] * (tasks - 1)]) if kind == "one task noisy" else np.ones(tasks)
    data = truth[:, None, :] + noise * generator.normal(size=(studies, seeds, tasks))
    words = verdicts(data, np.zeros((studies, tasks)), 0.0, SeedPlan.of((seeds,)), margin)
    pooled = data.mean(axis=2) / margin
    mean, error = pooled.mean(axis=1), pooled.std(axis=1, ddof=1) / seeds**0.5
    utility = shrunk(mean, error, tasks, prior, seeds=seeds) + worth / margin
    said = words.word[:, 1:]
    together, _ = choose(
        (words.low[-1, :, 0], words.high[-1, :, 0]), worth / margin, utility, ((said == 1).any(axis=1), (said == -1).any(axis=1))
    )
    gain = truth.mean(axis=1) + worth
    rules = {
        "advice": together,
        "mean > -v": mean > -worth / margin,
        "always together": np.ones(studies, dtype=bool),
        "always separately": np.zeros(studies, dtype=bool),
        "unclear: separately": (said != 0).all(axis=1) & ~(said == -1).any(axis=1),
    }
    best = np.maximum(gain, 0.0)
    return {"best": float(best.mean()), **{name: float((best - np.where(rule, gain, 0.0)).mean()) for name, rule in rules.items()}}


def regret_lines(studies: int) -> Iterator[str]:
    """Yield the table of regret."""
    names = ("best", "advice", "mean > -v", "always together", "always separately", "unclear: separately")
    yield row(["true differences", "tasks", "seeds", "best gains", *names[1:]])
    yield "|---" * (3 + len(names)) + "|"
    for kind in ("normal", "x 1/3", "x 3", "heavy tails", "mostly 0", "one task noisy", "v = 0", "margin / 20"):
        for tasks, seeds in ((2, 5), (2, 10), (5, 5)):
            found = regret(kind, tasks, seeds, studies)
            yield row([kind, tasks, seeds, *(share(found[name]) for name in names)])
    for prior in (1.0, 4.0):
        found = regret("normal", 2, 5, studies, prior)
        yield row([f"normal, prior of {prior:g} margins", 2, 5, *(share(found[name]) for name in names)])


def main() -> None:
    """Print the tables, and write them with `--write`."""
    parser = argparse.ArgumentParser(description="False words, power and regret of plans, by simulation")
    parser.add_argument("--studies", type=int, default=100_000, help="simulated studies per cell")
    parser.add_argument("--simulate", action="store_true", help="measure only the regret of the advice")
    parser.add_argument("--write", action="store_true", help="write the tables to docs/verdict.md")
    options = parser.parse_args()
    started = time.monotonic()
    tables = {"regret-simulated": regret_lines} if options.simulate else {"plans": alarm_lines, "plan-power": power_lines}
    for name, lines in tables.items():
        written = []
        for line in lines(options.studies):
            print(line, flush=True)
            written.append(line)
        print(f"\n{options.studies:,} studies per cell, {time.monotonic() - started:.0f} s\n")
        if options.write:
            put(name, "\n".join([f"{options.studies:,} simulated studies per cell.", "", *written]))


if __name__ == "__main__":
    main()
