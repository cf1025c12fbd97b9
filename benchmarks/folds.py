"""Compare cross-validated studies with studies that hold out test rows, at the same number of networks, on small tables.

    POLYTASK_DATA=… python benchmarks/folds.py [--data slump jura enb …] [--folds 5] [--repetitions 2] [--arms single equal]

Both studies of a table train the same number of networks: splits of a cross-validation, or seeds with a fifth of the rows held out. The
table shows how many claims they decide (helps, hurts or same, of the tasks and their mean, about the arm that validation data choose), the
median of the ratios of their half-widths, and the seconds of the two calls. The questions differ: a cross-validation is about training
sets of that size, a held-out test about the given training rows.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

import polytask as pt
from markdown_tables import row
from tables import load

HEADER = (
    "table",
    "rows",
    "claims",
    "decided, held out",
    "decided, folds",
    "half-width, folds / held out",
    "seconds, held out",
    "seconds, folds",
)


def claims(name: str, **options: Any) -> tuple[dict[str, tuple[str, float]], float]:  # noqa: ANN401 - options of a study
    """Run a study; return per task, and for their mean, the claim and half of its interval, and the seconds of the call."""
    data, started = load(name), time.monotonic()
    summary = pt.study(data.X.join(data.Y), targets=dict(data.kinds), preset="quick", **options).summary
    chosen = summary["chosen"]
    records = {task: own["arms"][chosen] for task, own in summary["tasks"].items()} | {"": summary["arms"][chosen].get("pooled")}
    found = {task: (own["verdict"], (own["ci95"][1] - own["ci95"][0]) / 2) for task, own in records.items() if own}
    return found, time.monotonic() - started


def main() -> None:
    """Run both studies of every table, and print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=["slump", "edm", "flags", "jura", "student", "enb"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--arms", nargs="+", default=["single", "equal"])
    options = parser.parse_args()
    splits = options.folds * options.repetitions
    print(row(HEADER))
    print("|---" * len(HEADER) + "|")
    for name in options.data:
        held, of_held = claims(name, seeds=splits, arms=options.arms)
        folded, of_folds = claims(name, folds=options.folds, seeds=splits, arms=options.arms)
        ratio = median(folded[task][1] / held[task][1] for task in held if held[task][1])
        decided = [sum(word != "unclear" for word, _ in found.values()) for found in (held, folded)]
        print(row([name, len(load(name).X), len(held), *decided, f"{ratio:.2f}", f"{of_held:.0f}", f"{of_folds:.0f}"]), flush=True)


if __name__ == "__main__":
    main()
