"""Starts that touch nobody else's random numbers, weights by name, and inputs without features."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from polytask.encoders import MLP, Conv
from polytask.encoders.initial_weights import freeze, initialize, load_weights
from polytask.errors import ConfigError, StorageError


@pytest.mark.parametrize("make", [lambda: Conv((0, 28, 28)), lambda: MLP((0,)), lambda: MLP((-1,)), lambda: Conv((1, 28, -28))])
def test_inputs_without_features(make: Any) -> None:
    with pytest.raises(ConfigError, match="encoder '"):
        make()


@pytest.mark.parametrize("side", [10, 11, 12, 13, 27, 28, 31])
def test_the_width_is_what_comes_out(side: int) -> None:
    trunk = Conv((2, side, side + 3))
    assert trunk(torch.zeros(1, 2, side, side + 3)).shape == (1, trunk.features)


@pytest.mark.parametrize("how", ["framework", "glorot", "he"])
def test_a_start_seeds_no_other_device(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    seeded: list[int] = []
    for device in (torch.cuda, torch.mps, torch.xpu):
        monkeypatch.setattr(device, "manual_seed_all" if hasattr(device, "manual_seed_all") else "manual_seed", seeded.append)
    initialize(nn.Linear(2, 2), how, seed=3)
    assert not seeded


def test_a_start_is_not_the_callers_and_the_callers_is_not_changed() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    torch.manual_seed(1)
    initialize(first, "framework", seed=9)
    assert torch.equal(torch.rand(3), expected)
    initialize(second, "framework", seed=9)
    assert torch.equal(first.weight, second.weight)


def test_the_frameworks_start_has_its_bounds() -> None:
    layer = nn.Linear(400, 500)
    initialize(layer, "framework", seed=0)
    bound = 1 / math.sqrt(400)
    for parameter in layer.parameters():
        assert parameter.abs().max().item() <= bound
    assert layer.weight.var().item() == pytest.approx(bound**2 / 3, rel=0.02)


def test_glorots_fans_of_a_convolution() -> None:
    layer = nn.Conv2d(32, 64, 3)
    initialize(layer, "glorot", seed=0)
    bound = math.sqrt(6 / (9 * 32 + 9 * 64))
    assert 0.99 * bound < layer.weight.abs().max().item() <= bound
    assert layer.weight.var().item() == pytest.approx(bound**2 / 3, rel=0.02)
    assert layer.weight.mean().item() == pytest.approx(0, abs=0.02 * bound)


def test_parts_named_twice_are_frozen_once() -> None:
    net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    assert freeze(net, ("0", "0.weight", "0")) == ("0.weight", "0.bias")
    assert [parameter.requires_grad for parameter in net.parameters()] == [False, False, True, True]


def test_a_part_is_a_whole_name_and_no_beginning() -> None:
    with pytest.raises(ConfigError, match="no parameter has that name"):
        freeze(nn.Sequential(nn.Linear(1, 1)), ("0.wei",))


def test_weights_of_a_wrong_shape_change_nothing(tmp_path: Path) -> None:
    layer = nn.Linear(2, 3)
    before = layer.weight.detach().clone()
    save_file({"weight": torch.ones(2, 3)}, tmp_path / "w.safetensors")
    with pytest.raises(ConfigError, match=r"weight: \[2, 3\], \[3, 2\]") as caught:
        load_weights(layer, tmp_path / "w.safetensors")
    assert "\n" not in str(caught.value)
    assert torch.equal(layer.weight, before)


def test_buffers_are_loaded_and_a_folder_is_no_file(tmp_path: Path) -> None:
    norm = nn.BatchNorm1d(2)
    save_file({"running_mean": torch.full((2,), 3.0)}, tmp_path / "w.safetensors")
    matched = load_weights(norm, str(tmp_path / "w.safetensors"))
    assert (matched.loaded, norm.running_mean.tolist()) == (("running_mean",), [3.0, 3.0])  # type: ignore[union-attr, operator]
    with pytest.raises(StorageError, match="weights cannot be read"):
        load_weights(norm, tmp_path)


def test_attention_starts_as_the_framework_starts_it() -> None:
    """Its map is uniform with Glorot's bound, and its biases are 0, that of its last layer too."""
    torch.manual_seed(1)
    layer = nn.MultiheadAttention(16, 2)
    initialize(layer, "framework", seed=5)
    bound = math.sqrt(6 / (3 * 16 + 16))
    assert 0.95 * bound < layer.in_proj_weight.abs().max().item() <= bound
    assert not layer.in_proj_bias.any()
    assert not layer.out_proj.bias.any()
    torch.manual_seed(2)
    other = nn.MultiheadAttention(16, 2)
    initialize(other, "framework", seed=5)
    assert torch.equal(layer.in_proj_weight, other.in_proj_weight)
