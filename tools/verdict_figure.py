"""Draw the picture of a verdict on a problem where sharing helps.

    python tools/verdict_figure.py [--out docs/figures/verdict.svg] [--runs runs/figures]

The table is simulated, so that it is known why: six targets are noisy readings of one signal, a direction among 30 inputs, with 100
training rows, so that what one target teaches, the others need. A study that is in the folder already is drawn again. The picture is that
of `verdict.plot()`. Two cores need some minutes.
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


def related(seed: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """Return a table whose six targets are noisy readings of one signal."""
    rng, training = np.random.default_rng(seed), 100
    x = rng.normal(size=(training + VALIDATION + TEST, 30))
    signal = 2 * np.tanh(x @ rng.normal(size=30) / np.sqrt(30))
    names = [f"reading {number}" for number in range(1, 7)]
    return table_of(training, signal[:, None] + rng.normal(size=(len(x), 6)), x, names), names


def study(table: tuple[pd.DataFrame, list[str]], options: dict[str, Any], out: Path) -> VerdictFile:
    """Compare separate networks with one network of a plain sum, unless the folder has the result."""
    frame, names = table
    if not (out / "verdict.json").is_file():
        arms = {"arms": ["single", "equal"], "race": False, "encoder": "mlp(hidden=[4])", "hidden": []}
        pt.study(frame, targets=names, split="split", out=out, preset="quick", patience=20, batch_size=32, **arms, **options)
    return titled_verdict(VerdictFile.read(out / "verdict.json"))


def main() -> None:
    """Run the study, print its advice, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/figures/verdict.svg"))
    parser.add_argument("--runs", type=Path, default=Path("runs/figures"))
    chosen = parser.parse_args()
    outcome = study(related(), {"seeds": 5, "epochs": 100, "lr": 0.005}, chosen.runs / "readings")
    print(outcome.recommendation.headline if outcome.recommendation else "no advice")
    chart = overview_chart(outcome)
    if chart is None:
        raise SystemExit("no difference has an interval")
    chosen.out.write_text(render(chart).svg, encoding="utf-8")
    print(f"drawn: {chosen.out}")


if __name__ == "__main__":
    main()
