"""One row per encoder: a row here buys it the whole battery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor

from polytask.encoders import Encoder
from polytask.registry.parsing import parse_component
from polytask.registry.resolve import resolve

BERT = {
    "model_type": "bert", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 6,
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What one encoder promises.

    Attributes:
        spelled: As users write it.
        input_shape: Shape of one input.
        features: Width of its features.
        facts: What its inputs tell it, such as the number of words; arguments that a preprocessor gives.
        codes: Number of codes if inputs are codes, with 0 for padding; 0 if inputs are numbers.
        refused: Shapes of inputs that it refuses.
        wrong: Options that it refuses, as users write them.
        extra: The package that it needs beside those of polytask.
    """

    spelled: str
    input_shape: tuple[int, ...]
    features: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    codes: int = 0
    refused: tuple[tuple[int, ...], ...] = ()
    wrong: tuple[str, ...] = ()
    extra: str = ""

    @property
    def name(self) -> str:
        """Its registry name."""
        return parse_component("encoder", self.spelled)[0]

    def make(self, seed: int = 0, input_shape: tuple[int, ...] | None = None) -> Encoder:
        """A fresh one, in evaluation mode."""
        torch.manual_seed(seed)
        made: Encoder = resolve("encoder", self.spelled).build(self.input_shape if input_shape is None else input_shape, **self.facts)
        return made.eval()

    def inputs(self, rows: int = 6, seed: int = 1) -> Tensor:
        """Inputs as a network sees them: numbers in float64, or codes of sentences of several lengths."""
        generator = torch.Generator().manual_seed(seed)
        if not self.codes:
            return torch.randn(rows, *self.input_shape, generator=generator, dtype=torch.float64)
        codes = torch.randint(1, self.codes, (rows, *self.input_shape), generator=generator)
        codes[torch.arange(rows) % 2 == 1, -1] = 0
        return codes


IMAGES = ((4, 4), (0, 20, 20), (1, 7, 20))
SEQUENCES = ((), (3,), (0, 3), (5, 0), (3, 8, 8))
VECTORS = ((), (0,), (2, 3))
ROWS = (
    Row("conv(channels=(2, 3))", (2, 13, 11), 3 * 1 * 1, refused=(*IMAGES, (1, 9, 20)), wrong=("channels=(2,)", "channels=(0, 3)")),
    Row("lenet(features=5, channels=(2, 3))", (1, 17, 16), 5, refused=(*IMAGES, (1, 20, 15)), wrong=("features=0", "channels=(2, 0)")),
    Row("resnet(width=2, blocks=(1, 1))", (2, 9, 8), 4, refused=IMAGES, wrong=("width=0", "blocks=()", "variant=large")),
    Row("resnet(variant=full, width=2, blocks=(1, 2))", (1, 33, 20), 4, refused=IMAGES),
    Row("mlp(hidden=(6, 3))", (4,), 3, refused=VECTORS, wrong=("hidden=()", "hidden=(0,)", "hidden=4.5")),
    Row("residual-mlp(width=5, blocks=2)", (4,), 5, refused=VECTORS, wrong=("width=0", "blocks=0", "dropout=1.0")),
    Row("tabular(hidden=(6, 3))", (4,), 3, refused=VECTORS, wrong=("hidden=()", "embedding=0", "number_encoding=fourier")),
    Row("tabular(number_encoding=piecewise, number_width=3, hidden=(6,))", (3,), 6),
    Row("tabular(number_encoding=periodic, number_width=3, hidden=(6,), dropout=0.1)", (3,), 6),
    Row("gru(width=4)", (5, 3), 4, refused=SEQUENCES, wrong=("width=3", "layers=0", "dropout=1.0")),
    Row("gru(width=4, layers=2, dropout=0.1)", (5, 2), 4),
    Row("tcn(width=3)", (9, 2), 3, refused=SEQUENCES, wrong=("width=0", "kernel=1", "levels=0", "dropout=-0.1")),
    Row("tcn(width=6, kernel=2, levels=3)", (6, 2), 6),
    Row("transformer(width=4)", (5, 3), 4, refused=SEQUENCES, wrong=("width=6", "layers=0", "dropout=1.0")),
    Row("text(embedding=5, width=4)", (6,), 4, {"words": 9}, codes=9, refused=((2, 3),), wrong=("width=3", "variant=lstm", "dropout=1.0")),
    Row("text(variant=transformer, embedding=5, width=4, layers=2)", (6,), 4, {"words": 9}, codes=9, wrong=("layers=0",)),
    Row("pretrained", (4, 2), 8, {"config": BERT, "special_tokens": (1, 2)}, codes=10, refused=((4,), (1, 2, 3)), extra="transformers"),
    *(Row(**row) for point in entry_points(group="polytask.battery", name="encoder") for row in point.load()),
)
HERE = [row for row in ROWS if not row.extra or find_spec(row.extra) is not None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a row runs for every row, one that asks for a refused shape or a wrong option too for each of them."""
    asked = set(metafunc.fixturenames)
    for name, values in (
        ("refused", [(row, one) for row in HERE for one in row.refused]),
        ("wrong", [(row, o) for row in HERE for o in row.wrong]),
    ):
        if {"row", name} <= asked:
            metafunc.parametrize(("row", name), values, ids=[f"{row.spelled}-{one}" for row, one in values])
            return
    if "row" in asked:
        metafunc.parametrize("row", HERE, ids=[row.spelled for row in HERE])


@pytest.fixture(scope="session")
def rows() -> tuple[Row, ...]:
    """The table."""
    return ROWS
