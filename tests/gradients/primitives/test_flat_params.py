"""Flat vectors give back the tensors that they are made of, whatever their shapes and memory orders."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from polytask.errors import ConfigError
from polytask.gradients.primitives.flat_params import FlatParameters


def tensor_of(shape: tuple[int, ...], order: str) -> Tensor:
    """A tensor in row-major order, with its axes reversed in memory, or with gaps between its numbers."""
    if order == "reversed":
        return torch.randn(shape[::-1]).permute(*reversed(range(len(shape))))
    if order == "gaps":
        return torch.randn(*shape, 2)[..., 0]
    return torch.randn(shape)


TENSORS = st.lists(
    st.tuples(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple), st.sampled_from(["rows", "reversed", "gaps"])),
    min_size=1,
    max_size=4,
)


@given(TENSORS)
def test_views_hold_every_number_once(given_tensors: list[tuple[tuple[int, ...], str]]) -> None:
    parameters = [tensor_of(shape, order) for shape, order in given_tensors]
    flat = FlatParameters({str(number): parameter for number, parameter in enumerate(parameters)})
    vector = flat.flatten(parameters)
    assert vector.shape == (flat.size,)
    assert all(torch.equal(view, parameter) for view, parameter in zip(flat.views(vector), parameters, strict=True))
    assert sorted(vector.tolist()) == sorted(number for parameter in parameters for number in parameter.flatten().tolist())


@given(TENSORS)
def test_views_of_a_row_lie_in_that_row(given_tensors: list[tuple[tuple[int, ...], str]]) -> None:
    parameters = [tensor_of(shape, order) for shape, order in given_tensors]
    flat = FlatParameters({str(number): parameter for number, parameter in enumerate(parameters)})
    buffer = torch.zeros(3, flat.size)
    for view, parameter in zip(flat.views(buffer[1]), parameters, strict=True):
        view.copy_(parameter)
    assert torch.equal(buffer[1], flat.flatten(parameters))
    assert not bool(buffer[[0, 2]].any())


def test_a_missing_gradient_is_zero() -> None:
    flat = FlatParameters({"a": torch.ones(2), "b": torch.ones(1)})
    assert flat.flatten([None, torch.ones(1)]).tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(("kind", "sizes"), [("whole", [15]), ("layer", [6, 9]), ("matrix", [4, 2, 6, 3])])
def test_groups_divide_the_vector(kind: str, sizes: list[int]) -> None:
    flat = FlatParameters(dict(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3)).named_parameters()))
    groups = flat.groups(kind)  # type: ignore[arg-type]
    assert [sum(part.stop - part.start for part in group) for group in groups] == sizes
    assert sorted(place for group in groups for part in group for place in range(part.start, part.stop)) == list(range(15))


def test_the_last_layer_with_names_and_without() -> None:
    layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3))
    assert FlatParameters(dict(layers.named_parameters())).last_layer() == [2, 3]
    assert FlatParameters({str(n): p for n, p in enumerate(layers.parameters())}).last_layer() == [2, 3]
    assert FlatParameters({}).last_layer() == []


def test_unnamed_parameters_belong_to_no_layer() -> None:
    with pytest.raises(ConfigError, match="layers and parts are known only for parameters with names"):
        FlatParameters({"0": torch.ones(1)}).groups("layer")


def test_the_type_holds_all_numbers() -> None:
    assert FlatParameters({"a": torch.ones(1, dtype=torch.float16), "b": torch.ones(1, dtype=torch.float32)}).dtype == torch.float32
