"""Encoders of sequences of numbers: missing steps change nothing, and what each of the three computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import polytask as pt
from polytask.data import Normalization, Source
from polytask.encoders import GRU, TCN, Encoder, Transformer
from polytask.encoders.tcn import levels_to_see
from polytask.errors import ConfigError, DataError
from polytask.options import TrainingOptions
from polytask.tasks import Regression, Tagging
from polytask.training.preparation.default_model import plan_network

CLASSES = {"gru": GRU, "tcn": TCN, "transformer": Transformer}
KINDS = pytest.mark.parametrize("kind", CLASSES)
STEPS, CHANNELS = 6, 3


def encoder(kind: str, steps: int = STEPS, **options: Any) -> Encoder:
    torch.manual_seed(0)
    return CLASSES[kind]((steps, CHANNELS), width=8, **options).double().eval()  # type: ignore[no-any-return,operator]


def sequences(rows: int = 4, steps: int = STEPS) -> Tensor:
    return torch.randn(rows, steps, CHANNELS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@KINDS
def test_missing_steps_change_nothing_wherever_they_are(kind: str) -> None:
    reader, inputs = encoder(kind), sequences()
    places = torch.tensor([1, 2, 4, 5, 8, 9])  # of ten steps, four are missing: before, between and after the others
    longer = torch.full((4, 10, CHANNELS), torch.nan, dtype=torch.float64)
    longer[:, places] = inputs
    short, long = reader(inputs), reader(longer)
    assert torch.allclose(long[:, 0], short[:, 0], rtol=0, atol=1e-12)
    assert torch.allclose(long[:, 1 + places], short[:, 1:], rtol=0, atol=1e-12)
    assert not long[:, [1, 4, 7, 8]].any()


def test_images_without_an_axis_for_channels_are_no_sequences() -> None:
    images = np.zeros((4, 28, 28), np.uint8)
    with pytest.raises(ConfigError, match=r"source 'toy': images have the shape \(N, channels, height, width\) .*images\[:, None\]"):
        plan_network([Source("toy", images, {})])
    assert plan_network([Source("toy", images[:, None], {})]).encoder == "conv"
    assert plan_network([Source("toy", images.astype("float32"), {})]).encoder == "gru"


@KINDS
def test_rows_of_several_lengths_do_not_know_of_each_other(kind: str) -> None:
    reader, inputs = encoder(kind), sequences()
    inputs[0, 2:], inputs[1], inputs[2, 0] = torch.nan, torch.nan, torch.nan
    together = reader(inputs)
    for row in range(4):
        assert torch.allclose(together[row : row + 1], reader(inputs[row : row + 1]), rtol=0, atol=1e-12)


@KINDS
def test_a_sequence_without_steps_is_zeros_with_finite_gradients(kind: str) -> None:
    reader, inputs = encoder(kind).train(), sequences(2)
    inputs[0] = torch.nan
    features = reader(inputs)
    assert not features[0].any()
    features.square().sum().backward()
    assert all(bool(torch.isfinite(own.grad).all()) for own in reader.parameters() if own.grad is not None)


@KINDS
def test_a_missing_number_is_the_mean_of_its_channel(kind: str) -> None:
    reader, gaps = encoder(kind), sequences()
    filled = gaps.clone()
    gaps[:, 2, 1], filled[:, 2, 1] = torch.nan, 0.0
    assert torch.equal(reader(gaps), reader(filled))


def test_the_convolution_does_not_look_ahead_and_sees_all_before() -> None:
    for steps in (5, 6):
        reader = encoder("tcn", steps).train()
        inputs = sequences(20, steps).requires_grad_()
        for step in range(steps):
            seen = torch.autograd.grad(reader(inputs)[:, 1 + step].square().sum(), inputs)[0].abs().sum((0, 2)) > 0
            assert seen.tolist() == [other <= step for other in range(steps)]


def test_one_level_less_does_not_see_the_first_step() -> None:
    steps = 1 + 2 * 2 * (1 + 2)  # seen by two levels with k = 3
    assert [levels_to_see(steps, 3), levels_to_see(steps + 1, 3), levels_to_see(1, 2)] == [2, 3, 1]
    inputs = sequences(40, steps + 1).requires_grad_()
    seen = torch.autograd.grad(encoder("tcn", steps + 1, levels=2)(inputs)[:, 0].square().sum(), inputs)[0].abs().sum((0, 2)) > 0
    assert seen.tolist() == [False] + [True] * steps


def test_a_convolution_is_its_equation() -> None:
    """One level with k = 2 and filters that only copy: F(x)_t = a² x_{t−2}, with one factor a of each convolution."""
    reader = TCN((4, 1), width=1, kernel=2, levels=1).double().eval()
    with torch.no_grad():
        for own in reader.parameters():
            own.copy_(torch.tensor([0.5, 0.0]).view(1, 1, 2) if own.dim() == 3 else torch.zeros(1))
    found = reader(torch.tensor([[[1.0], [2.0], [4.0], [8.0]]], dtype=torch.float64))
    assert found.flatten().tolist() == [8.5, 1.0, 2.0, 4.25, 8.5]


def test_the_summary_of_a_gru_is_its_last_states() -> None:
    reader, inputs = encoder("gru", layers=2), sequences()
    gru = next(module for module in reader.modules() if isinstance(module, nn.GRU))
    outputs, last = gru(inputs)
    assert torch.allclose(reader(inputs)[:, 0], torch.cat([last[-2], last[-1]], dim=1), rtol=0, atol=1e-12)
    assert torch.allclose(reader(inputs)[:, 1:], outputs, rtol=0, atol=1e-12)


def test_the_order_of_steps_matters_to_the_transformer() -> None:
    reader, inputs = encoder("transformer"), sequences()
    turned = inputs.clone()
    turned[:, :2] = inputs[:, [1, 0]]
    assert not torch.allclose(reader(turned)[:, 0], reader(inputs)[:, 0], atol=1e-3)


def test_layers_have_learning_rates_of_their_own() -> None:
    assert [len(encoder(kind, **options).pieces) for kind, options in (("tcn", {"levels": 3}), ("transformer", {"layers": 3}))] == [3, 4]


def test_numbers_are_normalized_per_channel_without_missing_ones() -> None:
    """The mean and the deviation of all steps that are there; a constant keeps its unit."""
    random = np.random.default_rng(0)
    inputs = random.normal([5.0, 1e8, 3.0], [2.0, 1.0, 0.0], size=(50, 7, 3))
    inputs[:20, 4:], inputs[30, 0, 0] = np.nan, np.nan
    rows = np.arange(40)
    found = Normalization.fit(inputs, rows)
    kept = inputs[rows].reshape(-1, 3)
    assert found.mean == pytest.approx(np.nanmean(kept, axis=0), rel=1e-12)
    assert found.deviation[:2] == pytest.approx(np.nanstd(kept, axis=0)[:2], rel=1e-6)
    assert found.deviation[2] == 1.0
    scaled = found(torch.from_numpy(inputs))
    assert torch.equal(scaled.isnan(), torch.from_numpy(inputs).isnan())
    assert float(scaled[:40].nanmean(dim=(0, 1)).abs().max()) < 1e-6


def test_an_infinite_number_is_one_line() -> None:
    inputs = np.zeros((20, 4, 2), "float32")
    inputs[3, 1, 0] = np.inf
    source = Source("waves", inputs, {"size": np.arange(20.0)})
    with pytest.raises(DataError, match=r"source 'waves', row 3: inputs must be finite.*infinity in 1 rows.*Write NaN") as caught:
        pt.fit((Regression(name="size"),), [source])
    assert "\n" not in str(caught.value)


def test_a_label_of_a_missing_step_is_one_line() -> None:
    source = waves(20, 0)
    source.inputs[4, 2] = np.nan
    with pytest.raises(
        DataError, match=r"source 'waves', 'sign', row 4, step 2: a step without numbers has no label.*Write None"
    ) as caught:
        pt.fit((Tagging(name="sign", classes=("down", "up")),), [source])
    assert "\n" not in str(caught.value)


def test_predictions_of_steps_stand_where_the_steps_are() -> None:
    """Missing ones before the others are a dash, as in targets, so that both are compared step by step."""
    task = Tagging(name="sign", classes=("down", "up"))
    labels = np.array([[None, "up", None, "down", None], ["up", None, None, None, None], [None] * 5], dtype=object)
    outputs = torch.full((3, 5, 2), torch.nan)
    for row, step in np.argwhere(labels != None):  # noqa: E711 - element by element
        outputs[row, step] = torch.tensor([0.0, 1.0] if labels[row, step] == "up" else [1.0, 0.0])
    assert task.predict(outputs).values.tolist() == task.metric_targets(labels).tolist() == ["- up - down", "up", ""]


def waves(rows: int, seed: int) -> Source:
    """Sequences of 4 to 8 steps: the label is the last number, and each step is tagged by the sign of the sum of it and the one before."""
    random = np.random.default_rng(seed)
    inputs = random.normal(3.0, 2.0, size=(rows, 8, 2)).astype("float32")
    lengths = random.integers(4, 9, size=rows)
    there = np.arange(8) < lengths[:, None]
    sums = inputs[:, :, 0] + np.concatenate([inputs[:, :1, 0], inputs[:, :-1, 0]], axis=1)
    tags = np.where(there, np.where(sums > 6, "up", "down"), None)  # type: ignore[call-overload]
    last = inputs[np.arange(rows), lengths - 1, 0].astype(float)
    inputs[~there] = np.nan
    return Source("waves", inputs, {"last": last, "sign": tags})


@pytest.mark.slow
@KINDS
def test_a_task_per_sequence_and_one_per_step_learn_together(kind: str) -> None:
    tasks = (Regression(name="last"), Tagging(name="sign", classes=("down", "up"), metric="token-accuracy"))
    options = TrainingOptions(epochs=12, lr=3e-3, batch_size=32)
    result = pt.fit(tasks, [waves(600, 0)], encoder=f"{kind}(width=32)", options=options, seed=0)
    assert result.validation["sign"]["token-accuracy"] > 0.95
    assert result.validation["last"]["rmse"] < 0.15 * 2.0, "the last number has a deviation of 2"


@pytest.mark.slow
def test_a_saved_model_predicts_sequences_of_several_lengths(tmp_path: Path) -> None:
    tasks = (Regression(name="last"), Tagging(name="sign", classes=("down", "up")))
    run = pt.train([waves(60, 0)], tasks=tasks, encoder="tcn(width=4)", epochs=1, out=tmp_path / "run")
    fresh = waves(5, 1)
    found = pt.load(run.folder).predict(fresh.inputs)
    lengths = (~np.isnan(fresh.inputs).all(axis=2)).sum(axis=1)
    assert [len(cast("str", row).split()) for row in found["sign"]] == lengths.tolist()
    assert np.isfinite(found["last"]).all()
    with pytest.raises(ConfigError, match=r"inputs must have the shape .N, 8, 2.*found .5, 7, 2"):
        pt.load(run.folder).predict(fresh.inputs[:, :7])


def test_sequences_of_numbers_get_a_recurrent_network_and_images_a_convolution() -> None:
    shapes = {(8, 2): "gru", (1, 28, 28): "conv", (5,): "mlp"}
    assert {shape: plan_network([Source("x", np.zeros((3, *shape), "float32"), {})]).encoder for shape in shapes} == shapes
