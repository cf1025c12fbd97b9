"""Compare `model="auto"` with ten lines of scikit-learn on public tables with several targets.

    POLYTASK_DATA=… python benchmarks/tables.py [--data slump jura …] [--splits 5] [--seconds 600] [--jobs 1] [--out tables.csv] [--short]

Split s holds out the first fifth of `numpy.random.default_rng(s).permutation(rows)`; `bike` and `ucl` are split by time with `--time`.
Every comparator has fixed settings, one model per target: histogram boosting, extra trees (300 trees), ridge or logistic regression, and
scikit-learn's MLP, and CatBoost if it is installed. Losses are squared errors, log-losses, and Poisson deviances of counts. The table
says, per data set, the geometric mean over targets of the loss of auto divided by that of the best comparator per target, chosen
afterwards by the mean over splits; for numbers the root of the squared error counts. `--short` takes two tables, one split and ten seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from polytask import MultiTaskEstimator

Array = NDArray[Any]
MULAN = {"enb": 2, "jura": 3, "wq": 14, "scpf": 3}
BY_TIME = ("bike", "ucl")
SHORT = ("slump", "jura")
LEAST = 1e-5


@dataclass(frozen=True)
class Data:
    """A table: inputs, targets with gaps, and the kind of each target."""

    X: pd.DataFrame
    Y: pd.DataFrame
    kinds: dict[str, str]


def folder() -> Path:
    """Return the folder of the data."""
    return Path(os.environ.get("POLYTASK_DATA", "data"))


def described() -> dict[str, Any]:
    """Return what is known about the public tables."""
    found: dict[str, Any] = json.loads((folder() / "public-tables" / "targets.json").read_text())
    return found


def load(name: str) -> Data:
    """Load a table by its name."""
    if name in MULAN:
        table = pd.read_csv(folder() / "multi-target" / f"{name}.csv", na_values=["?"])
        targets = [str(column) for column in table.columns[-MULAN[name] :]]
        return Data(table.drop(columns=targets), table[targets].astype(float), dict.fromkeys(targets, "regression"))
    facts = described()[name]
    table = pd.read_csv(next((folder() / "public-tables").glob(f"{name}.csv*")))
    kinds = dict(zip(map(str, facts["targets"]), map(str, facts["kinds"]), strict=True))
    return Data(table.drop(columns=list(kinds)), table[list(kinds)], kinds)


def inputs(*, scaled: bool) -> ColumnTransformer:
    """Return the preparation of columns that all comparators get: medians and indicators for gaps, indicators for categories."""
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), *([StandardScaler()] if scaled else [])
    )
    words = make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    chosen = make_column_selector(dtype_include=np.number)
    others = make_column_selector(dtype_exclude=np.number)
    return ColumnTransformer([("numbers", numbers, chosen), ("words", words, others)])


def comparators(seed: int) -> dict[str, Callable[[bool], Any]]:
    """Return the comparators, each as a function of whether the target has classes."""
    found: dict[str, Callable[[bool], Any]] = {
        "boosting": lambda c: (HistGradientBoostingClassifier if c else HistGradientBoostingRegressor)(random_state=seed),
        "extra trees": lambda c: (ExtraTreesClassifier if c else ExtraTreesRegressor)(300, random_state=seed, min_samples_leaf=2),
        "linear": lambda c: LogisticRegressionCV(Cs=8, max_iter=300) if c else RidgeCV(np.logspace(-3, 4, 15)),
        "mlp": lambda c: (
            MLPClassifier(random_state=seed, early_stopping=True)
            if c
            else TransformedTargetRegressor(MLPRegressor(random_state=seed, early_stopping=True), transformer=StandardScaler())
        ),
    }
    if find_spec("catboost") is not None:
        from catboost import CatBoostClassifier, CatBoostRegressor

        options = {"verbose": 0, "thread_count": 1, "random_seed": seed, "allow_writing_files": False}
        found["catboost"] = lambda c: (CatBoostClassifier if c else CatBoostRegressor)(**options)
    return found


def loss(kind: str, y: Array, raw: Array, classes: Sequence[Any]) -> float:
    """Return the root of the mean squared error, the log-loss, or the mean Poisson deviance."""
    if kind in ("binary", "multiclass"):
        places = [list(classes).index(label) if label in classes else -1 for label in y]
        chances = np.where(np.array(places) < 0, LEAST, raw[np.arange(len(y)), places])
        return float(-np.log(np.clip(chances, LEAST, 1)).mean())
    if kind == "count":
        rate = np.maximum(raw, LEAST)
        return float((np.where(y > 0, y * np.log(np.maximum(y, 1) / rate), 0) - y + rate).mean() * 2)
    return float(np.sqrt(np.mean((y - raw) ** 2)))


def one(name: str, split: int, seconds: float, *, by_time: bool) -> list[dict[str, Any]]:
    """Return the losses of all methods on one split of a table, one row per target and method."""
    warnings.simplefilter("ignore")
    data = load(name)
    count = len(data.X)
    order = np.arange(count)[::-1] if by_time and name in BY_TIME else np.random.default_rng(split).permutation(count)
    test, train = order[: count // 5], order[count // 5 :]
    rows, begun = [], time.perf_counter()
    estimator = MultiTaskEstimator(data.kinds, model="auto", time_limit=seconds, random_state=split)
    estimator.fit(data.X.iloc[train], data.Y.iloc[train])
    spent = time.perf_counter() - begun
    values = estimator.predict(data.X.iloc[test])
    chances = estimator.predict_proba(data.X.iloc[test]) if set(data.kinds.values()) & {"binary", "multiclass"} else {}
    arms = " ".join(estimator.choice_.decisions["arms"])
    for target, kind in data.kinds.items():
        y = data.Y[target].iloc[test]
        there = y.notna().to_numpy()
        raw = chances[target].to_numpy() if target in chances else values[target].to_numpy()
        classes = list(chances[target].columns) if target in chances else []
        common = {"data": name, "target": target, "split": split, "kind": kind}
        rows.append(
            {**common, "method": "auto", "loss": loss(kind, y[there].to_numpy(), raw[there], classes), "seconds": spent, "arms": arms}
        )
        known = data.Y[target].iloc[train].notna().to_numpy()
        for method, make in comparators(split).items():
            begun = time.perf_counter()
            has_classes = kind in ("binary", "multiclass")
            model = make_pipeline(inputs(scaled=method in ("linear", "mlp")), make(has_classes))
            model.fit(data.X.iloc[train][known], data.Y[target].iloc[train][known])
            raw = model.predict_proba(data.X.iloc[test]) if has_classes else model.predict(data.X.iloc[test])
            value = loss(kind, y[there].to_numpy(), raw[there], list(model.classes_) if has_classes else [])
            rows.append({**common, "method": method, "loss": value, "seconds": time.perf_counter() - begun, "arms": ""})
    return rows


def report(frame: pd.DataFrame) -> str:
    """Return a table with one line per data set, and how often auto is better than each comparator."""
    means = frame.pivot_table(index=["data", "target"], columns="method", values="loss", sort=False)
    others = [name for name in means if name != "auto"]
    ratios = {name: means["auto"] / means[name] for name in others}
    ratios["best of all"] = means["auto"] / means[others].min(axis=1)
    seconds = frame[frame["method"] == "auto"].groupby("data")["seconds"].mean()
    heads = " | ".join(map(str, ratios))
    lines = [f"| table | targets | {heads} | seconds |", "|---|---|" + "---|" * (len(ratios) + 1)]
    frames = pd.DataFrame({name: np.log(own) for name, own in ratios.items()}).groupby("data", sort=False)
    ratio = pd.DataFrame(np.exp(frames.mean()))
    for name, own in zip(map(str, ratio.index), ratio.to_numpy(), strict=True):
        lines.append(
            f"| {name} | {len(means.loc[name])} | {' | '.join(f'{value:.3f}' for value in own)} | {float(seconds.loc[name]):.0f} |"
        )
    medians = ratio.median()
    lines.append(f"| median | | {' | '.join(f'{value:.3f}' for value in medians)} | |")
    shares = [f"{(own < 1).mean():.0%}" for own in ratios.values()]
    return "\n".join([*lines, f"| targets on which auto is better | | {' | '.join(shares)} | |"])


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    names = asked.data or (list(SHORT) if asked.short else [*MULAN, *described()])
    splits, seconds = (1, 10.0) if asked.short else (asked.splits, asked.seconds)
    jobs = [delayed(one)(name, split, seconds, by_time=asked.time) for name in names for split in range(splits)]
    frame = pd.DataFrame([row for rows in Parallel(asked.jobs)(jobs) for row in rows])
    if asked.out:
        frame.to_csv(asked.out, index=False)
    sys.stdout.write(report(frame) + "\n")


if __name__ == "__main__":
    main()
