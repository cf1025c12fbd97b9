"""The encoder of rows: gaps, unknown categories, and what it learns of the training rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polytask import fit
from polytask.architectures import MultiTaskModel
from polytask.data import Source, TablePreprocessor
from polytask.data.preprocessing.columns import CategoricalColumn, NumericColumn
from polytask.encoders import TabularEncoder
from polytask.errors import ConfigError
from polytask.tasks import Regression

NAN = float("nan")
WAYS = pytest.mark.parametrize("numbers", ["plain", "piecewise", "periodic"])


@WAYS
def test_a_missing_number_is_its_mean_and_an_indicator(numbers: str) -> None:
    torch.manual_seed(0)
    cells = TabularEncoder((2,), number_encoding=numbers, number_width=3).cells  # type: ignore[arg-type]
    gap, zero = cells(torch.tensor([[NAN, 1.0]])), cells(torch.tensor([[0.0, 1.0]]))
    assert torch.equal(gap[:, :-2], zero[:, :-2])
    assert gap[:, -2:].tolist() == [[1.0, 0.0]]
    assert zero[:, -2:].tolist() == [[0.0, 0.0]]


def test_categories_that_are_unknown_or_not_trained_on_are_zeros() -> None:
    cells = TabularEncoder((2,), cardinalities=(3, 4), embedding=2).cells
    cells.adapt(torch.tensor([[1.0, 1.0], [1.0, 3.0]]))
    known, unknown, never = (cells(torch.tensor([row])) for row in ([1.0, 3.0], [0.0, 3.0], [2.0, 2.0]))
    assert known.all()
    assert unknown.tolist()[0][:2] == [0.0, 0.0]
    assert not never.any()


def test_piecewise_is_the_paper_s_formula() -> None:
    numbers = torch.linspace(0.0, 8.0, 9).unsqueeze(1)
    cells = TabularEncoder((1,), number_encoding="piecewise", number_width=4).cells
    cells.adapt(numbers)
    assert cells.numbers.bins.tolist() == [[0.0, 2.0, 4.0, 6.0, 8.0]]
    found = cells(torch.tensor([[-2.0], [3.0], [8.0], [10.0]]))[:, :4]
    assert found.tolist() == [[-1.0, 0.0, 0.0, 0.0], [1.0, 0.5, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 2.0]]


def test_quantiles_that_are_one_stay_finite() -> None:
    cells = TabularEncoder((1,), number_encoding="piecewise", number_width=4).cells
    cells.adapt(torch.tensor([[0.0]] * 20 + [[1.0], [NAN]]))
    assert torch.isfinite(cells(torch.tensor([[0.0], [0.5], [1.0], [50.0]]))).all()


def test_what_is_learned_of_the_inputs_comes_from_the_training_part_and_is_kept(tmp_path: object) -> None:
    del tmp_path
    random = np.random.default_rng(0)
    inputs = np.column_stack([random.normal(5, 3, 200), random.integers(1, 4, 200)]).astype("float32")
    held_out = np.arange(200) >= 150
    inputs[held_out, 0] += 1_000
    inputs[~held_out & (inputs[:, 1] == 3), 1] = 2
    coding = TablePreprocessor((NumericColumn("size", gaps=True), CategoricalColumn("town", levels=("a", "b", "c"))))
    source = Source("table", inputs, {"price": inputs[:, 0].astype(float)}, preprocessor=coding, held_out=held_out)
    encoder = TabularEncoder((2,), **coding.input_spec(), number_encoding="piecewise", hidden=(4,))
    run = fit(MultiTaskModel(encoder, (Regression(name="price"),)), [source], epochs=1, threads=1)
    cells = run.model.architecture.encoder.cells  # type: ignore[union-attr]
    assert run.normalizations["table"].mean[0] == pytest.approx(float(inputs[:150, 0].mean()), rel=1e-5)
    assert run.normalizations["table"].mean[1] == 0.0
    assert float(cells.numbers.bins.max()) < 10
    assert cells.seen.tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"cardinalities": (0,)}, "one cardinality of at least -1 and one missing indicator per column"),
        ({"cardinalities": (0, -2)}, "one cardinality of at least -1 and one missing indicator per column"),
        ({"number_encoding": "fourier"}, "unknown number encoding"),
        ({"hidden": ()}, "sizes must be at least 1"),
        ({"embedding": 0}, "sizes must be at least 1"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_what_cannot_be_is_one_line(options: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        TabularEncoder((2,), **options)  # type: ignore[arg-type]
