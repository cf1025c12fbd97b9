"""One row per way of sharing: it buys the whole battery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import numpy as np
import pytest

from polytask.architectures import MultiTaskModel
from polytask.data import Preprocessor, TablePreprocessor, WordTokenizer
from polytask.data.preprocessing.columns import CategoricalColumn, NumericColumn
from polytask.encoders import MLP, Conv, Encoder, LeNet, TabularEncoder, TextEncoder
from polytask.registry.parsing import parse_component
from polytask.tasks import Binary, Multiclass, Regression, Task

TASKS: tuple[Task, ...] = (
    Regression(name="price"),
    Binary(name="churn", classes=("stays", "leaves")),
    Multiclass(name="plan", classes=("a", "b", "c")),
)


@dataclass(frozen=True)
class Row:
    """A way of sharing.

    Attributes:
        spelled: As users write it.
        at_start: What it is before the first step, as users write it; nothing where it is like nothing simpler.
        shares: Whether any parameter is reached by several tasks.
        stages: How many stages with parameters the encoder must have.
    """

    spelled: str
    at_start: str = ""
    shares: bool = True
    stages: int = 1

    @property
    def name(self) -> str:
        """Its registry name."""
        return parse_component("architecture", self.spelled)[0]


ROWS = (
    Row("hard"),
    Row("hard(split=1)"),
    Row("hard(split=0)", shares=False),
    Row("rotated", at_start="hard"),
    Row("separate", shares=False),
    Row("constrained", at_start="separate", shares=False),
    Row("constrained(distance=trace-norm)", at_start="separate", shares=False),
    Row("cross-stitch", stages=2),
    Row("cross-stitch(self_weight=1.0)", at_start="separate", stages=2),
    Row("nddr", stages=2),
    Row("nddr(self_weight=1.0)", at_start="separate", stages=2),
    Row("sluice", stages=2),
    Row("sluice(self_weight=1.0, orthogonality=0)", at_start="separate", stages=2),
    Row("mtan", stages=2),
    Row("branching", stages=2),
    Row("branching(nodes=1)", at_start="hard", stages=2),
    Row("mmoe"),
    Row("mmoe(experts=1)", at_start="hard"),
    Row("cgc"),
    Row("cgc(shared=3, private=0)", at_start="mmoe(experts=3)"),
    Row("ple", at_start="cgc"),
    Row("ple(levels=2)", stages=2),
    Row("ple(shared=3, private=0)", at_start="mmoe(experts=3)"),
    Row("ple(shared=1, private=0)", at_start="hard"),
    Row("dselect-k"),
    Row("dselect-k(experts=3, top_k=1)"),
    Row("sparse-experts"),
    Row("sparse-experts(experts=1, top_k=1)", at_start="hard"),
    Row("adapters", at_start="hard"),
    Row("film", at_start="hard"),
    Row("lora", at_start="hard"),
    Row("lora(rank=0)", at_start="hard"),
    Row("task-layers", at_start="hard"),
    Row("recon", at_start="hard"),
    Row("task-graph", at_start="hard"),
    Row("esmm", at_start="hard"),
    Row("aitm"),
    *(Row(**row) for point in entry_points(group="polytask.battery", name="architecture") for row in point.load()),
)
ENCODERS: dict[str, Callable[[], Encoder]] = {
    "mlp": lambda: MLP((5,), hidden=(8, 6)),
    "conv": lambda: Conv((1, 12, 12)),
    "lenet": lambda: LeNet((1, 16, 16)),
    "tabular": lambda: TabularEncoder((5,), cardinalities=(0, 0, 0, 3, 4), hidden=(8, 6), number_encoding="piecewise", number_width=5),
    "text": lambda: TextEncoder((6,), words=9, embedding=4, width=6, dropout=0.1),
}


SIDES = {"conv": (12, 12), "lenet": (16, 16)}
CODINGS: dict[str, Preprocessor] = {
    "text": WordTokenizer(tuple("abcdefg")),
    "tabular": TablePreprocessor(
        (
            *(NumericColumn(name, gaps=True) for name in "abc"),
            CategoricalColumn("d", levels=("x", "y")),
            CategoricalColumn("e", levels=tuple("uvw")),
        )
    ),
}


def raw(encoder: str, rows: int, random: np.random.Generator) -> Any:
    """Inputs as a source has them."""
    if encoder == "text":
        codes = random.integers(1, 9, (rows, 6))
        codes[np.arange(6) >= random.integers(1, 7, (rows, 1))] = 0
        return codes
    if encoder == "tabular":
        numbers, categories = random.normal(size=(rows, 3)), random.integers(0, 3, (rows, 2))
        numbers[random.random((rows, 3)) < 0.1] = np.nan
        return np.hstack([numbers, categories]).astype("float32")
    if encoder == "mlp":
        return random.normal(size=(rows, 5)).astype("float32")
    return random.integers(0, 256, (rows, 1, *SIDES[encoder]), dtype=np.uint8)


@cache
def stages_of(encoder: str) -> int:
    """How many stages with parameters an encoder has."""
    return sum(any(True for _ in stage.parameters()) for stage in ENCODERS[encoder]().stages)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a row runs for every row; one that asks for an encoder too, for every encoder that fits the row."""
    fixtures = set(metafunc.fixturenames)
    pairs = [(row, encoder) for row in ROWS for encoder in ENCODERS if stages_of(encoder) >= row.stages]
    if {"row", "encoder"} <= fixtures:
        metafunc.parametrize(("row", "encoder"), pairs, ids=[f"{row.spelled}-{encoder}" for row, encoder in pairs])
    elif "row" in fixtures:
        metafunc.parametrize("row", ROWS, ids=[row.spelled for row in ROWS])
    elif "unknown_option_error" in fixtures:
        others = [(row.spelled, encoder) for row in ROWS for encoder in ENCODERS if (row, encoder) not in pairs]
        metafunc.parametrize("unknown_option_error", others, ids=[f"{spelled}-{encoder}" for spelled, encoder in others])


@pytest.fixture(scope="session")
def rows() -> tuple[Row, ...]:
    """The table."""
    return ROWS


class Encoders(dict[str, Callable[[], Encoder]]):
    """The encoders of the battery, which ways of sharing they fit, and how their inputs are coded."""

    def fits(self, sharing: str, encoder: str) -> bool:
        """Whether the encoder has the stages that the way of sharing needs."""
        return stages_of(encoder) >= next(row.stages for row in ROWS if row.name == sharing)

    def coding(self, encoder: str) -> Preprocessor | None:
        """Of its inputs."""
        return CODINGS.get(encoder)


@pytest.fixture(scope="session")
def encoders() -> Encoders:
    """The encoders of the battery."""
    return Encoders(ENCODERS)


@pytest.fixture(scope="session")
def inputs() -> Callable[..., Any]:
    """Inputs of an encoder, as a source has them."""

    def drawn(encoder: str, rows: int = 16, seed: int = 3) -> Any:
        return raw(encoder, rows, np.random.default_rng(seed))

    return drawn


@pytest.fixture(scope="session")
def build() -> Any:
    """A network of a way of sharing on an encoder, both as users write them."""

    def made(spelled: str, encoder: str = "mlp", tasks: tuple[Task, ...] = TASKS, **options: Any) -> MultiTaskModel:
        chosen: Encoder = ENCODERS[encoder]()
        return MultiTaskModel(chosen, tasks, **({"architecture": spelled, "hidden": (4,), "initialization": "framework"} | options))

    return made
