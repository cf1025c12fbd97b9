"""Context managers that temporarily change parameters, buffers or autocasting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from polytask.gradients.primitives.flat_params import FlatParameters

DEVICES = ("cpu", "cuda", "xpu", "mps")

AutocastState = Mapping[str, torch.dtype | None]
"""Dtype of autocasting per device type; `None` where autocasting is off."""

NO_AUTOCAST: AutocastState = dict.fromkeys(DEVICES)


def autocast_state() -> AutocastState:
    """Return the current state of autocasting."""
    return {device: torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None for device in DEVICES}


def autocast_as(wanted: AutocastState) -> ExitStack:
    """Return a context manager that sets autocasting to a state returned by `autocast_state`.

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
    """Set parameters to θ + offset during the block, and restore them afterwards.

    Args:
        flat_params: Parameters θ to change.
        offset: Vector (P,) to add.
    """
    # The data of each parameter are replaced by another tensor. Adding in place would change values that graphs have saved for their
    # backward pass, and subtracting again would not restore the same bits.
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
    """Let forward passes in the block change copies of the model's buffers, such as running means, and restore the buffers afterwards.

    No buffer that a graph may have saved is written to, so that backward passes work both inside and after the block.

    Args:
        model: Model whose buffers are preserved; `None` preserves nothing.
    """
    modules = () if model is None else model.modules()
    kept = [(module, name, buffer) for module in modules for name, buffer in module.named_buffers(recurse=False)]
    copies = {id(buffer): buffer.clone() for _, _, buffer in kept}  # modules that share a buffer share its copy
    try:
        for module, name, buffer in kept:
            setattr(module, name, copies[id(buffer)])
        yield
    finally:
        for module, name, buffer in kept:
            setattr(module, name, buffer)
