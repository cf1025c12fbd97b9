"""First training phase of architectures that split layers where gradients conflict."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from polytask.architectures import Network
from polytask.devices import device_of, forked_generators
from polytask.training.loop.training_loop import TrainingLoop


def split_conflicting_layers(
    model: Network, stored: Mapping[str, Any], loop_of: Callable[[Network], TrainingLoop]
) -> Mapping[str, float] | None:
    """Split the layers of a network before training, if its architecture splits layers where gradients conflict.

    Args:
        model: Network whose layers are split, in place; the values of its weights are unchanged.
        stored: Signature of the run that is continued; the choice of layers in it is reused. Empty for a new run.
        loop_of: Function that returns a training loop for a copy of the network.

    Returns:
        Conflict rate per layer; None if the architecture does not split layers.
    """
    if model.wants_gradient_conflicts() is None:
        return None
    device = device_of(model)
    scores = stored["split"] if "split" in stored else layer_conflict_rates(loop_of(copy.deepcopy(model)))
    model.adopt_conflicts(scores)
    model.to(device)  # the layers that were split are new
    return dict(scores)


def layer_conflict_rates(loop: TrainingLoop) -> dict[str, float]:
    """Train a network for the number of epochs that its architecture requests, and return the rate of conflicts per layer.

    Args:
        loop: Training loop of a copy of the network; it is stepped and must not be used afterwards.

    Returns:
        Conflict rate s_k per layer: the fraction of steps and pairs of tasks with cos(g_i, g_j) < S (Shi et al., ICLR 2023, algorithm 1),
        over steps in which both tasks have a gradient in the layer.
    """
    model = loop.state.model
    wanted = model.wants_gradient_conflicts()
    if wanted is None:
        return {}
    counted = {path: [0, 0] for path in wanted.layers}
    with forked_generators(device_of(model)):
        for _ in range(wanted.epochs):
            model.train()
            for batches in loop.epoch_batches():
                losses = [loss.mean for loss in loop.losses(batches).values()]
                for path, cosines in _layer_cosines(losses, wanted.layers).items():
                    counted[path][0] += sum(cosine < wanted.conflict_threshold for cosine in cosines)
                    counted[path][1] += len(cosines)
                loop.step(batches)
            loop.state.epoch += 1
    return {path: conflicts / max(pairs, 1) for path, (conflicts, pairs) in counted.items()}


def _layer_cosines(losses: Sequence[Tensor], layers: Mapping[str, Sequence[nn.Parameter]]) -> dict[str, list[float]]:
    """Return, per layer, the cosine of every pair of tasks that both have a nonzero gradient in it."""
    flat = [parameter for parameters in layers.values() for parameter in parameters if parameter.requires_grad]
    found = [
        dict(zip(map(id, flat), torch.autograd.grad(loss, flat, retain_graph=True, allow_unused=True), strict=True)) for loss in losses
    ]
    cosines: dict[str, list[float]] = {path: [] for path in layers}
    for path, parameters in layers.items():
        rows = [_flat_gradient([own.get(id(parameter)) for parameter in parameters]) for own in found]
        for first, second in combinations([row for row in rows if row is not None], 2):
            cosines[path].append(max(-1.0, float(first @ second / (first.norm() * second.norm()))))
    return cosines


def _flat_gradient(gradients: Sequence[Tensor | None]) -> Tensor | None:
    """Return a task's gradient in a layer as a float64 vector; None if it is missing for a parameter, or zero."""
    parts = [gradient.flatten().double() for gradient in gradients if gradient is not None]
    row = torch.cat(parts) if parts and len(parts) == len(gradients) else None
    return row if row is not None and bool(row.any()) else None
