"""Draw the pictures of two verdicts: on a problem where sharing helps, and on one where it hurts.

    python tools/verdict_figure.py [--out docs/figures] [--runs runs/figures]

The tables are simulated, so that it is known why. Where it helps, six targets are noisy readings of one signal, a direction among 30
inputs, with 100 training rows, so that what one target teaches, the others need. Where it hurts, each target is a reading of a signal of
its own, with 1,000 training rows: there is nothing to share, and the four hidden units of the network have to serve six signals. A study
that is in the folder already is drawn again. The pictures are those of `verdict.plot()`. Two cores need some minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import polytask as pt
from polytask.run_files import VerdictFile
from polytask.verdicts.shown.difference_chart import render
from polytask.verdicts.shown.outcome_charts import overview_chart
from polytask.verdicts.shown.titled_verdict import titled_verdict

VALIDATION, TEST = 80, 2_000


def table_of(training: int, targets: NDArray[np.float64], inputs: NDArray[np.float64], names: list[str]) -> pd.DataFrame:
    """Return a table of inputs and targets with a column that says which rows are for training, validation and test."""
    frame = pd.DataFrame(inputs, columns=[f"x{number}" for number in range(inputs.shape[1])])
    parts = ["train"] * training + ["validation"] * VALIDATION + ["test"] * TEST
    return frame.assign(**dict(zip(names, targets.T, strict=True)), split=parts)


def readings(signals: int, training: int, seed: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """Return a table whose six targets are noisy readings of one signal, or of one signal each.

    Args:
        signals: Number of signals: 1, or 6.
        training: Number of training rows.
        seed: Seed of inputs, signals and noise.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(training + VALIDATION + TEST, 30))
    found = 2 * np.tanh(x @ rng.normal(size=(30, signals)) / np.sqrt(30))
    names = [f"reading {number}" for number in range(1, 7)]
    return table_of(training, found + rng.normal(size=(len(x), 6)), x, names), names


def study(table: tuple[pd.DataFrame, list[str]], options: dict[str, Any], out: Path) -> VerdictFile:
    """Compare separate networks with one network of a plain sum, unless the folder has the result."""
    frame, names = table
    if not (out / "verdict.json").is_file():
        arms = {"arms": ["single", "equal"], "race": False, "encoder": "mlp(hidden=[4])", "hidden": []}
        pt.study(frame, targets=names, split="split", out=out, preset="quick", patience=20, batch_size=32, **arms, **options)
    return titled_verdict(VerdictFile.read(out / "verdict.json"))


def main() -> None:
    """Run the studies, print their advice, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    parser.add_argument("--runs", type=Path, default=Path("runs/figures"))
    chosen = parser.parse_args()
    for name, file, signals, training in (("readings", "verdict.svg", 1, 100), ("signals", "verdict_hurts.svg", 6, 1_000)):
        outcome = study(readings(signals, training), {"seeds": 5, "epochs": 100, "lr": 0.005}, chosen.runs / name)
        print(outcome.recommendation.headline if outcome.recommendation else "no advice")
        chart = overview_chart(outcome)
        if chart is None:
            raise SystemExit("no difference has an interval")
        (chosen.out / file).write_text(render(chart).svg, encoding="utf-8")
        print(f"drawn: {chosen.out / file}")


if __name__ == "__main__":
    main()
