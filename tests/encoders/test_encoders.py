"""Encoders, and how their numbers start."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from polytask.encoders import MLP, Conv
from polytask.encoders.initialisation import freeze, initialise, load_weights
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


@pytest.mark.parametrize(("encoder", "inputs"), [(Conv((1, 12, 12)), torch.rand(3, 1, 12, 12)), (MLP((5,), (7, 3)), torch.rand(3, 5))])
def test_stages_one_after_the_other_are_the_encoder(encoder: Conv | MLP, inputs: torch.Tensor) -> None:
    assert torch.equal(nn.Sequential(*encoder.stages)(inputs), encoder(inputs))
    assert encoder(inputs).shape == (3, encoder.features)


@pytest.mark.parametrize(
    "make", [lambda: Conv((28, 28)), lambda: Conv((1, 9, 28)), lambda: MLP((1, 2)), lambda: MLP((3,), ()), lambda: MLP((3,), (0,))]
)
def test_inputs_that_do_not_fit(make: type) -> None:
    with pytest.raises(ConfigError, match="encoder '"):
        make()


def test_glorot_and_he_have_their_variances() -> None:
    layer = nn.Linear(400, 600)
    initialise(layer, "glorot", seed=0)
    bound = math.sqrt(6 / 1_000)
    assert layer.weight.abs().max().item() <= bound
    assert layer.weight.var().item() == pytest.approx(bound**2 / 3, rel=0.02)
    assert not layer.bias.any()
    initialise(layer, "he", seed=0)
    assert layer.weight.var().item() == pytest.approx(2 / 400, rel=0.02)
    convolution = nn.Conv2d(16, 64, 3)
    initialise(convolution, "he", seed=0)
    assert convolution.weight.var().item() == pytest.approx(2 / (16 * 9), rel=0.05)


@pytest.mark.parametrize("how", ["framework", "glorot", "he"])
def test_a_start_is_its_seeds_and_nobody_elses(how: str) -> None:
    first, second, other = (Conv((1, 12, 12)) for _ in range(3))
    before = torch.get_rng_state()
    initialise(first, how, seed=1)
    initialise(second, how, seed=1)
    initialise(other, how, seed=2)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_the_frameworks_start_is_the_frameworks() -> None:
    torch.manual_seed(5)
    plain = Conv((1, 12, 12))
    ours = Conv((1, 12, 12))
    initialise(ours, "framework", seed=5)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), ours.parameters(), strict=True))


def test_scales_of_normalisation_layers_are_kept() -> None:
    norm = nn.BatchNorm1d(4)
    initialise(norm, "he", seed=0)
    assert norm.weight.tolist() == [1.0] * 4


def test_weights_from_a_file_with_a_report(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    save_file({"0.weight": torch.ones(3, 2), "0.bias": torch.ones(4), "extra": torch.ones(1)}, tmp_path / "w.safetensors")
    matched = load_weights(net, tmp_path / "w.safetensors")
    assert matched.loaded == ("0.weight",)
    assert matched.missing == ("1.bias", "1.weight")
    assert matched.unexpected == ("extra",)
    assert matched.misshapen == ("0.bias: [4], [3]",)
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
        initialise(nn.Linear(1, 1), "xavier", seed=0)
