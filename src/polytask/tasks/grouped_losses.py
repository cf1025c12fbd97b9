"""Losses of many tasks of the same kind, computed together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from polytask.tasks.base import Task
from polytask.tasks.loss import Loss, masked_loss

FEWEST_LOSSES = 12
"""Smallest number of losses that are computed together; with fewer, one after the other is as fast (`benchmarks/many_heads.py`)."""


def masked_losses(
    tasks: Mapping[str, Task],
    outputs: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    labeled: Mapping[str, Tensor | None],
    weights: Mapping[str, Tensor],
) -> dict[str, Loss]:
    """Compute the losses of tasks over the labeled units of a batch: `masked_loss` for each.

    For task t with outputs o, targets y and mask m, the sum is L_t = Σₙ m_tn ℓ_t(o_tn, y_tn), and the count is Σₙ m_tn.

    At least twelve tasks of one class, with equal `Task.loss_options`, shapes and dtypes, and without weights of rows, have the same
    function ℓ. It is then called once, on the N units of all T tasks (T·N, …). Values and gradients are those of single losses up to
    round-off; a task whose loss is not used gets no gradient at all.

    Args:
        tasks: Tasks by name.
        outputs: Outputs of the heads per task: (N, task.outputs), or (N, L, task.outputs) for tokens.
        targets: Targets per task to compute the loss of: (N,), (N, C), or (N, L) for tokens.
        labeled: Masks per task: (N,), or (N, L) for tokens; `None` if all units have a label.
        weights: Factors (N,) for the losses of rows, for the tasks that have any.

    Returns:
        Sum and count of every task with a labeled unit in the batch.

    Example:
        >>> from polytask.tasks import Regression
        >>> tasks = {"a": Regression(name="a"), "b": Regression(name="b")}
        >>> outputs, targets = torch.tensor([[1.0], [3.0]]), torch.zeros(2)
        >>> masks = {"a": None, "b": torch.tensor([False, True])}
        >>> masked_losses(tasks, dict.fromkeys(tasks, outputs), dict.fromkeys(tasks, targets), masks, {})["b"]
        Loss(sum=tensor(9.), count=1)
    """
    groups: dict[Hashable, list[str]] = {}
    for name, own in targets.items():
        groups.setdefault(None if name in weights else _form(tasks[name], outputs[name], own), []).append(name)
    found: dict[str, Loss | None] = {}
    for form, names in groups.items():
        if form is not None and len(names) >= FEWEST_LOSSES:
            found |= _losses_together(tasks[names[0]], names, outputs, targets, labeled)
    for name, own in targets.items():
        if name not in found:
            found[name] = masked_loss(tasks[name], outputs[name], own, labeled[name], weights.get(name))
    return {name: loss for name in targets if (loss := found[name]) is not None}


def _form(task: Task, outputs: Tensor, targets: Tensor) -> Hashable:
    """Return what losses that are computed together have in common, or `None` for a loss that is computed by itself."""
    # A subclass may override the loss without the options that the loss depends on.
    owner = next(cls for cls in type(task).__mro__ if "loss_per_unit" in vars(cls))
    options = task.loss_options() if "loss_options" in vars(owner) else None
    if options is None or task.per_token:
        return None
    # A subclass may also override what the loss calls.
    return type(task), options, outputs.shape, outputs.dtype, outputs.device, outputs.requires_grad, targets.shape, targets.dtype


def _losses_together(
    task: Task, names: Sequence[str], outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], labeled: Mapping[str, Tensor | None]
) -> dict[str, Loss | None]:
    """Return the losses of tasks of the same form; `None` for those without a label."""
    masks, units = [labeled[name] for name in names], len(targets[names[0]])
    counts, joined = [units] * len(names), None
    if any(mask is not None for mask in masks):
        everything = torch.ones(units, dtype=torch.bool, device=next(mask.device for mask in masks if mask is not None))
        joined = torch.stack([everything if mask is None else mask for mask in masks])
        counts = joined.sum(1).tolist()
    here = [number for number, count in enumerate(counts) if count]
    if not here:
        return dict.fromkeys(names)
    joined = joined if joined is None or len(here) == len(names) else joined[here]
    present = [names[number] for number in here]
    own = torch.stack([targets[name] for name in present])
    group = _Units(task, own, None if joined is None else joined.to(own.device, non_blocking=True))
    together: Callable[..., tuple[Tensor, ...]] = _GroupedLosses.apply
    sums = together(group, *(outputs[name] for name in present))
    found = {name: Loss(loss, counts[number]) for name, loss, number in zip(present, sums, here, strict=True)}
    return {name: found.get(name) for name in names}


@dataclass(frozen=True)
class _Units:
    """Units of T tasks with the same loss function.

    Attributes:
        task: One of the tasks.
        targets: Targets (T, N, ...).
        labeled: Mask (T, N); `None` if all units have a label.
    """

    task: Task
    targets: Tensor
    labeled: Tensor | None

    def sums(self, outputs: Tensor) -> Tensor:
        """Return the sum of the losses of each task's labeled units (T,), for outputs (T, N, task.outputs)."""
        targets, mask = self.targets, self.labeled
        if mask is not None:
            # As in `masked_loss`: 0 times an infinite or NaN slope would be NaN.
            outputs = torch.where(mask.unsqueeze(2), outputs, 0.0)
            targets = torch.where(mask.reshape(*mask.shape, *[1] * (targets.dim() - 2)), targets, 0)
        losses = self.task.loss_per_unit(outputs.flatten(0, 1), targets.flatten(0, 1)).view(targets.shape[:2])
        return (losses if mask is None else torch.where(mask, losses, 0.0)).sum(1)


class _GroupedLosses(torch.autograd.Function):
    """Sums of the losses of T tasks from the outputs of each.

    A task's sum depends on its own outputs only, which the node in the graph says with its attribute `branches`: see
    `polytask.gradients.primitives.reachability`. The slopes of all losses are computed with the losses, so that the backward pass of a
    single task does not repeat those of the others.
    """

    @staticmethod
    def forward(ctx: Any, units: _Units, *outputs: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401 - of autograd
        ctx.set_materialize_grads(False)
        ctx.units, ctx.branches = units, [(number,) for number in range(len(outputs))]
        wanted = any(ctx.needs_input_grad)
        exact = _exact(torch.stack(outputs)).requires_grad_(wanted)
        with torch.set_grad_enabled(wanted):
            sums = units.sums(exact)
        if wanted:
            # The outputs are not among the saved tensors, since a backward pass of one task would unpack those of all of them.
            ctx.outputs = outputs
            ctx.save_for_backward(*torch.autograd.grad(sums, exact, torch.ones_like(sums)))
        return tuple(loss.clone() for loss in sums.detach().unbind())  # no views, since these may not be changed in place

    @staticmethod
    def backward(ctx: Any, *factors: Tensor | None) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - of autograd
        (slopes,), outputs = ctx.saved_tensors, ctx.outputs
        given = [(number, factor) for number, factor in enumerate(factors) if factor is not None]
        found: list[Tensor | None] = [None] * len(factors)
        if not given:
            return (None, *found)
        if torch.is_grad_enabled():  # for derivatives of second order
            sums = ctx.units.sums(_exact(torch.stack(outputs)))
            numbers, own = zip(*given, strict=True)
            gradients = torch.autograd.grad([sums[n] for n in numbers], [outputs[n] for n in numbers], own, create_graph=True)
            for number, gradient in zip(numbers, gradients, strict=True):
                found[number] = gradient
        elif len(given) < len(factors):
            for number, factor in given:
                found[number] = (slopes[number] * factor).to(outputs[number].dtype)
        else:
            found = list((slopes * torch.stack([factor for _, factor in given]).view(-1, 1, 1)).to(outputs[0].dtype).unbind())
        return (None, *found)


def _exact(outputs: Tensor) -> Tensor:
    return outputs if outputs.dtype == torch.float64 else outputs.float()
