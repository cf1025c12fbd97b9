"""What an object of TorchJD remembers, as a state that survives the disk.

Its objects are modules, but keep much of their memory in ordinary attributes: numbers, tensors, arrays, types. All of
these are taken, under the path of the part of the module that has them. What is neither (an optimizer, a solver's
problem) cannot be taken; if such a thing came about since the object was made, a part of its memory alone would be
inconsistent, and none of it is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_BOOKKEEPING = frozenset(vars(nn.Module()))
_ROOT = "."
AttributePath = tuple[str, str]
"""The path of a part of the module, and the attribute's name."""


class UnserializableError(TypeError):
    """A value that is neither number, text, tensor, array, type, device, nor a sequence of these."""


def unserializable_attributes(module: nn.Module) -> dict[AttributePath, object]:
    """The attributes that cannot be taken."""
    return {place: value for place, value in _attributes(module) if not _is_plain(value)}


def extract_state(module: nn.Module, at_first: Mapping[AttributePath, object]) -> dict[str, Any]:
    """The memory of a module; empty if a part of it cannot be taken.

    Args:
        module: The object.
        at_first: What could not be taken from it when it was new, and still is there.
    """
    others = unserializable_attributes(module)
    if any(place not in at_first or at_first[place] is not value for place, value in others.items()):
        return {}
    state: dict[str, dict[str, Any]] = {}
    for (path, name), value in _attributes(module):
        if (path, name) not in others:
            state.setdefault(path or _ROOT, {})[name] = _encoded(value)
    return state


def restore_state(module: nn.Module, state: Mapping[str, Mapping[str, Any]]) -> None:
    """Give a module the memory that was taken from one like it."""
    parts = dict(module.named_modules())
    for path, attributes in state.items():
        part = parts["" if path == _ROOT else path]
        for name, encoded in attributes.items():
            value, present = _decoded(encoded), getattr(part, name, None)
            if isinstance(present, nn.Parameter):
                with torch.no_grad():  # in place: an optimizer may hold it
                    present.copy_(value)
            else:
                setattr(part, name, value)


def floating_dtype(module: nn.Module) -> torch.dtype:
    """The type of the floating-point tensors in a module, or float64 if it has none."""
    tensors = (value for _, value in _attributes(module) if isinstance(value, Tensor) and value.is_floating_point())
    return next((tensor.dtype for tensor in tensors), torch.float64)


def _attributes(module: nn.Module) -> Iterator[tuple[AttributePath, Any]]:
    for path, part in module.named_modules():
        own = {name: value for name, value in vars(part).items() if name not in _BOOKKEEPING}
        for name, value in (own | vars(part)["_buffers"] | vars(part)["_parameters"]).items():
            yield (path, name), value


def _is_plain(value: object) -> bool:
    try:
        _encoded(value)
    except UnserializableError:
        return False
    return True


def _encoded(value: object) -> dict[str, Any]:
    match value:
        case None | bool() | int() | float() | str():
            return {"plain": value}
        case Tensor():
            return {"tensor": value.detach().clone()}
        case np.ndarray() if value.dtype.kind in "fiub":
            return {"array": torch.from_numpy(value.copy())}
        case torch.dtype():
            return {"dtype": str(value).removeprefix("torch.")}
        case torch.device():
            return {"device": str(value)}
        case tuple() | list():
            return {type(value).__name__: {str(number): _encoded(item) for number, item in enumerate(value)}}
        case _:
            raise UnserializableError(type(value).__name__)


def _decoded(encoded: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever was encoded
    ((kind, value),) = encoded.items()
    match kind:
        case "tensor":
            return value.clone()
        case "array":
            return value.numpy().copy()
        case "dtype":
            return getattr(torch, value)
        case "device":
            return torch.device(value)
        case "tuple" | "list":
            items = [_decoded(value[str(number)]) for number in range(len(value))]
            return tuple(items) if kind == "tuple" else items
        case _:
            return value
