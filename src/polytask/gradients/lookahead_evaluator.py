"""Repeated evaluation of losses on the same batches: at other values of the parameters, or after the optimizer's step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

from polytask.devices import CPU, device_of, forked_generators, generator_states, set_generator_states
from polytask.gradients.call_checks import losses_of, losses_with_graphs
from polytask.gradients.loss_accumulator import Counts, Losses
from polytask.gradients.primitives.flat_params import FlatParameters
from polytask.gradients.primitives.reachability import reached
from polytask.gradients.primitives.read_together import read_together
from polytask.gradients.primitives.scoped_state import autocast_as, autocast_state, preserved_buffers, shifted_parameters
from polytask.gradients.primitives.vjp import gradients_of
from polytask.gradients.step_context import StepContext
from polytask.gradients.step_report import Report
from polytask.tasks import Loss

Closure = Callable[[Any], Losses]


class ReplayableBatch:
    """Batch whose losses can be evaluated again, with the same random numbers as the first time.

    Args:
        closure: Function that returns the losses of a batch.
        batch: Argument of `closure`.
        model: Model whose buffers, such as running means, are restored after every further evaluation; `None` restores nothing.
        alone: Whether this batch is the whole step, so that a loss without a graph is that of an absent task.

    Attributes:
        losses: Losses of the first evaluation.
    """

    def __init__(self, closure: Closure, batch: Any, model: nn.Module | None, *, alone: bool) -> None:  # noqa: ANN401 - any argument
        self._closure, self._batch, self._model = closure, batch, model
        self._device = CPU if model is None else device_of(model)
        self._generators, self._autocast = generator_states(self._device), autocast_state()
        losses = losses_of(closure, batch)
        self.losses = losses_with_graphs(losses, model) if alone else losses

    def replay(self) -> Losses:
        """Return the losses at the current values of the parameters."""
        with forked_generators(self._device), autocast_as(self._autocast), preserved_buffers(self._model):
            set_generator_states(self._device, self._generators)
            return self._closure(self._batch)


@final
class LookaheadEvaluator:
    """Evaluate losses and gradients at θ + offset; implements `polytask.balancing.LookaheadOracle` with closures.

    Args:
        context: Processes and loss scaler.
        batches: Batches of the step.
        losses: Mean losses of the tasks at offset 0 per batch, with their graphs.
        counts: Labeled units of the tasks in all processes per batch; `None` if the losses are means.
        trained: All trained parameters θ (Q numbers), by name.

    Attributes:
        names: Tasks whose losses are returned, in order.
    """

    def __init__(
        self,
        context: StepContext,
        batches: Sequence[ReplayableBatch],
        losses: Sequence[Mapping[str, Tensor]],
        counts: Sequence[Counts | None],
        trained: Mapping[str, Tensor],
    ) -> None:
        self._context, self._batches, self._losses, self._counts = context, batches, losses, counts
        self.names: tuple[str, ...] = ()
        self._flat_params = FlatParameters(trained)

    def losses(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """Return the mean losses (T,) of a batch at θ + offset, in float64; an offset of `None` is 0."""
        with torch.no_grad(), self._at(offset):
            found = self._mean_losses(batch, offset)
        local = _read_losses(found, self.names)
        return self._context.communicator.all_reduce(local)

    def gradient(self, batch: int, weights: Tensor, offset: Tensor | None = None) -> Tensor:
        """Return the gradient (Q,) of Σ w_t L_t of a batch at θ + offset; an offset of `None` is 0."""
        with self._at(offset):
            found = self._mean_losses(batch, offset)
            terms = [found[name] * weight for name, weight in zip(self.names, weights.tolist(), strict=True) if name in found]
            local = self._flat(torch.stack(terms).sum() if terms else torch.zeros(()), keep=offset is None)
        return self._context.communicator.all_reduce(local)

    def jacobian(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """Return the gradient of every task (T, Q) of a batch at θ + offset; an offset of `None` is 0."""
        with self._at(offset):
            found = self._mean_losses(batch, offset)
            rows = [self._flat(found.get(name, torch.zeros(())), keep=True) for name in self.names]
        return self._context.communicator.all_reduce(torch.stack(rows))

    def _flat(self, loss: Tensor, *, keep: bool) -> Tensor:
        found = gradients_of(self._context.scaled(loss), self._flat_params.parameters, keep=keep)
        return self._flat_params.flatten(found).div_(self._context.scale)

    def _mean_losses(self, batch: int, offset: Tensor | None) -> Mapping[str, Tensor]:
        # At offset 0 the graphs of the ordinary forward pass are used; they are kept for the step's own backward pass.
        return self._losses[batch] if offset is None else mean_losses(self._batches[batch].replay(), self._counts[batch])

    def _at(self, offset: Tensor | None) -> AbstractContextManager[None]:
        return nullcontext() if offset is None else shifted_parameters(self._flat_params, offset)


class PostStepLosses:
    """Losses of a step, which can be evaluated once more after the optimizer's step.

    Args:
        batches: The batch, or the micro-batches, of the step.
        whole: Labeled units per task of the whole step in all processes; `None` if the losses are means.
        report: Report of the step.

    Attributes:
        names: Tasks that took part in the step.
        before: Mean losses (T,) before the optimizer's step, in float64.
    """

    def __init__(self, batches: Sequence[ReplayableBatch], whole: Counts | None, report: Report) -> None:
        self._batches, self._whole = tuple(batches), whole
        self.names = tuple(task for task in report.losses if task not in report.dropped)
        self.before = _read_losses(report.losses, self.names)

    def after(self, context: StepContext) -> Tensor:
        """Return the mean losses (T,) at the current values of the parameters, in float64."""
        total = torch.zeros(len(self.names), dtype=torch.float64)
        with torch.no_grad():
            for batch in self._batches:
                found = mean_losses(batch.replay(), self._whole)
                total += _read_losses(found, self.names)
        return context.communicator.all_reduce(total)


def _read_losses(losses: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    """Return the losses (T,) of tasks in float64 on the CPU, by one copy; 0 for tasks that have none."""
    there = [name for name in names if name in losses]
    read = dict(zip(there, read_together([losses[name] for name in there]), strict=True)) if there else {}
    zero = torch.zeros((), dtype=torch.float64)
    return torch.stack([read.get(name, zero) for name in names])


def mean_losses(losses: Losses, counts: Counts | None) -> dict[str, Tensor]:
    """Return this process's part of the mean loss of every task.

    Args:
        losses: Mean loss, or sum and count, per task.
        counts: Labeled units per task in all processes; `None` with a single process.
    """
    means: dict[str, Tensor] = {}
    for task, loss in losses.items():
        if not isinstance(loss, Loss):
            means[task] = loss
        elif counts is None:
            means[task] = loss.mean
        elif counts.get(task):
            means[task] = loss.sum / counts[task]
    return means


def united_losses(
    batches: Sequence[ReplayableBatch], counts: Sequence[Counts | None], which: Literal["last", "all"]
) -> dict[str, Tensor | Loss]:
    """Return the losses that a step with several batches minimizes, for the tasks that every batch has.

    Args:
        batches: Batches of the step.
        counts: Labeled units per task in all processes per batch, since a task of a batch may be in other processes only; `None` with a
            single process.
        which: Whether the step minimizes the losses of the last batch only, or of all batches.
    """
    has = [
        batch.losses if count is None else {task for task, units in count.items() if units}
        for batch, count in zip(batches, counts, strict=True)
    ]
    here = dict.fromkeys(task for batch in batches for task in batch.losses)
    of = batches[-1:] if which == "last" else batches
    found = {task: [batch.losses[task] for batch in of if task in batch.losses] for task in here if all(task in some for some in has)}
    return {task: _joined(losses) for task, losses in found.items() if losses}


def _joined(losses: Sequence[Tensor | Loss]) -> Tensor | Loss:
    """Return the loss over all labeled units or, for losses without counts, the mean of the losses."""
    first, *others = losses
    for other in others:
        first = first + other if isinstance(first, Loss) and isinstance(other, Loss) else _mean(first) + _mean(other)
    return first if isinstance(first, Loss) else first / len(losses)


def _mean(loss: Tensor | Loss) -> Tensor:
    return loss.mean if isinstance(loss, Loss) else loss


def numbered_leaves(parts: Sequence[Mapping[str, Tensor]], shared: FlatParameters | None) -> dict[str, Tensor]:
    """Return the shared parameters and all other leaves that losses reach, named by their number.

    Args:
        parts: Losses of every batch, with their graphs.
        shared: Shared parameters, which come first; `None` if they are not known.
    """
    leaves = {} if shared is None else {id(leaf): leaf for leaf in shared.parameters}
    for loss in (loss for part in parts for loss in part.values()):
        for leaf in reached(loss):
            leaves.setdefault(id(leaf), leaf)
    return {str(number): leaf for number, leaf in enumerate(leaves.values())}
