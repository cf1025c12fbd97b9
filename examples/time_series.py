"""Predict several series a day ahead from windows of four days, with one network for all of them.

    python examples/time_series.py [ETTh1.csv.gz] [--rows 4000]

The file is a table with one row per hour, such as ETTh1 of the Electricity Transformer Dataset (columns HUFL, MUFL and OT); without one,
series are drawn. The targets are changes from the last hour of a window, so that predicting no change is the bar to pass.
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np
import pandas as pd

import polytask as pt
from polytask.data import Source
from polytask.tasks import Regression

WINDOW, AHEAD, EVERY = 96, 24, 4
TARGETS = ("HUFL", "MUFL", "OT")


def drawn(rows: int) -> pd.DataFrame:
    """Return three series that follow the same daily cycle of changing height."""
    random, hours = np.random.default_rng(0), np.arange(rows)
    height = 2 + np.cumsum(random.normal(size=rows)) / 50
    return pd.DataFrame(
        {name: height * np.sin(2 * np.pi * (hours - 2 * place) / 24) + random.normal(size=rows) / 2 for place, name in enumerate(TARGETS)}
    )


def main() -> None:
    """Train on the first four fifths, and compare with the last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?")
    parser.add_argument("--rows", type=int, default=4_000)
    arguments = parser.parse_args()
    table = (pd.read_csv(arguments.file) if arguments.file else drawn(arguments.rows))[: arguments.rows]
    series = table.select_dtypes("number").to_numpy(np.float32)
    starts = np.arange(0, len(series) - WINDOW - AHEAD, EVERY)
    windows = np.stack([series[start : start + WINDOW] for start in starts])  # (N, steps, channels)
    changes = series[starts + WINDOW + AHEAD - 1] - windows[:, -1]
    labels = {name: changes[:, table.select_dtypes("number").columns.get_loc(name)] for name in TARGETS}

    last = int(0.8 * len(starts))
    first = last - (WINDOW + AHEAD) // EVERY  # no training window reaches into the hours that the last fifth starts with
    blocks = starts[:first] // (24 * 14)  # windows of the same fortnight overlap: they are validated together
    source = Source("hours", windows[:first], {name: own[:first] for name, own in labels.items()}, groups=blocks)
    tasks = [Regression(name=name) for name in TARGETS]
    with tempfile.TemporaryDirectory() as folder:
        run = pt.train([source], tasks=tasks, encoder="tcn(width=16)", preset="quick", out=f"{folder}/run")
        found = pt.load(run.folder).predict(windows[last:])
    for name in TARGETS:
        truth = labels[name][last:]
        error, bar = (float(np.sqrt(np.mean((truth - guess) ** 2))) for guess in (found[name], 0.0))
        print(f"{name}: error {error:.3f}, of no change {bar:.3f}, ratio: {error / bar:.2f}")


if __name__ == "__main__":
    main()
