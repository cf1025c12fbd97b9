"""Draw the picture of two verdicts: a problem where sharing helps, and one where it hurts, side by side.

    python tools/verdict_figures.py [--out docs/figures/verdicts.svg] [--runs runs/figures]

Both tables are simulated, so that it is known why; the encoder has four units in both. In the first, six targets are noisy readings of one
signal, a direction among 30 inputs, with 100 training rows: what one target teaches, the others need. In the second, three targets are the
sizes of different inputs: four units are enough for one of them, and too few for all. A study that is in the folder already is drawn again.
The pictures are those of `verdict.plot()`. Two cores need some minutes.
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
from polytask.verdicts.shown.difference_chart import VegaSpec, render
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


def unrelated(seed: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """Return a table whose three targets are the sizes of different inputs."""
    rng, training = np.random.default_rng(seed), 400
    x = rng.normal(size=(training + VALIDATION + TEST, 4))
    sizes = np.abs(x[:, :3])
    names = ["size 1", "size 2", "size 3"]
    return table_of(training, sizes + 0.1 * rng.normal(size=sizes.shape), x, names), names


def study(table: tuple[pd.DataFrame, list[str]], options: dict[str, Any], out: Path) -> VerdictFile:
    """Compare separate networks with one network of a plain sum, unless the folder has the result."""
    frame, names = table
    if not (out / "verdict.json").is_file():
        arms = {"arms": ["single", "equal"], "race": False, "encoder": "mlp(hidden=[4])", "hidden": []}
        pt.study(frame, targets=names, split="split", out=out, preset="quick", patience=20, batch_size=32, **arms, **options)
    return titled_verdict(VerdictFile.read(out / "verdict.json"))


def side_by_side(charts: dict[str, VegaSpec]) -> VegaSpec:
    """Return one chart of two, with titles."""
    parts = []
    for title, chart in charts.items():
        own = {key: value for key, value in chart.items() if key not in ("$schema", "config")}
        parts.append({**own, "width": 250, "title": {"text": title, "color": "#24292f", "fontSize": 13, "anchor": "start"}})
    first = next(iter(charts.values()))
    return {"$schema": first["$schema"], "config": first["config"], "hconcat": parts, "spacing": 30}


def main() -> None:
    """Run both studies, print their advice, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/figures/verdicts.svg"))
    parser.add_argument("--runs", type=Path, default=Path("runs/figures"))
    chosen = parser.parse_args()
    problems: dict[str, tuple[tuple[pd.DataFrame, list[str]], dict[str, Any]]] = {
        "Six readings of one signal": (related(), {"seeds": 5, "epochs": 100, "lr": 0.005}),
        "Three unrelated targets": (unrelated(), {"seeds": 4, "epochs": 60, "lr": 0.01}),
    }
    charts = {}
    for number, (title, (table, options)) in enumerate(problems.items(), start=1):
        outcome = study(table, options, chosen.runs / f"problem-{number}")
        print(f"{title}: {outcome.recommendation.headline if outcome.recommendation else 'no advice'}")
        chart = overview_chart(outcome)
        if chart is not None:
            charts[title] = chart
    chosen.out.write_text(render(side_by_side(charts)).svg, encoding="utf-8")
    print(f"drawn: {chosen.out}")


if __name__ == "__main__":
    main()
