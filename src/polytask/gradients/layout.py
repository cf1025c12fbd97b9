"""Where each parameter's numbers lie in one flat vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from polytask.balancing.needs import Groups
from polytask.errors import ConfigError

Gradients = Sequence[Tensor | None]


class Layout:
    """Parameters, one after the other, each in its own memory order.

    Args:
        named: The parameters by name.

    Attributes:
        parameters: In the order given.
        size: How many numbers they have in all.

    Raises:
        ConfigError: They lie on several devices.
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
        """What holds all of their numbers."""
        dtype = self.parameters[0].dtype if self.parameters else torch.get_default_dtype()
        for parameter in self.parameters:
            dtype = torch.promote_types(dtype, parameter.dtype)
        return dtype

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        starts, end = [], 0
        for size in self.sizes:
            starts.append(end)
            end += size
        return tuple(starts)

    def views(self, vector: Tensor) -> list[Tensor]:
        """A flat vector (size,) in the shapes and memory orders of the parameters."""
        first = vector.storage_offset()
        return [
            vector.as_strided(parameter.shape, _dense_strides(parameter), first + start)
            for parameter, start in zip(self.parameters, self._starts, strict=True)
        ]

    def flat(self, gradients: Gradients) -> Tensor:
        """One flat vector (size,); zeros where there is no gradient."""
        vector = torch.zeros(self.size, dtype=self.dtype, device=self.device)
        for view, gradient in zip(self.views(vector), gradients, strict=True):
            if gradient is not None:
                view.copy_(gradient)
        return vector

    def columns(self, number: int) -> slice:
        """The columns of one parameter."""
        start = self._starts[number]
        return slice(start, start + self.sizes[number])

    def groups(self, kind: Groups) -> tuple[tuple[slice, ...], ...]:
        """Per group of parameters its columns.

        Raises:
            ConfigError: Layers are asked for, and the parameters have no names to tell them by.
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
        """Per parameter the name of its layer: its own name without the last part.

        Raises:
            ConfigError: The parameters have no names.
        """
        if all(name.isdecimal() for name in self.names):
            remedy = "Give them as a module, or by name: shared={'conv.weight': …}"
            raise ConfigError("parameters without names belong to no layer", where="shared", remedy=remedy)
        return tuple(name.rpartition(".")[0] for name in self.names)

    def last(self) -> list[int]:
        """The numbers of the last layer's parameters: without names, from the last matrix on."""
        if not self.parameters:
            return []
        if not all(name.isdecimal() for name in self.names):
            layers = self.layers()
            return [number for number, layer in enumerate(layers) if layer == layers[-1]]
        matrices = [number for number, parameter in enumerate(self.parameters) if parameter.ndim > 1]
        return list(range(matrices[-1] if matrices else 0, len(self.parameters)))


def _dense_strides(parameter: Tensor) -> tuple[int, ...]:
    """The parameter's strides where its numbers fill their memory without gaps; those of a plain tensor elsewhere."""
    order = sorted(range(parameter.ndim), key=parameter.stride, reverse=True)
    expected, size = [0] * parameter.ndim, 1
    for axis in reversed(order):
        expected[axis], size = size, size * parameter.shape[axis]
    given = parameter.stride()
    dense = all(parameter.shape[axis] == 1 or given[axis] == expected[axis] for axis in order)
    return given if dense else torch.empty(parameter.shape, device="meta").stride()
