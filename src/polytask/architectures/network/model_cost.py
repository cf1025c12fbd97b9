"""Cost of a network: parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from polytask.architectures.network.network import Network
from polytask.data.input_entries import input_shape
from polytask.encoders.evaluation_mode import eval_mode


@dataclass(frozen=True)
class ModelCost:
    """Cost of one or several networks.

    Attributes:
        networks: Number of networks.
        parameters: Number of parameters.
        multiply_adds: Multiply-adds of one prediction of every task: one input per source, with all of the source's tasks at once.
        shared_parameters: Number of parameters that several tasks reach; all others are private to a task.
        saved_multiply_adds: Additional multiply-adds that predicting the tasks one by one would take: the work that is shared.
    """

    networks: int
    parameters: int
    multiply_adds: int
    shared_parameters: int = 0
    saved_multiply_adds: int = 0

    def __add__(self, other: ModelCost) -> ModelCost:
        return ModelCost(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def measure_cost(model: Network, shapes: Mapping[str, Any], tasks: Mapping[str, Sequence[str]]) -> ModelCost:
    """Measure the cost of one network.

    Args:
        model: Network to measure.
        shapes: Shape of one input, by source; shapes of entries by name for inputs that are several arrays.
        tasks: Tasks that are predicted from the inputs of each source, by source.

    Example:
        >>> from polytask.architectures import MultiTaskModel
        >>> from polytask.encoders import MLP
        >>> from polytask.tasks import Binary
        >>> model = MultiTaskModel(MLP((4,), hidden=(8,)), (Binary(name="churn"), Binary(name="stay")), hidden=())
        >>> measure_cost(model, {"table": (4,)}, {"table": ("churn", "stay")})
        ModelCost(networks=1, parameters=58, multiply_adds=48, shared_parameters=40, saved_multiply_adds=32)
    """
    together = sum(_count_multiply_adds(model, source, shapes[source], tuple(tasks[source])) for source in shapes)
    alone = sum(_count_multiply_adds(model, source, shapes[source], (task,)) for source in shapes for task in tasks[source])
    shared = sum(parameter.numel() for parameter in model.shared_parameters(trainable_only=False).values())
    return ModelCost(1, count_parameters(model), together, shared, alone - together)


def _count_multiply_adds(model: Network, source: str, shape: Any, tasks: tuple[str, ...]) -> int:  # noqa: ANN401 - a shape, or shapes by name
    """Count the multiply-adds of the predictions for one input."""
    example = model.example(source)
    with eval_mode(model), torch.no_grad(), _unfused_attention(), FlopCounterMode(display=False) as counter:
        model(example if input_shape(example) == shape else torch.zeros(1, *shape), tasks, source)
    counts = {path: sum(own.values()) for path, own in counter.get_flop_counts().items()}
    name = type(model).__name__
    # The counter counts a multiplication and an addition as two operations.
    return int(counter.get_total_flops() - _count_of_others(model, tasks, model, name, counts, "")) // 2


def _count_of_others(network: Network, tasks: Sequence[str], module: nn.Module, name: str, counts: Mapping[str, int], path: str) -> int:
    """Return the operations of the modules within a module that only other tasks than these need."""
    found = 0
    for own, child in module.named_children():
        inside = f"{path}{own}"
        named = [f"{inside}.{parameter}" for parameter, _ in child.named_parameters()]
        if not named:
            continue
        if f"{name}.{inside}" in counts and not any(network.is_needed(parameter, tasks) for parameter in named):
            found += counts[f"{name}.{inside}"]
        else:
            found += _count_of_others(network, tasks, child, name, counts, f"{inside}.")
    return found


@contextmanager
def _unfused_attention() -> Iterator[None]:
    """Compute attention without fused kernels, which the counter does not know and would count as zero."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
