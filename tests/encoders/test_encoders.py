"""Encoders, and how their numbers start."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from polytask.encoders import MLP, Conv, Encoder, LeNet, ModuleEncoder, ResidualMLP, ResNet
from polytask.encoders.initial_weights import freeze, initialize, load_weights
from polytask.errors import ConfigError, StorageError


def test_the_reference_trunk_is_the_missions() -> None:
    trunk = Conv((1, 28, 28))
    layers = [layer for layer in trunk.modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels, layer.kernel_size, layer.padding) for layer in layers] == [
        (1, 32, (3, 3), (0, 0)),
        (32, 64, (3, 3), (0, 0)),
    ]
    assert trunk.features == 1_600
    assert trunk(torch.zeros(2, 1, 28, 28)).shape == (2, 1_600)
    assert sum(p.numel() for p in trunk.parameters()) == (9 + 1) * 32 + (32 * 9 + 1) * 64


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 31), (2, 10, 10)])
def test_pooling_before_relu_is_the_same_function(shape: tuple[int, int, int]) -> None:
    trunk = Conv(shape)
    images = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    first, second = (layer for layer in trunk.modules() if isinstance(layer, nn.Conv2d))
    usual = functional.max_pool2d(torch.relu(first(images)), 2)
    usual = functional.max_pool2d(torch.relu(second(usual)), 2).flatten(1)
    assert torch.equal(trunk(images), usual)
    assert usual.shape[1] == trunk.features


@pytest.mark.parametrize(
    "encoder",
    [
        Conv((1, 12, 12)),
        MLP((5,), (7, 3)),
        LeNet((2, 17, 20), features=9),
        ResNet((3, 16, 19), width=4, blocks=(1, 2)),
        ResNet((1, 40, 33), variant="full", width=4),
        ResidualMLP((5,), width=6, blocks=3),
        ModuleEncoder(nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU()), (2, 9)),
    ],
    ids=lambda encoder: type(encoder).__name__,
)
def test_stages_one_after_the_other_are_the_encoder(encoder: Encoder) -> None:
    encoder.eval()
    inputs = torch.rand(3, *encoder.input_shape)
    assert torch.equal(nn.Sequential(*encoder.stages)(inputs), encoder(inputs))
    assert encoder(inputs).shape == (3, encoder.features)


BAD = (
    lambda: LeNet((1, 15, 28)),
    lambda: LeNet((1, 28, 28), features=0),
    lambda: ResNet((1, 7, 28)),
    lambda: ResNet((1, 28, 28), variant="large"),  # type: ignore[arg-type]
    lambda: ResNet((1, 28, 28), blocks=()),
    lambda: ResidualMLP((1, 2)),
    lambda: ResidualMLP((3,), blocks=0),
    lambda: ResidualMLP((3,), dropout=1.0),
)


@pytest.mark.parametrize(
    "make", [lambda: Conv((28, 28)), lambda: Conv((1, 9, 28)), lambda: MLP((1, 2)), lambda: MLP((3,), ()), lambda: MLP((3,), (0,)), *BAD]
)
def test_inputs_that_do_not_fit(make: type) -> None:
    with pytest.raises(ConfigError, match="encoder '"):
        make()


def test_glorot_and_he_have_their_variances() -> None:
    layer = nn.Linear(400, 600)
    initialize(layer, "glorot", seed=0)
    bound = math.sqrt(6 / 1_000)
    assert layer.weight.abs().max().item() <= bound
    assert layer.weight.var().item() == pytest.approx(bound**2 / 3, rel=0.02)
    assert not layer.bias.any()
    initialize(layer, "he", seed=0)
    assert layer.weight.var().item() == pytest.approx(2 / 400, rel=0.02)
    convolution = nn.Conv2d(16, 64, 3)
    initialize(convolution, "he", seed=0)
    assert convolution.weight.var().item() == pytest.approx(2 / (16 * 9), rel=0.05)


@pytest.mark.parametrize("how", ["framework", "glorot", "he"])
def test_a_start_is_its_seeds_and_nobody_elses(how: str) -> None:
    first, second, other = (Conv((1, 12, 12)) for _ in range(3))
    before = torch.get_rng_state()
    initialize(first, how, seed=1)
    initialize(second, how, seed=1)
    initialize(other, how, seed=2)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_the_frameworks_start_is_the_frameworks() -> None:
    torch.manual_seed(5)
    plain = Conv((1, 12, 12))
    ours = Conv((1, 12, 12))
    initialize(ours, "framework", seed=5)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), ours.parameters(), strict=True))


def test_scales_of_normalization_layers_are_kept() -> None:
    norm = nn.BatchNorm1d(4)
    initialize(norm, "he", seed=0)
    assert norm.weight.tolist() == [1.0] * 4


def test_weights_from_a_file_with_a_report(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    save_file({"0.weight": torch.ones(3, 2), "0.bias": torch.ones(4), "extra": torch.ones(1)}, tmp_path / "w.safetensors")
    matched = load_weights(net, tmp_path / "w.safetensors")
    assert matched.loaded == ("0.weight",)
    assert matched.missing == ("1.bias", "1.weight")
    assert matched.unexpected == ("extra",)
    assert matched.mismatched == ("0.bias: [4], [3]",)
    assert bool((net[0].weight == 1).all())
    assert (
        str(matched) == "1 tensors loaded; not in the file: 1.bias, 1.weight; not in the network: extra; of another shape: 0.bias: [4], [3]"
    )


def test_weights_that_cannot_be_loaded(tmp_path: Path) -> None:
    save_file({"elsewhere": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match="no tensor in the file matches"):
        load_weights(nn.Linear(1, 1), tmp_path / "other.safetensors")
    (tmp_path / "text").write_text("weights")
    for name in ("text", "nothing"):
        with pytest.raises(StorageError, match=name) as caught:
            load_weights(nn.Linear(1, 1), tmp_path / name)
        assert "\n" not in str(caught.value)


def test_freezing_names_parts() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    assert freeze(net, ("0",)) == ("0.weight", "0.bias")
    assert [p.requires_grad for p in net.parameters()] == [False, False, True, True]
    assert freeze(net, ()) == ()
    with pytest.raises(ConfigError, match="Choose from: 0, 1"):
        freeze(net, ("2",))


def test_an_unknown_start() -> None:
    with pytest.raises(ConfigError, match="Choose from: framework, glorot, he"):
        initialize(nn.Linear(1, 1), "xavier", seed=0)


def test_lenet_is_the_literature_s() -> None:
    """With two heads of 50 units, 27,450 parameters."""
    heads = 2 * ((50 + 1) * 50 + (50 + 1) * 10)
    assert sum(p.numel() for p in LeNet((1, 28, 28)).parameters()) + heads == 27_450


def test_a_block_without_its_body_is_relu() -> None:
    network = ResNet((1, 8, 8), width=2, blocks=(1,))
    network.eval()
    block = network.groups[0][0]  # type: ignore[index]
    for parameter in block.body.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(2, 2, 8, 8)
    assert torch.equal(block(x), torch.relu(x))


@pytest.mark.parametrize(
    ("module", "shape", "text"),
    [
        (nn.Linear(3, 2), (4,), "does not accept inputs of this shape"),
        (nn.LSTM(3, 2), (5, 3), "one tensor with a row per input"),
        (nn.Flatten(0), (3,), "one tensor with a row per input"),
    ],
)
def test_a_module_that_is_no_encoder(module: nn.Module, shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        ModuleEncoder(module, shape)
    assert "\n" not in str(caught.value)


def test_stages_that_are_not_the_module() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    with pytest.raises(ConfigError, match="must give the output of the module"):
        ModuleEncoder(nn.Sequential(first, second), (3,), stages=(second, first))
    assert len(ModuleEncoder(nn.Sequential(first, second), (3,), stages=(first, second)).stages) == 3
