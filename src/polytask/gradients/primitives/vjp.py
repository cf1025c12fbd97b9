"""Vector-Jacobian products from losses or representations to parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from polytask.errors import ConfigError
from polytask.gradients.primitives.flat_params import Gradients
from polytask.gradients.primitives.reachability import COMPILED, Reachability

Losses = Mapping[str, Tensor]
"""Scalar part of the mean loss of every task that belongs to this micro-batch, with its graph."""
PrivateGradients = dict[str, tuple[Sequence[Tensor], Gradients]]
"""Private parameters of every task, and their gradients."""
TakeGradients = Callable[[str, Gradients], None]
"""Function that receives a task's name and its gradient of the shared parameters."""


def gradients_of(loss: Tensor, parameters: Sequence[Tensor], *, keep: bool) -> tuple[Tensor | None, ...]:
    """Return ∂loss/∂θ for every parameter; `None` for parameters that the loss does not reach.

    Args:
        loss: Scalar loss, with its graph.
        parameters: Parameters θ.
        keep: Whether to keep the graph for further backward passes.

    Raises:
        ConfigError: A compiled module has freed its graph in an earlier backward pass.

    Example:
        >>> weight = torch.ones(2, requires_grad=True)
        >>> gradients_of((3 * weight).sum(), [weight], keep=False)
        (tensor([3., 3.]),)
    """
    if not parameters or not loss.requires_grad:
        return (None,) * len(parameters)
    try:
        return torch.autograd.grad(loss, parameters, retain_graph=keep, allow_unused=True)
    except RuntimeError as error:
        if "donated buffer" not in str(error):
            raise
        remedy = "Set torch._functorch.config.donated_buffer = False before the first forward pass"
        raise ConfigError("a compiled module supports only one backward pass", where="Backward", remedy=remedy) from error


def per_task_gradients(
    losses: Losses,
    shared: Sequence[Tensor],
    take: TakeGradients,
    *,
    wanted: frozenset[str] | None = None,
    scaler: GradScaler | None = None,
    keep: bool,
) -> PrivateGradients:
    """Backpropagate once per task.

    Args:
        losses: Loss per task, with its graph.
        shared: Shared parameters.
        take: Function that receives a task's gradient of the shared parameters before the next backward pass, so that only one such
            gradient is in memory at a time.
        wanted: Tasks whose shared gradients are needed, `None` for all; other tasks are backpropagated through their heads only.
        scaler: Loss scaler; `None` if there is none.
        keep: Whether to keep the graphs for further backward passes.

    Returns:
        Private parameters of every task, and their gradients.
    """
    reachability = Reachability(known=shared)
    leaves = reachability.private_leaves(losses)
    if reachability.branch_inputs and wanted is None:
        found_together = _through_grouped_heads(reachability, losses, shared, take, scaler, keep=keep)
        if found_together is not None:
            return found_together
    private: PrivateGradients = {}
    remaining = len(losses)
    for task, loss in losses.items():
        remaining -= 1
        of_task = shared if wanted is None or task in wanted else ()
        own = leaves[task]
        # One backward pass gives the gradients of the trunk and of the head.
        found = gradients_of(loss if scaler is None else scaler.scale(loss), (*of_task, *own), keep=keep or remaining > 0)
        private[task] = (own, found[len(of_task) :])
        if wanted is None or task in wanted:
            take(task, found[: len(of_task)])
    return private


def _through_grouped_heads(
    reachability: Reachability, losses: Losses, shared: Sequence[Tensor], take: TakeGradients, scaler: GradScaler | None, *, keep: bool
) -> PrivateGradients | None:
    """Backpropagate once through heads that are computed together, and then once per task; `None` if tasks have more in common."""
    from polytask.gradients.primitives.head_vjp import HeadWalk, gradients_beyond_heads  # which is made of functions of this file

    features = tuple({id(feature): feature for feature in reachability.branch_inputs.values()}.values())
    walk = HeadWalk(losses, features, shared, scaler, refuse=False)
    if not walk.exact:
        return None
    below = {id(leaf): leaf for feature in features for leaf in reachability.leaves(feature)}
    return gradients_beyond_heads(walk, features, below, shared, take, keep=keep)


def batched_gradients(
    slopes: Sequence[tuple[Tensor, Sequence[str], Tensor]], shared: Sequence[Tensor], take: TakeGradients, *, keep: bool
) -> None:
    """Backpropagate all tasks at once, from the representations to the shared parameters.

    Args:
        slopes: Representations, each with the tasks whose heads use it and their gradients of it (t, N, ...).
        shared: Shared parameters.
        take: Function that receives a task's gradient of the shared parameters, once per representation.
        keep: Whether to keep the graphs for further backward passes.

    Raises:
        ConfigError: The trunk is compiled.
    """
    remaining = len(slopes)
    for feature, tasks, stack in slopes:
        remaining -= 1
        reachability = Reachability()
        reachability.leaves(feature)
        if COMPILED in reachability.met:
            raise ConfigError("a compiled module does not support a batched backward pass", where="route", remedy="Use route='sequential'")
        if tasks and shared:
            blocks = torch.autograd.grad(
                feature, shared, stack, retain_graph=keep or remaining > 0, allow_unused=True, is_grads_batched=True
            )
            for number, task in enumerate(tasks):
                take(task, tuple(None if block is None else block[number] for block in blocks))
