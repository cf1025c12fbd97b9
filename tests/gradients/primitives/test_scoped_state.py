"""Looks elsewhere put everything back, whatever a forward does to it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from polytask.gradients.primitives.flat_params import FlatParameters
from polytask.gradients.primitives.scoped_state import preserved_buffers, shifted_parameters


class Counts(nn.Module):
    """Two buffers: one is changed in place, another is replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.mean: Tensor
        self.heat: Tensor
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("heat", torch.tensor(10.0))

    def forward(self) -> None:
        """Both change."""
        self.mean.add_(1.0)
        self.heat = self.heat * 0.5


def test_buffers_are_the_same_objects_with_the_same_numbers() -> None:
    model = nn.Sequential(Counts())
    counts = model[0]
    before = dict(model.named_buffers())
    with preserved_buffers(model):
        counts()
        assert float(counts.heat) == 5.0
    assert all(buffer is before[name] for name, buffer in model.named_buffers())
    assert counts.mean.tolist() == [0.0, 0.0]
    assert float(counts.heat) == 10.0


def test_graphs_of_batch_normalization_outlive_the_look() -> None:
    """One that was made before, and one that was made inside: running means are saved in both."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    x = torch.randn(5, 3)
    outside = model(x).square().sum()
    with preserved_buffers(model):
        inside = model(2 * x).square().sum()
    outside.backward()
    inside.backward()


def test_parameters_come_back_after_an_error() -> None:
    layer = nn.Linear(2, 1)
    flat_params = FlatParameters(dict(layer.named_parameters()))
    before, place = layer.weight.clone(), layer.weight.data_ptr()
    with pytest.raises(ZeroDivisionError), shifted_parameters(flat_params, torch.ones(3)):
        assert torch.equal(layer.weight, before + 1)
        raise ZeroDivisionError
    assert torch.equal(layer.weight, before)
    assert layer.weight.data_ptr() == place
