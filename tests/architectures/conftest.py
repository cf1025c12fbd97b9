"""One row per way of sharing: it buys the whole battery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from polytask.architectures import MultiTaskModel
from polytask.encoders import MLP, Conv, Encoder
from polytask.registry.spelling import spelled_component
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
    """

    spelled: str
    at_start: str = ""
    shares: bool = True

    @property
    def name(self) -> str:
        """Its registry name."""
        return spelled_component("architecture", self.spelled)[0]


ROWS = (
    Row("hard"),
    Row("hard(split=1)"),
    Row("hard(split=0)", shares=False),
    Row("rotated", at_start="hard"),
    Row("separate", shares=False),
    Row("constrained", at_start="separate", shares=False),
    Row("constrained(distance=trace-norm)", at_start="separate", shares=False),
    Row("cross-stitch"),
    Row("cross-stitch(same=1.0)", at_start="separate"),
    Row("nddr"),
    Row("nddr(same=1.0)", at_start="separate"),
    Row("sluice"),
    Row("sluice(same=1.0, apart=0)", at_start="separate"),
    Row("mtan"),
    Row("branching"),
    Row("branching(nodes=1)", at_start="hard"),
    Row("mmoe"),
    Row("mmoe(experts=1)", at_start="hard"),
    Row("ple"),
    Row("ple(levels=2)"),
    Row("ple(shared=3, private=0)", at_start="mmoe(experts=3)"),
    Row("ple(shared=1, private=0)", at_start="hard"),
    Row("dselect-k"),
    Row("dselect-k(experts=3, chosen=1)"),
    Row("sparse-experts"),
    Row("sparse-experts(experts=1, top=1)", at_start="hard"),
    Row("adapters", at_start="hard"),
    Row("film", at_start="hard"),
    Row("lora", at_start="hard"),
    Row("lora(rank=0)", at_start="hard"),
)
ENCODERS = {"mlp": lambda: MLP((5,), hidden=(8, 6)), "conv": lambda: Conv((1, 12, 12))}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a row runs for every row; one that asks for an encoder, for every encoder."""
    if "row" in metafunc.fixturenames:
        metafunc.parametrize("row", ROWS, ids=[row.spelled for row in ROWS])
    if "encoder" in metafunc.fixturenames:
        metafunc.parametrize("encoder", ENCODERS)


@pytest.fixture(scope="session")
def rows() -> tuple[Row, ...]:
    """The table."""
    return ROWS


@pytest.fixture(scope="session")
def build() -> Any:
    """A network of a way of sharing on an encoder, both as users write them."""

    def made(spelled: str, encoder: str = "mlp", tasks: tuple[Task, ...] = TASKS, **options: Any) -> MultiTaskModel:
        chosen: Encoder = ENCODERS[encoder]()
        return MultiTaskModel(chosen, tasks, **({"architecture": spelled, "hidden": (4,), "initialisation": "framework"} | options))

    return made
