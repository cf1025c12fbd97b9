"""Vector-Jacobian products: from losses, or from representations, through their graphs to parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from polytask.errors import ConfigError
from polytask.gradients.primitives.flat_params import Gradients
from polytask.gradients.primitives.reachability import COMPILED, Reachability

Losses = Mapping[str, Tensor]
"""Per task this micro-batch's part () of its mean loss, with its graph."""
PrivateGradients = dict[str, tuple[Sequence[Tensor], Gradients]]
"""Per task its private parameters, and their gradients."""
TakeGradients = Callable[[str, Gradients], None]
"""Takes a task's gradient of the shared parameters."""


def gradients_of(loss: Tensor, parameters: Sequence[Tensor], *, keep: bool) -> tuple[Tensor | None, ...]:
    """Return ∂loss/∂θ per parameter; None where it is not reached.

    Args:
        loss: () with its graph.
        parameters: θ.
        keep: Whether the graph is needed after this.

    Raises:
        ConfigError: A compiled encoder cannot be walked more than once.

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
        remedy = "Set torch._functorch.config.donated_buffer = False before the first forward"
        raise ConfigError("a compiled module gives its graph away in its first backward", where="Backward", remedy=remedy) from error


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
        losses: The tasks' losses.
        shared: The shared parameters.
        take: Takes a task's gradient of them before the next task is walked, so that no two of them are in memory.
        wanted: The only tasks whose shared gradients are wanted; of the others' graphs the heads alone are walked.
        scaler: The loss scaler, if there is one.
        keep: Whether the graphs are needed after this.

    Returns:
        Per task its private parameters, and their gradients.
    """
    leaves = Reachability(known=shared).private_leaves(losses)
    private: PrivateGradients = {}
    remaining = len(losses)
    for task, loss in losses.items():
        remaining -= 1
        of_task = shared if wanted is None or task in wanted else ()
        own = leaves[task]
        # One walk gives both: the heads' gradients cost nothing beside the trunk's.
        found = gradients_of(loss if scaler is None else scaler.scale(loss), (*of_task, *own), keep=keep or remaining > 0)
        private[task] = (own, found[len(of_task) :])
        if wanted is None or task in wanted:
            take(task, found[: len(of_task)])
    return private


def batched_gradients(
    slopes: Sequence[tuple[Tensor, Sequence[str], Tensor]], shared: Sequence[Tensor], take: TakeGradients, *, keep: bool
) -> None:
    """Backpropagate all tasks at once, from the representations on.

    Args:
        slopes: Per representation the tasks that look at it, and their gradients of it (t, N, ...).
        shared: The shared parameters.
        take: Takes a task's gradient of them, once per representation.
        keep: Whether the graphs are needed after this.

    Raises:
        ConfigError: The trunk is compiled.
    """
    remaining = len(slopes)
    for feature, tasks, stack in slopes:
        remaining -= 1
        reachability = Reachability()
        reachability.leaves(feature)
        if COMPILED in reachability.met:
            raise ConfigError("a compiled module cannot be walked for all tasks at once", where="route", remedy="Use route='sequential'")
        if tasks and shared:
            blocks = torch.autograd.grad(
                feature, shared, stack, retain_graph=keep or remaining > 0, allow_unused=True, is_grads_batched=True
            )
            for number, task in enumerate(tasks):
                take(task, tuple(None if block is None else block[number] for block in blocks))
