"""Processes of a library's loop, which take the steps of `Backward` together."""

from __future__ import annotations

import torch
from torch import distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from polytask.errors import ConfigError
from polytask.gradients import Backward


def join_wrapped(backward: Backward, network: nn.Module, where: str) -> None:
    """Let `Backward` take its steps together with the processes of a network that its library has wrapped.

    `DistributedDataParallel` has given all processes the same weights, and would average gradients that are balanced already; from now on
    it leaves that to `Backward`, which needs the tasks' gradients of all rows before the balancer is called.

    Args:
        backward: Backward pass of the loop.
        network: Network as the library calls it.
        where: Setting of the library that wraps it.

    Raises:
        ConfigError: It is wrapped by something else, which splits or moves its parameters; or `backward` does not know what is shared.
    """
    if not isinstance(network, DistributedDataParallel):
        remedy = "Use DDP, or a loop with Backward(group=...), such as examples/several_processes.py"
        found = type(network).__name__
        raise ConfigError(
            "several processes need a whole network each, in DistributedDataParallel", where=where, found=found, remedy=remedy
        )
    network.require_backward_grad_sync = False  # what its no_sync() sets
    if backward.group is None:
        backward.join(network.process_group)


def check_same_weights(backward: Backward) -> None:
    """Check that all processes have the same weights, which a network that no library has wrapped gets by its seed alone.

    Raises:
        ConfigError: They have not; all processes raise it.
    """
    if backward.group is None or backward.model is None:
        return
    sums = torch.stack([parameter.detach().double().sum() for parameter in backward.model.parameters()])
    extremes = torch.cat([sums, -sums])
    dist.all_reduce(extremes, op=dist.ReduceOp.MAX, group=backward.group)
    highest, lowest = extremes.chunk(2)
    if not torch.equal(highest, -lowest):
        remedy = "Set the same seed before the network is made, or pass it to accelerator.prepare"
        raise ConfigError("all processes must begin with the same weights", where="model", remedy=remedy)
