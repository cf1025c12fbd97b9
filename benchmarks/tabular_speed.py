"""Time tables: fitting compared with scikit-learn's MLPs, predicting, and the first result of the command line.

    python benchmarks/tabular_speed.py [--rounds 7] [--epochs 5]

Fitting: 20,000 rows, 40 columns, 4 targets; one network for all of them against four MLPs with the same hidden layers, batches of 200
rows, and the same number of updates each, in alternating rounds. Predicting: the same network on 400,000 rows of a pandas frame.
The command line: `polytask train` on a table of 10,000 rows with 5 targets, from the start of the process to its end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from polytask import MultiTaskRegressor

ROWS, COLUMNS, TARGETS, BATCH, HIDDEN = 20_000, 40, 4, 200, (256, 128)


def fitting(rounds: int, epochs: int) -> MultiTaskRegressor:
    """Print the ratio of fitting times, and return the last estimator."""
    random = np.random.default_rng(0)
    X = random.normal(size=(ROWS, COLUMNS))
    y = X @ random.normal(size=(COLUMNS, TARGETS)) + random.normal(size=(ROWS, TARGETS))
    ours = MultiTaskRegressor(epochs=epochs, batch_size=BATCH, patience=epochs, validation_fraction=BATCH / ROWS, random_state=0)
    theirs = MLPRegressor(
        hidden_layer_sizes=HIDDEN,
        batch_size=BATCH,
        early_stopping=False,
        tol=0,
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        random_state=0,
    )
    ratios = []
    for _ in range(1 + rounds):
        begun = time.perf_counter()
        ours.fit(X, y)
        between = time.perf_counter()
        for target in y.T:
            theirs.fit(X, target)
        ratios.append((time.perf_counter() - between) / (between - begun))
    warm = ratios[1:]
    steps = ROWS // BATCH * epochs
    print(f"fit, {steps} updates: {np.median(warm):.2f} times as fast as four MLPs ({min(warm):.2f} to {max(warm):.2f} in {rounds} rounds)")
    return ours


def predicting(estimator: MultiTaskRegressor, rounds: int) -> None:
    """Print the number of rows predicted per second."""
    X = pd.DataFrame(np.random.default_rng(1).normal(size=(400_000, COLUMNS)), columns=[f"c{place}" for place in range(COLUMNS)])
    y = np.random.default_rng(2).normal(size=(1_000, TARGETS))
    named = MultiTaskRegressor(epochs=1, random_state=0).fit(X.iloc[:1_000], y)
    speeds = {"frame": [], "array": []}  # type: dict[str, list[float]]
    for _ in range(rounds):
        for name, model, inputs in (("frame", named, X), ("array", estimator, X.to_numpy())):
            begun = time.perf_counter()
            model.predict(inputs)
            speeds[name].append(len(X) / (time.perf_counter() - begun))
    for name, found in speeds.items():
        print(f"predict from a {name}: {np.median(found):,.0f} rows a second ({min(found):,.0f} to {max(found):,.0f})")


def first_result() -> None:
    """Print the time of a whole command."""
    random = np.random.default_rng(0)
    rows = 10_000
    table = pd.DataFrame(random.normal(size=(rows, 12)), columns=[f"c{place}" for place in range(12)])
    table["town"] = random.choice(["Oslo", "Rome", "Ulm"], rows)
    for place in range(5):
        values = table[f"c{place}"] + 0.5 * random.normal(size=rows)
        table[f"target{place}"] = values if place % 2 else np.where(values > 0, "yes", "no")
        table.loc[random.random(rows) < 0.3, f"target{place}"] = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        table.to_csv(path, index=False)
        targets = [f"target{place}" for place in range(5)]
        command = [sys.executable, "-m", "polytask", "train", str(path), "--targets", *targets, "--out", f"{folder}/run", "--quiet"]
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        print(f"polytask train, 10,000 rows, 5 targets, defaults: {time.perf_counter() - begun:.1f} s")


def main() -> None:
    """Run the three measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=5)
    asked = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    predicting(fitting(asked.rounds, asked.epochs), asked.rounds)
    first_result()


if __name__ == "__main__":
    main()
