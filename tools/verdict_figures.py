"""Draw the picture of two verdicts: a problem where sharing helps, and one where it hurts, side by side.

    python tools/verdict_figures.py [--out docs/figures/verdicts.svg] [--runs runs/figures] [--seeds 10]

Both tables are simulated, so that it is known why. In the first, six targets are noisy readings of one signal, with 120 training rows: what
one target teaches, the others need. In the second, three targets are unrelated waves, and the encoder has eight units, too few for all.
The pictures are those of `verdict.plot()`. Two cores need some minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import polytask as pt
from polytask.studies import StudyResult
from polytask.verdicts.shown.difference_chart import VegaSpec, render
from polytask.verdicts.shown.outcome_charts import overview_chart
from polytask.verdicts.shown.titled_verdict import titled_verdict

VALIDATION, TEST, INPUTS = 80, 2_000, 8


def table_of(training: int, targets: NDArray[np.float64], inputs: NDArray[np.float64], names: list[str]) -> pd.DataFrame:
    """Return a table of inputs and targets with a column that says which rows are for training, validation and test."""
    frame = pd.DataFrame(inputs, columns=[f"x{number}" for number in range(inputs.shape[1])])
    parts = ["train"] * training + ["validation"] * VALIDATION + ["test"] * TEST
    return frame.assign(**dict(zip(names, targets.T, strict=True)), split=parts)


def related(seed: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """Return a table whose six targets are noisy readings of one signal."""
    rng, training = np.random.default_rng(seed), 120
    x = rng.normal(size=(training + VALIDATION + TEST, INPUTS))
    signal = np.sin(1.5 * x[:, 0]) + x[:, 1] * x[:, 2]
    names = [f"reading {number}" for number in range(1, 7)]
    return table_of(training, signal[:, None] + rng.normal(size=(len(x), 6)), x, names), names


def unrelated(seed: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """Return a table whose three targets are waves of different inputs."""
    rng, training = np.random.default_rng(seed), 1_500
    x = rng.normal(size=(training + VALIDATION + TEST, INPUTS))
    waves = np.stack([np.sin(3 * x[:, 2 * task]) * x[:, 2 * task + 1] for task in range(3)], axis=1)
    names = ["wave 1", "wave 2", "wave 3"]
    return table_of(training, waves + 0.1 * rng.normal(size=waves.shape), x, names), names


def study(table: tuple[pd.DataFrame, list[str]], encoder: str, seeds: int, out: Path) -> StudyResult:
    """Compare separate networks with one network of a plain sum."""
    frame, names = table
    options = {"split": "split", "arms": ["single", "equal"], "seeds": seeds, "encoder": encoder, "hidden": []}
    found: StudyResult = pt.study(frame, targets=names, out=out, **options)
    return found


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
    parser.add_argument("--seeds", type=int, default=10)
    chosen = parser.parse_args()
    problems = {"Six readings of one signal": (related(), "mlp(hidden=[64])"), "Three unrelated waves": (unrelated(), "mlp(hidden=[8])")}
    charts = {}
    for number, (title, (table, encoder)) in enumerate(problems.items(), start=1):
        found = study(table, encoder, chosen.seeds, chosen.runs / f"problem-{number}")
        print(f"{title}: {found.recommendation.headline}")
        verdict = found.verdict
        chart = overview_chart(titled_verdict(verdict.record().model_copy(update={"titles": dict(verdict.titles)})))
        if chart is not None:
            charts[title] = chart
    chosen.out.write_text(render(side_by_side(charts)).svg, encoding="utf-8")
    print(f"drawn: {chosen.out}")


if __name__ == "__main__":
    main()
