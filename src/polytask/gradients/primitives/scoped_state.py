"""Context managers that change parameters, buffers or autocasting for a while, and restore them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from polytask.gradients.primitives.flat_params import FlatParameters

DEVICES = ("cpu", "cuda")

AutocastState = Mapping[str, torch.dtype | None]
"""Per kind of device the type that autocasting casts to; None where it is off."""

NO_AUTOCAST: AutocastState = dict.fromkeys(DEVICES)


def autocast_state() -> AutocastState:
    """Return what is cast to at present."""
    return {device: torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None for device in DEVICES}


def autocast_as(wanted: AutocastState) -> ExitStack:
    """Return a context that casts as `autocast_state` found it; mixed precision is for forwards, and what follows keeps its own.

    Example:
        >>> with torch.autocast("cpu", dtype=torch.bfloat16), autocast_as(NO_AUTOCAST):
        ...     torch.is_autocast_enabled("cpu")
        False
    """
    stack, present = ExitStack(), autocast_state()
    for device, dtype in wanted.items():
        if dtype != present[device]:
            stack.enter_context(torch.autocast(device, dtype=dtype, enabled=dtype is not None))
    return stack


@contextmanager
def shifted_parameters(flat_params: FlatParameters, offset: Tensor) -> Iterator[None]:
    """Put parameters at θ + offset inside, and back afterwards.

    Args:
        flat_params: Which parameters.
        offset: (P,) what is added.
    """
    # Another tensor takes the place of each parameter's data. Adding in place would change numbers that graphs have saved for their
    # backward, and subtracting again would not give back the same bits.
    kept = [parameter.data for parameter in flat_params.parameters]
    try:
        for parameter, move in zip(flat_params.parameters, flat_params.views(offset.to(flat_params.dtype)), strict=True):
            parameter.data = parameter.data + move
        yield
    finally:
        for parameter, value in zip(flat_params.parameters, kept, strict=True):
            parameter.data = value


@contextmanager
def preserved_buffers(model: nn.Module | None) -> Iterator[None]:
    """Let forwards inside change copies of the buffers (running means, say), and bring the buffers back afterwards.

    Nothing is written into a buffer that a graph may hold, inside or outside: backwards work wherever they are called.

    Args:
        model: Whose buffers; None preserves nothing.
    """
    modules = () if model is None else model.modules()
    kept = [(module, name, buffer) for module in modules for name, buffer in module.named_buffers(recurse=False)]
    copies = {id(buffer): buffer.clone() for _, _, buffer in kept}  # a buffer that two modules have stays one
    try:
        for module, name, buffer in kept:
            setattr(module, name, copies[id(buffer)])
        yield
    finally:
        for module, name, buffer in kept:
            setattr(module, name, buffer)
