"""What a network costs: parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from polytask.architectures.model import MultiTaskModel


@dataclass(frozen=True)
class Cost:
    """The cost of one or of several networks.

    Attributes:
        networks: How many.
        parameters: Numbers that are stored.
        multiply_adds: For one prediction of every task: one input per source, all of the source's tasks at once.
    """

    networks: int
    parameters: int
    multiply_adds: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.networks + other.networks, self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)


def count_parameters(module: nn.Module) -> int:
    """How many numbers the module stores as parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def cost_of(model: MultiTaskModel, shapes: Mapping[str, tuple[int, ...]], tasks: Mapping[str, Sequence[str]]) -> Cost:
    """The cost of one network.

    Args:
        model: The network.
        shapes: Per source the shape of one input.
        tasks: Per source the tasks that are predicted from its inputs.

    Example:
        >>> from polytask.encoders import MLP
        >>> from polytask.tasks import Binary
        >>> model = MultiTaskModel(MLP((4,), hidden=(8,)), (Binary(name="churn"),), hidden=())
        >>> cost_of(model, {"table": (4,)}, {"table": ("churn",)})
        Cost(networks=1, parameters=49, multiply_adds=40)
    """
    training = model.training
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        for source, shape in shapes.items():
            example = model.example(source)
            model(example if example.shape[1:] == shape else torch.zeros(1, *shape), tuple(tasks[source]), source)
    model.train(training)
    # The counter takes a multiplication and an addition as two operations.
    return Cost(networks=1, parameters=count_parameters(model), multiply_adds=counter.get_total_flops() // 2)
