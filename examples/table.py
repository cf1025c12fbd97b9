"""Train on one table with three targets of different kinds and missing labels.

    python examples/table.py [--rows 2000]

A shop knows the age, the town and the start date of its customers. For some it knows whether they left, for some what they spend, and for
some their segment. One network learns from all available labels.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from polytask import MultiTaskEstimator


def customers(rows: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return inputs and targets; each label is missing with probability 0.4, each age with 0.1."""
    random = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": random.normal(45, 12, rows).round(),
            "town": random.choice(["Oslo", "Rome", "Ulm"], rows),
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 2_000, rows), unit="D"),
        }
    )
    # All three targets depend on the same hidden quantity, which makes joint training worthwhile.
    bond = (X["age"] - 45) / 12 + (X["town"] == "Rome")
    Y = pd.DataFrame(
        {
            "churn": np.where(bond + random.normal(size=rows) < 0, "leaves", "stays"),
            "value": (100 + 40 * bond + 15 * random.normal(size=rows)).round(2),
            "segment": pd.cut(bond + 0.5 * random.normal(size=rows), [-np.inf, -0.5, 1.0, np.inf], labels=["low", "mid", "high"]),
        }
    ).astype({"segment": object})
    X.loc[random.random(rows) < 0.1, "age"] = np.nan
    return X, Y.mask(random.random(Y.shape) < 0.4)


def main() -> None:
    """Fit, predict and evaluate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000)
    rows = parser.parse_args().rows
    X, Y = customers(rows, seed=0)
    # Kinds are inferred if none is given. The order of the segments cannot be inferred from their names.
    estimator = MultiTaskEstimator(
        {"churn": None, "value": None, "segment": "ordinal(classes=[low, mid, high])"}, preset="quick", random_state=0
    )
    estimator.fit(X, Y)
    print(f"kinds: {estimator.kinds_}")

    new, truth = customers(rows, seed=1)
    print(estimator.predict(new).head(3).to_string())
    print(estimator.predict_proba(new)["churn"].head(3).round(2).to_string())
    # Every metric is computed on the rows that have a label of its target.
    print(estimator.evaluate(new, truth).round(3).to_string(index=False))
    print(f"score: {estimator.score(new, truth):.2f} (0: ignores the inputs, 1: perfect)")


if __name__ == "__main__":
    main()
