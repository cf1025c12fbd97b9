"""Views of several parameters as one flat vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate, takewhile

import torch
from torch import Tensor

from polytask.balancing.needs import ParameterGrouping
from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest

Gradients = Sequence[Tensor | None]


class FlatParameters:
    """Layout of parameters in one flat vector, one after the other, each in its own memory order.

    Args:
        named: Parameters by name.

    Attributes:
        names: Names of the parameters, in the order given.
        parameters: Parameters, in the order given.
        sizes: Number of elements of each parameter.
        size: Number of elements of all parameters together.
        device: Device of the parameters.

    Raises:
        ConfigError: The parameters are on several devices.

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
            raise ConfigError("shared parameters must be on one device", where="shared", found=found, remedy="Move them to one device")
        self.device = next(iter(devices), torch.device("cpu"))
        self._groups: dict[ParameterGrouping, tuple[tuple[slice, ...], ...]] = {}

    @cached_property
    def dtype(self) -> torch.dtype:
        """Narrowest dtype to which the dtypes of all parameters can be promoted."""
        dtype = self.parameters[0].dtype if self.parameters else torch.get_default_dtype()
        for parameter in self.parameters:
            dtype = torch.promote_types(dtype, parameter.dtype)
        return dtype

    @cached_property
    def _places(self) -> tuple[tuple[torch.Size, tuple[int, ...], int], ...]:
        """Shape, strides and offset in the vector of every parameter."""
        starts = accumulate(self.sizes, initial=0)
        return tuple((parameter.shape, _dense_strides(parameter), start) for parameter, start in zip(self.parameters, starts, strict=False))

    def views(self, vector: Tensor) -> list[Tensor]:
        """Return views of a flat vector (size,) with the shapes and memory orders of the parameters."""
        # A gradient with the strides of its parameter is copied, added and stepped as one block of memory. A channels-last weight, for
        # example, is therefore laid out in the vector as in memory, and not row by row.
        first = vector.storage_offset()
        return [vector.as_strided(shape, strides, first + start) for shape, strides, start in self._places]

    def flatten(self, gradients: Gradients) -> Tensor:
        """Return the gradients as one flat vector (size,), with zeros in place of `None`."""
        vector = torch.zeros(self.size, dtype=self.dtype, device=self.device)
        for view, gradient in zip(self.views(vector), gradients, strict=True):
            if gradient is not None:
                view.copy_(gradient)
        return vector

    def columns(self, number: int) -> slice:
        """Return the part of the vector that holds the parameter of this number."""
        start = self._places[number][2]
        return slice(start, start + self.sizes[number])

    def groups(self, kind: ParameterGrouping) -> tuple[tuple[slice, ...], ...]:
        """Return the parts of the vector that hold each group of parameters.

        Args:
            kind: One group for all parameters (`whole`), or one per layer (`layer`), parameter (`matrix`), child module (`part`) or
                submodule of these names.

        Raises:
            ConfigError: Groups are layers or parts, and the parameters have no names, or a part has no parameter.
        """
        if kind == "whole":
            return ((slice(0, self.size),),)
        if kind not in self._groups:
            places = [self.columns(number) for number in range(len(self.parameters))]
            labels = self.names if kind == "matrix" else self.layers() if kind == "layer" else self._parts(kind)
            found: dict[str, list[slice]] = {}
            for label, place in zip(labels, places, strict=True):
                found.setdefault(label, []).append(place)
            order = [*kind, ""] if isinstance(kind, tuple) else found
            self._groups[kind] = tuple(tuple(found[label]) for label in order if label in found)
        return self._groups[kind]

    def _parts(self, kind: ParameterGrouping) -> tuple[str, ...]:
        modules = self.layers()
        return submodules_of(self.names, kind) if isinstance(kind, tuple) else child_modules(modules)

    def layers(self) -> tuple[str, ...]:
        """Return the name of every parameter's layer: its own name without the last part.

        Raises:
            ConfigError: The parameters have no names.
        """
        if all(name.isdecimal() for name in self.names):
            remedy = "Give them as a module, or by name: shared={'conv.weight': …}"
            raise ConfigError("layers and parts are known only for parameters with names", where="shared", remedy=remedy)
        return tuple(name.rpartition(".")[0] for name in self.names)

    def last_layer(self) -> list[int]:
        """Return the numbers of the last layer's parameters; without names, those from the last matrix on."""
        if not self.parameters:
            return []
        if not all(name.isdecimal() for name in self.names):
            layers = self.layers()
            return [number for number, layer in enumerate(layers) if layer == layers[-1]]
        matrices = [number for number, parameter in enumerate(self.parameters) if parameter.ndim > 1]
        return list(range(matrices[-1] if matrices else 0, len(self.parameters)))


def child_modules(modules: Sequence[str]) -> tuple[str, ...]:
    """Return for every parameter the child module that it belongs to, of the outermost module that has several.

    Args:
        modules: Path of the module of every parameter.

    Example:
        >>> child_modules(["net.encoder.0", "net.encoder.1", "net.decoder"])
        ('net.encoder', 'net.encoder', 'net.decoder')
    """
    paths = [module.split(".") for module in modules]
    common = takewhile(lambda level: len(set(level)) == 1, zip(*paths, strict=False))
    depth = len(list(common)) + 1
    return tuple(".".join(path[:depth]) for path in paths)


def submodules_of(names: Sequence[str], parts: Sequence[str]) -> tuple[str, ...]:
    """Return for every parameter the longest of these names that it begins with, up to a dot; an empty text if there is none.

    Args:
        names: Names of the parameters.
        parts: Names of submodules.

    Raises:
        ConfigError: No parameter belongs to a part.

    Example:
        >>> submodules_of(["encoder.0.weight", "encoder.1.weight", "scale"], ["encoder", "encoder.1"])
        ('encoder', 'encoder.1', '')
    """
    found = tuple(max((part for part in parts if name == part or name.startswith(f"{part}.")), key=len, default="") for name in names)
    for part in parts:
        if part not in found:
            modules = tuple(
                dict.fromkeys(".".join(path[:end]) for path in (name.split(".") for name in names) for end in range(1, len(path)))
            )
            what = "no shared parameter belongs to this part of the network"
            raise ConfigError(what, where="groups", found=repr(part), remedy=nearest(part, modules or tuple(names)))
    return found


def _dense_strides(parameter: Tensor) -> tuple[int, ...]:
    """Return the parameter's strides if its elements fill their memory without gaps, and otherwise those of a contiguous tensor.

    A parameter may be a view of a larger tensor, such as every second column. Its strides would then reach beyond its own part of the
    vector into that of its neighbors.
    """
    # From the fastest axis on, the strides of a dense tensor are the cumulative products of the lengths of the axes before.
    order = sorted(range(parameter.ndim), key=parameter.stride, reverse=True)
    expected, size = [0] * parameter.ndim, 1
    for axis in reversed(order):
        expected[axis], size = size, size * parameter.shape[axis]
    given = parameter.stride()
    # The stride of an axis of length 1 is never used and may have any value.
    dense = all(parameter.shape[axis] == 1 or given[axis] == expected[axis] for axis in order)
    return given if dense else torch.empty(parameter.shape, device="meta").stride()
