"""Which parameters a loss can reach, read off its graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from polytask.errors import ConfigError

Shared = nn.Module | Iterable[Tensor]


def reached(loss: Tensor) -> list[Tensor]:
    """The leaves that require a gradient in the graph of `loss`, each once, in the order of a depth-first walk.

    Example:
        >>> weight = torch.ones(2, requires_grad=True)
        >>> reached((weight * 3).sum())[0] is weight
        True
    """
    leaves: dict[int, Tensor] = {}
    seen: set[object] = set()
    waiting = [loss.grad_fn] if loss.grad_fn is not None else []
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)  # only the nodes that accumulate into a leaf have one
        if isinstance(variable, Tensor):
            leaves[id(variable)] = variable
        waiting.extend(parent for parent, _ in reversed(node.next_functions) if parent is not None)
    return list(leaves.values())


def shared_parameters(shared: Shared) -> tuple[Tensor, ...]:
    """The trainable parameters of a module, or of a list of parameters.

    Raises:
        ConfigError: There is something else among them.
    """
    given = list(shared.parameters() if isinstance(shared, nn.Module) else shared)
    foreign = [type(parameter).__name__ for parameter in given if not isinstance(parameter, Tensor)]
    if foreign:
        raise ConfigError("shared parameters are a module or tensors", where="shared", found=foreign[0])
    return tuple(parameter for parameter in given if parameter.requires_grad)


def found_shared(losses: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """The parameters that more than one of these losses can reach."""
    reach = {task: reached(loss) for task, loss in losses.items()}
    times: dict[int, int] = {}
    for leaves in reach.values():
        for leaf in leaves:
            times[id(leaf)] = times.get(id(leaf), 0) + 1
    unique = {id(leaf): leaf for leaves in reach.values() for leaf in leaves}
    return tuple(leaf for key, leaf in unique.items() if times[key] > 1)


def add_to_grad(parameters: Iterable[Tensor], gradients: Iterable[Tensor | None]) -> None:
    """Add to `.grad`, as `Tensor.backward` does; None leaves `.grad` as it is."""
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is None:
                continue
            if parameter.grad is None:
                # In the parameter's own layout: fused optimizers walk memory and take no notice of strides.
                parameter.grad = torch.empty_like(parameter).copy_(gradient)
            else:
                parameter.grad.add_(gradient)
