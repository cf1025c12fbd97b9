"""Measure whether the choice of the best epoch favors joint training: single-task networks against the same networks stopped together.

    POLYTASK_DATA=… python benchmarks/stopping_bias.py [--data slump jura enb] [--seeds 100] [--preset quick] [--rounds 20]

In a study, a single-task network keeps the best epoch of its own validation curve, and a joint one that of the mean over tasks. The arm
`equal@separate` has one encoder and one head per task and shares nothing: T single-task networks that are stopped together. Whatever
differs between it and `single` comes from the choice of the epoch, and from other random numbers, which favor nobody.

The table shows per task the mean difference in standard deviations of the difference between seeds, with its 95 % interval, and how many
studies of 5 and of 10 of these seeds say helps or hurts for any task or for the mean (nominal: 5 % of the studies at most). In every round
the seeds are shuffled and cut into studies without common seeds; studies of different rounds share seeds, so that their number counts for
less than that of independent ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import polytask as pt
from markdown_tables import row, share
from tables import load

ARM = "equal@separate"
SEEDS_OF_STUDIES = (5, 10)


def predictions(name: str, seeds: int, preset: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the test predictions of both arms, and the kinds of the tasks."""
    data = load(name)
    options: dict[str, Any] = {"arms": ["single", ARM], "seeds": seeds, "preset": preset}
    return pt.study(data.X.join(data.Y), targets=dict(data.kinds), **options).predictions, dict(data.kinds)


def differences(found: pd.DataFrame, kinds: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield per task the differences (S,) of its metric between the arms; positive is better for the networks that are stopped together."""
    judged = pt.verdict(found, kinds=kinds)
    for name, task in judged.tasks.items():
        single, together = (per_seed(found, arm, name, task.metric) for arm in ("single", ARM))
        yield name, (together - single) * (1 if task.higher_is_better else -1)


def per_seed(found: pd.DataFrame, arm: str, task: str, metric: str) -> np.ndarray:
    """Return the metric of every seed of an arm, of tasks that are measured by the error of numbers or by hits."""
    own = found[(found["arm"] == arm) & (found["task"] == task)]
    if metric == "rmse":
        errors = own["target"].astype(float) - own["prediction"].astype(float)
        return np.asarray((errors**2).groupby(own["seed"]).mean()) ** 0.5
    if metric == "log-loss":
        return np.asarray(-np.log(own["probability"].clip(1e-12)).groupby(own["seed"]).mean())
    return np.asarray((own["target"] == own["prediction"]).groupby(own["seed"]).mean())


def alarms(found: pd.DataFrame, kinds: dict[str, Any], seeds: int, rounds: int) -> tuple[int, int]:
    """Return the number of studies with helps or hurts, and of all studies."""
    random, known, false, all_of_them = np.random.default_rng(0), found["seed"].unique(), 0, 0
    for _ in range(rounds):
        order = random.permutation(known)
        for start in range(0, len(order) - seeds + 1, seeds):
            judged = pt.verdict(found[found["seed"].isin(order[start : start + seeds])], kinds=kinds)
            pooled = judged.arms[ARM].pooled
            said = [task.arms[ARM].claim for task in judged.tasks.values()] + ([] if pooled is None else [pooled.claim])
            false += any(word in ("helps", "hurts") for word in said)
            all_of_them += 1
    return false, all_of_them


def main() -> None:
    """Train the networks of all tables, and print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=["slump", "jura", "enb"])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    print(row(["table", "task", "difference in SD of seeds, 95 % interval", *(f"false alarms with {n} seeds" for n in SEEDS_OF_STUDIES)]))
    print("|---" * (3 + len(SEEDS_OF_STUDIES)) + "|")
    for name in options.data:
        studied(name, options)


def studied(name: str, options: argparse.Namespace) -> None:
    """Print the lines of a table."""
    found, kinds = predictions(name, options.seeds, options.preset)
    counts = [alarms(found, kinds, seeds, options.rounds) for seeds in SEEDS_OF_STUDIES]
    cells = [f"{false} of {studies} ({share(false / studies)})" for false, studies in counts]
    for task, values in differences(found, kinds):
        mean, half = values.mean() / values.std(ddof=1), stats.t.ppf(0.975, len(values) - 1) / len(values) ** 0.5
        print(row([name, task, f"{mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}]", *cells]), flush=True)
        cells = ["", ""]


if __name__ == "__main__":
    main()
