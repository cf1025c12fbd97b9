"""Parameters as one flat vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor

from polytask.balancing.needs import ParameterGrouping
from polytask.errors import ConfigError

Gradients = Sequence[Tensor | None]


class FlatParameters:
    """Parameters laid one after the other in a flat vector, each in its own memory order.

    Args:
        named: The parameters by name.

    Attributes:
        names: Their names, in the order given.
        parameters: The parameters, in the order given.
        size: Numbers in all of them together.

    Raises:
        ConfigError: They lie on several devices.

    Example:
        >>> layer = torch.nn.Linear(2, 1)
        >>> flat = FlatParameters(dict(layer.named_parameters()))
        >>> [tuple(view.shape) for view in flat.views(torch.arange(3.0))]
        [(1, 2), (1,)]
    """

    def __init__(self, named: Mapping[str, Tensor]) -> None:
        self.names = tuple(named)
        self.parameters = tuple(named.values())
        self.sizes = tuple(parameter.numel() for parameter in self.parameters)
        self.size = sum(self.sizes)
        devices = {parameter.device for parameter in self.parameters}
        if len(devices) > 1:
            found = " and ".join(sorted(str(device) for device in devices))
            raise ConfigError("shared parameters lie on several devices", where="shared", found=found, remedy="Move them to one device")
        self.device = next(iter(devices), torch.device("cpu"))

    @cached_property
    def dtype(self) -> torch.dtype:
        """The narrowest type that holds the numbers of all parameters."""
        dtype = self.parameters[0].dtype if self.parameters else torch.get_default_dtype()
        for parameter in self.parameters:
            dtype = torch.promote_types(dtype, parameter.dtype)
        return dtype

    @cached_property
    def _places(self) -> tuple[tuple[torch.Size, tuple[int, ...], int], ...]:
        """Per parameter its shape, its strides, and where it starts in the vector."""
        starts = accumulate(self.sizes, initial=0)
        return tuple((parameter.shape, _dense_strides(parameter), start) for parameter, start in zip(self.parameters, starts, strict=False))

    def views(self, vector: Tensor) -> list[Tensor]:
        """Return a flat vector (size,) in the shapes and memory orders of the parameters, without a copy."""
        # A gradient with the strides of its parameter is copied, added and stepped as one run of memory. A channels-last weight, say, is
        # therefore laid out in the vector as it lies in memory, and not row by row.
        first = vector.storage_offset()
        return [vector.as_strided(shape, strides, first + start) for shape, strides, start in self._places]

    def flatten(self, gradients: Gradients) -> Tensor:
        """Return one flat vector (size,) of the gradients, with zeros where there is none."""
        vector = torch.zeros(self.size, dtype=self.dtype, device=self.device)
        for view, gradient in zip(self.views(vector), gradients, strict=True):
            if gradient is not None:
                view.copy_(gradient)
        return vector

    def columns(self, number: int) -> slice:
        """Return the places of one parameter in the vector."""
        start = self._places[number][2]
        return slice(start, start + self.sizes[number])

    def groups(self, kind: ParameterGrouping) -> tuple[tuple[slice, ...], ...]:
        """Return the places of every group of parameters.

        Raises:
            ConfigError: Groups are layers, and the parameters have no names to tell layers by.
        """
        if kind == "whole":
            return ((slice(0, self.size),),)
        places = [self.columns(number) for number in range(len(self.parameters))]
        if kind == "matrix":
            return tuple((place,) for place in places)
        layers: dict[str, list[slice]] = {}
        for layer, place in zip(self.layers(), places, strict=True):
            layers.setdefault(layer, []).append(place)
        return tuple(tuple(layer) for layer in layers.values())

    def layers(self) -> tuple[str, ...]:
        """Return per parameter the name of its layer: its own name without the last part.

        Raises:
            ConfigError: The parameters have no names.
        """
        if all(name.isdecimal() for name in self.names):
            remedy = "Give them as a module, or by name: shared={'conv.weight': …}"
            raise ConfigError("parameters without names belong to no layer", where="shared", remedy=remedy)
        return tuple(name.rpartition(".")[0] for name in self.names)

    def last_layer(self) -> list[int]:
        """Return the numbers of the last layer's parameters: without names, from the last matrix on."""
        if not self.parameters:
            return []
        if not all(name.isdecimal() for name in self.names):
            layers = self.layers()
            return [number for number, layer in enumerate(layers) if layer == layers[-1]]
        matrices = [number for number, parameter in enumerate(self.parameters) if parameter.ndim > 1]
        return list(range(matrices[-1] if matrices else 0, len(self.parameters)))


def _dense_strides(parameter: Tensor) -> tuple[int, ...]:
    """Return the parameter's strides if its numbers fill their memory without gaps, else those of a contiguous tensor.

    A parameter may be a view into something larger (every second column, say). Its strides would then reach beyond its own part of the
    vector and into that of its neighbours.
    """
    # In memory order, from the fastest axis on, a dense tensor's strides are the running products of the lengths before.
    order = sorted(range(parameter.ndim), key=parameter.stride, reverse=True)
    expected, size = [0] * parameter.ndim, 1
    for axis in reversed(order):
        expected[axis], size = size, size * parameter.shape[axis]
    given = parameter.stride()
    # The stride of an axis of length 1 is never used, so that it may be anything.
    dense = all(parameter.shape[axis] == 1 or given[axis] == expected[axis] for axis in order)
    return given if dense else torch.empty(parameter.shape, device="meta").stride()
