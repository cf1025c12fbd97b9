"""Check that a network fits in memory, before any of it is allocated."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import psutil
import torch
from torch import nn

from polytask.errors import ConfigError


def check_memory(build: Callable[[], nn.Module], copies: int, where: str) -> None:
    """Check that copies of a network fit in the memory of this computer.

    The network is built without memory, on PyTorch's device `meta`. A system that grants more memory than it has would kill the process
    without a message instead.

    Args:
        build: Function that builds the network.
        copies: Number of tensors per parameter: at least 3 in training, for the weight, its gradient and a copy.
        where: The network, for the message.

    Raises:
        ConfigError: The network is too large.

    Example:
        >>> check_memory(lambda: nn.Linear(2**30, 2**30), 1, "encoder")
        Traceback (most recent call last):
        polytask.errors.ConfigError: encoder: the network does not fit in the memory of this computer, ... (found 4,611,686,022.7 GB)...
    """
    network = _without_memory(build)
    if network is None:
        return
    needed = copies * sum(tensor.numel() * tensor.element_size() for tensor in (*network.parameters(), *network.buffers()))
    there = psutil.virtual_memory().total
    if needed > there:
        what = f"the network does not fit in the memory of this computer, {there / 1e9:,.1f} GB"
        raise ConfigError(what, where=where, found=f"{needed / 1e9:,.1f} GB", remedy="Choose smaller widths, or fewer layers or experts")


def planned_parameters(build: Callable[[], nn.Module]) -> int | None:
    """Return the number of parameters of a network without allocating them; `None` if that is not possible.

    Example:
        >>> planned_parameters(lambda: nn.Linear(2**30, 1))
        1073741825
    """
    network = _without_memory(build)
    return None if network is None else sum(parameter.numel() for parameter in network.parameters())


def _without_memory(build: Callable[[], nn.Module]) -> nn.Module | None:
    try:
        with torch.random.fork_rng(devices=()), torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a module that loads weights warns that there is no memory for them
            return build()
    except (RuntimeError, NotImplementedError):
        return None  # a module that needs values while it is built
