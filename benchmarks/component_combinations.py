"""Try all combinations of an architecture, an encoder and a balancer.

    python benchmarks/component_combinations.py [--every 1] [--architectures mmoe …] [--encoders mlp …] [--balancers upgrad …]

Three tasks of three kinds with missing labels, on one source and on two. Each combination takes a step, and predicts held-out rows.
Combinations that are rejected with a `ConfigError` are counted per message; any other error ends the program.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice, product
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from markdown_tables import row
from polytask import fit
from polytask.architectures import MultiTaskModel
from polytask.data import Source, TablePreprocessor, WordTokenizer
from polytask.data.preprocessing.columns import CategoricalColumn, NumericColumn
from polytask.data.preprocessing.preprocessor import Preprocessor
from polytask.encoders import MLP, Conv, Encoder, LeNet, ResidualMLP, ResNet, TabularEncoder, TextEncoder
from polytask.errors import ConfigError
from polytask.registry import names
from polytask.tasks import Binary, Multiclass, Regression, Task

Array = NDArray[Any]

ROWS = 24
TASKS: tuple[Task, ...] = (Regression(name="price"), Binary(name="churn"), Multiclass(name="plan", classes=("a", "b", "c")))
STEP: Mapping[str, Any] = MappingProxyType(
    {"epochs": 1, "batch_size": 12, "threads": 1, "precision": "float32", "validation_fraction": 0.25}
)
SPELLED = {"metabalance": "metabalance(target=price)"}
"""Balancers with required arguments."""
ELSEWHERE = ("torchjd",)
"""Balancers that wrap methods of another package, which are not tried."""
COLUMNS = TablePreprocessor((NumericColumn("size", gaps=True), NumericColumn("age"), CategoricalColumn("town", levels=("Oslo", "Rome"))))
WORDS = WordTokenizer(tuple("abcdefg"))


def images(side: int, random: np.random.Generator) -> Array:
    """Return images (ROWS, 1, side, side)."""
    return random.integers(0, 256, (ROWS, 1, side, side), dtype=np.uint8)


def numbers(random: np.random.Generator) -> Array:
    """Return vectors (ROWS, 5)."""
    return random.normal(size=(ROWS, 5)).astype("float32")


def columns(random: np.random.Generator) -> Array:
    """Return columns (ROWS, 3), of which the last holds category codes."""
    return np.hstack([random.normal(size=(ROWS, 2)), random.integers(0, 3, (ROWS, 1))]).astype("float32")


def words(random: np.random.Generator) -> Array:
    """Return word codes (ROWS, 6)."""
    return random.integers(1, 9, (ROWS, 6))


ENCODERS: Mapping[str, tuple[Callable[[], Encoder], Callable[[np.random.Generator], Array], Preprocessor | None]] = MappingProxyType(
    {
        "mlp": (lambda: MLP((5,), hidden=(8, 6)), numbers, None),
        "residual-mlp": (lambda: ResidualMLP((5,), width=8), numbers, None),
        "conv": (lambda: Conv((1, 12, 12)), lambda random: images(12, random), None),
        "lenet": (lambda: LeNet((1, 16, 16)), lambda random: images(16, random), None),
        "resnet": (lambda: ResNet((1, 16, 16), width=4, blocks=(1, 1)), lambda random: images(16, random), None),
        "tabular": (lambda: TabularEncoder((3,), cardinalities=(0, 0, 3), hidden=(8, 6)), columns, COLUMNS),
        "gru": (lambda: TextEncoder((6,), words=9, embedding=4, width=8), words, WORDS),
        "transformer": (lambda: TextEncoder((6,), words=9, variant="transformer", embedding=4, width=8), words, WORDS),
    }
)


def sources(inputs: Array, coding: Preprocessor | None, count: int) -> list[Source]:
    """Return one source with all tasks, or two sources with two tasks and one; each task has a row without a label."""
    labels: dict[str, Array] = {
        "price": np.linspace(0, 1, ROWS),
        "churn": (np.arange(ROWS) % 2).astype(object),
        "plan": np.array(list("abc") * ROWS, dtype=object)[:ROWS],
    }
    labels["price"][3], labels["churn"][5], labels["plan"][7] = np.nan, None, None
    parts = [list(labels)] if count == 1 else [["price", "churn"], ["plan"]]
    return [Source(f"table {part[0]}", inputs, {name: labels[name] for name in part}, preprocessor=coding) for part in parts]


def tried(sharing: str, encoder: str, balancer: str, count: int) -> str | None:
    """Train a combination, and return the message with which it is rejected; `None` if it learns and predicts.

    Raises:
        ValueError: A parameter is not finite after training.
    """
    make, inputs_of, coding = ENCODERS[encoder]
    inputs = inputs_of(np.random.default_rng(0))
    try:
        model = MultiTaskModel(make(), TASKS, architecture=sharing, hidden=(4,), initialization="framework")
        run = fit(model, sources(inputs, coding, count), SPELLED.get(balancer, balancer), **STEP)
    except ConfigError as error:
        return str(error)
    if not all(bool(torch.isfinite(value).all()) for value in run.model.state_dict().values()):
        raise ValueError(f"{sharing}, {encoder}, {balancer}, {count} sources: not finite")
    return None


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    balancers = [name for name in names("balancer") if name not in ELSEWHERE]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="try only every n-th combination")
    parser.add_argument("--architectures", nargs="*", default=list(names("architecture")))
    parser.add_argument("--encoders", nargs="*", default=list(ENCODERS))
    parser.add_argument("--balancers", nargs="*", default=balancers)
    return parser.parse_args()


def main() -> None:
    """Try the combinations, and print what was rejected."""
    given = arguments()
    counts: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    started = time.monotonic()
    everything = product(given.architectures, given.encoders, given.balancers, (1, 2))
    for sharing, encoder, balancer, count in islice(everything, 0, None, given.every):
        line = tried(sharing, encoder, balancer, count)
        counts[f"{sharing} refused" if line else sharing] += 1
        if line:
            refused[line] += 1
    print(row(["architecture", "learn and predict", "rejected"]))
    print(row(["---"] * 3))
    for sharing in given.architectures:
        print(row([sharing, counts[sharing], counts[f"{sharing} refused"]]))
    print(f"\n{sum(counts.values()):,} combinations in {time.monotonic() - started:,.0f} s. Rejected:\n")
    for line, number in refused.most_common():
        print(f"* {number}: {line}")


if __name__ == "__main__":
    main()
