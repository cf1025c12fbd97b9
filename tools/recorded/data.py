"""Generated data: problems for training, tables for commands, and predictions for verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]

ROWS = 120
TASKS = {"price": "regression", "churn": "binary(classes=[stays, leaves])", "plan": "multiclass(classes=[a, b, c])"}
CHAIN = {"click": "binary", "buy": "binary", "price": "regression"}
WORDS = ["north", "south", "east", "west", "up", "down", "left", "right", "one", "two", "three", "four"]


@dataclass(frozen=True)
class Problem:
    """Data and tasks for training a network.

    Attributes:
        inputs: Inputs per source: an array, a list of texts, or a frame.
        labels: Labels per source and task.
        tasks: Kind of each task, with options, as users write it.
    """

    inputs: Mapping[str, Any]
    labels: Mapping[str, Mapping[str, Array]]
    tasks: Mapping[str, str]


def vectors() -> Problem:
    """Return one source of vectors with three tasks; a tenth of the labels is missing."""
    x = _numbers(0)
    return Problem({"table": x}, {"table": _labels(x, 1)}, TASKS)


def two() -> Problem:
    """Return two sources: one has labels of two tasks, the other of the third task and of one of these."""
    first, second = _numbers(2), _numbers(3)[: ROWS // 2]
    labels = _labels(first, 4), _labels(second, 5)
    own = ({name: labels[0][name] for name in ("price", "churn")}, {name: labels[1][name] for name in ("plan", "price")})
    return Problem({"first": first, "second": second}, dict(zip(("first", "second"), own, strict=True)), TASKS)


def chain() -> Problem:
    """Return two binary tasks, of which the second depends on the first, and a regression task."""
    x = _numbers(6)
    click = (x[:, 0] > -0.3).astype(int)
    return Problem({"table": x}, {"table": {"click": click, "buy": click * (x[:, 1] > 0), "price": x[:, 2] + x[:, 3]}}, CHAIN)


def images() -> Problem:
    """Return gray images of 16 x 16 pixels with three tasks."""
    random, x = np.random.default_rng(7), _numbers(8)
    pictures = np.clip(random.normal(size=(ROWS, 1, 16, 16)) * 40 + 128 + 20 * x[:, :1, None, None], 0, 255).astype(np.uint8)
    return Problem({"pictures": pictures}, {"pictures": _labels(x, 9)}, TASKS)


def columns() -> Problem:
    """Return a table of numbers with gaps and categories, with three tasks."""
    return Problem({"table": _frame(_numbers(10))}, {"table": _labels(_numbers(10), 11)}, TASKS)


def texts() -> Problem:
    """Return sentences with three tasks: a class, a number, and a tag for every word."""
    random = np.random.default_rng(12)
    lengths = random.integers(2, 7, ROWS)
    chosen = [random.choice(WORDS, length) for length in lengths]
    tags = np.full((ROWS, max(lengths)), None, dtype=object)
    for row, words in zip(tags, chosen, strict=True):
        row[: len(words)] = ["B-way" if word in WORDS[:4] else "O" for word in words]
    first = np.array([words[0] in WORDS[:6] for words in chosen])
    labels = {"first": np.where(first, "early", "late").astype(object), "length": lengths.astype(float), "ways": tags}
    tasks = {"first": "binary(classes=[late, early])", "length": "regression", "ways": "tagging(classes=[O, B-way])"}
    return Problem({"texts": [" ".join(words) for words in chosen]}, {"texts": labels}, tasks)


PROBLEMS: Mapping[str, Callable[[], Problem]] = {
    "vectors": vectors, "two": two, "chain": chain, "images": images, "columns": columns, "texts": texts,
}  # fmt: skip


def write_tables(folder: Path) -> None:
    """Write `every.csv`, with a target of every kind that tables support, and `three.csv`, with three targets, into a folder."""
    x = _numbers(20, 320)
    every = pd.concat([_frame(x), _every_kind(x)], axis=1)
    every.to_csv(folder / "every.csv", index=False, lineterminator="\n")
    three = pd.concat([_frame(x), pd.DataFrame(_labels(x, 21))], axis=1)
    three.to_csv(folder / "three.csv", index=False, lineterminator="\n")


def predictions(seeds: int = 6, units: int = 90) -> pd.DataFrame:
    """Return predictions of three slightly different arms for a task of every kind."""
    random, frames = np.random.default_rng(30), []
    truth = {kind: random.normal(size=units) for kind in KINDS}
    for arm, noise in {"single": 0.6, "equal": 0.5, "uncertainty": 0.9}.items():
        for seed in range(seeds):
            for kind, hidden in truth.items():
                seen = hidden + noise * random.normal(size=units)
                chance = 1 / (1 + np.exp(-np.abs(seen)))
                frames.append(
                    pd.DataFrame(
                        {
                            "arm": arm,
                            "seed": seed,
                            "task": kind,
                            "unit": np.arange(units),
                            "group": np.arange(units) // 3,
                            "target": pd.Series(KINDS[kind][0](hidden), dtype=object),
                            "prediction": pd.Series(KINDS[kind][1](seen), dtype=object),
                            "probability": chance if kind in ("binary", "multiclass", "ordinal") else np.nan,
                        }
                    )
                )
    return pd.concat(frames, ignore_index=True)


GRADES = ("low", "middle", "high")


def _sets(values: Array) -> Sequence[str]:
    return ["|".join(name for name, least in (("a", -0.5), ("b", 0.5)) if value > least) or "-" for value in values]


def _cut(values: Array) -> list[str]:
    return [GRADES[code] for code in np.digitize(values, [-0.6, 0.6])]


def _quantiles(values: Array) -> list[str]:
    return [f"0.1:{value - 1:.6f} 0.5:{value:.6f} 0.9:{value + 1.2:.6f}" for value in values]


KINDS: Mapping[str, tuple[Callable[[Array], Any], Callable[[Array], Any]]] = {
    "regression": (list, list),
    "binary": (lambda v: (v > 0).astype(int), lambda v: (v > 0).astype(int)),
    "multiclass": (lambda v: np.digitize(v, [-0.4, 0.4]), lambda v: np.digitize(v, [-0.4, 0.4])),
    "ordinal": (_cut, _cut),
    "count": (lambda v: np.round(np.exp(v)), np.exp),
    "quantile": (list, _quantiles),
    "multilabel": (_sets, _sets),
    "survival": (lambda v: np.exp(v) * np.where(np.arange(len(v)) % 4, 1, -1), np.exp),
}
"""Functions per kind that convert hidden numbers to targets and to predictions."""


def _numbers(seed: int, rows: int = ROWS) -> Array:
    return np.random.default_rng(seed).normal(size=(rows, 5)).astype(np.float32)


def _frame(x: Array) -> pd.DataFrame:
    """Return three columns of numbers, one of them with gaps, and two of categories."""
    frame = pd.DataFrame({f"x{number}": x[:, number].astype(float).round(4) for number in range(3)})
    frame.loc[np.arange(len(x)) % 7 == 3, "x2"] = np.nan
    frame["color"] = np.array(["red", "green", "blue"])[np.digitize(x[:, 3], [-0.5, 0.5])]
    frame["shape"] = np.array(["round", "long"])[(x[:, 4] > 0).astype(int)]
    return frame


def _labels(x: Array, seed: int) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    price = (10 + 3 * x[:, 0].astype(float) + x[:, 1]).round(4)
    churn = np.where(x[:, 1] + x[:, 2] > 0, "leaves", "stays").astype(object)
    plan = np.array(["a", "b", "c"], dtype=object)[np.argmax(x[:, :3], axis=1)]
    price[random.random(len(x)) < 0.1] = np.nan
    churn[random.random(len(x)) < 0.1] = None
    plan[random.random(len(x)) < 0.1] = None
    return {"price": price, "churn": churn, "plan": plan}


def _every_kind(x: Array) -> pd.DataFrame:
    """Return a target of every kind; an eighth of each is missing."""
    random = np.random.default_rng(22)
    seen = x + random.normal(size=x.shape) / 4
    found = pd.DataFrame(
        {
            "churn": np.where(seen[:, 0] > 0, "yes", "no"),
            "plan": np.array(["a", "b", "c"])[np.argmax(seen[:, :3], axis=1)],
            "price": (10 + 3 * seen[:, 0].astype(float)).round(4),
            "grade": np.array(GRADES)[np.digitize(seen[:, 1], [-0.5, 0.5])],
            "claims": random.poisson(np.exp(0.5 * seen[:, 2].astype(float))),
            "demand": (5 + 2 * seen[:, 1].astype(float)).round(4),
            "topics": _sets(seen[:, 3]),
            "stay": np.exp(0.5 * seen[:, 0].astype(float)).round(4),
        }
    ).astype(object)
    for name in found:
        found.loc[random.random(len(found)) < 0.125, name] = None
    found["left"] = random.random(len(found)) < 0.7
    return found
