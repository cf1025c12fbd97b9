"""Serializable state of TorchJD's objects.

These objects are modules, but keep much of their state in ordinary attributes: numbers, tensors, arrays, types. All of
these are extracted, keyed by the path of the submodule that has them. Other attributes (an optimizer, a solver's problem)
cannot be extracted. If such an attribute appeared after the object was created, a partial state would be inconsistent, and
the extracted state is empty.
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
"""Path of a submodule and name of one of its attributes."""


class UnserializableError(TypeError):
    """Raised for a value that is not a number, text, tensor, array, type, device, or a sequence of these."""


def unserializable_attributes(module: nn.Module) -> dict[AttributePath, object]:
    """Return the attributes that cannot be extracted."""
    return {place: value for place, value in _attributes(module) if not _is_plain(value)}


def extract_state(module: nn.Module, at_first: Mapping[AttributePath, object]) -> dict[str, Any]:
    """Return the state of a module; empty if a part of it cannot be extracted.

    Args:
        module: Module to read.
        at_first: Attributes that could not be extracted when the module was new. They are ignored while they are unchanged.
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
    """Restore a state that was extracted from a module of the same kind."""
    parts = dict(module.named_modules())
    for path, attributes in state.items():
        part = parts["" if path == _ROOT else path]
        for name, encoded in attributes.items():
            value, present = _decoded(encoded), getattr(part, name, None)
            if isinstance(present, nn.Parameter):
                with torch.no_grad():  # in place, since an optimizer may hold the parameter
                    present.copy_(value)
            else:
                setattr(part, name, value)


def floating_dtype(module: nn.Module) -> torch.dtype:
    """Return the dtype of the floating-point tensors in a module, or float64 if it has none."""
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


def _decoded(encoded: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any value that can be encoded
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
