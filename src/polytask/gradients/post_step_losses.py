"""Losses of the same batches again: at other values of the parameters, or after the optimizer's step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

from polytask.gradients.context import StepContext
from polytask.gradients.primitives.flat_params import FlatParameters
from polytask.gradients.primitives.scoped_state import autocast_as, autocast_state, preserved_buffers, shifted_parameters
from polytask.gradients.primitives.vjp import gradients_of
from polytask.gradients.step_losses import Counts, Losses
from polytask.gradients.step_report import Report
from polytask.tasks import Loss

Closure = Callable[[Any], Losses]


class ReplayableBatch:
    """A batch whose losses can be evaluated again, with the same random numbers as the first time.

    Args:
        closure: Gives the losses of a batch.
        batch: Is handed to it.
        model: Whose buffers (running means, say) are put back after every further evaluation.

    Attributes:
        losses: What the closure gave the first time.
    """

    def __init__(self, closure: Closure, batch: Any, model: nn.Module | None) -> None:  # noqa: ANN401 - whatever the closure takes
        self._closure, self._batch, self._model = closure, batch, model
        self._rng_state, self._autocast = torch.get_rng_state(), autocast_state()
        self.losses = closure(batch)

    def replay(self) -> Losses:
        """Return the losses at the parameters' present values."""
        devices = sorted({p.device.index for p in self._parameters() if p.device.type == "cuda"})
        with torch.random.fork_rng(devices=devices), autocast_as(self._autocast), preserved_buffers(self._model):
            torch.set_rng_state(self._rng_state)
            return self._closure(self._batch)

    def _parameters(self) -> Iterator[Tensor]:
        return iter(()) if self._model is None else self._model.parameters()


@final
class LookaheadEvaluator:
    """Evaluate losses and gradients at θ + offset: the protocol `polytask.balancing.LookaheadOracle`, over closures.

    Args:
        context: Where gradients come from.
        batches: The batches.
        losses: Per batch the tasks' mean losses with their graphs, at offset 0.
        counts: Per batch the labeled units of the step in all processes; None where losses are means.
        trained: θ: all trained parameters, by name.

    Attributes:
        names: The tasks whose losses are given, in order.
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
        """Return the tasks' mean losses of that batch at θ + offset (T,) in float64."""
        with torch.no_grad(), self._at(offset):
            found = self._mean_losses(batch, offset)
        local = torch.stack([found.get(name, torch.zeros(())).detach().double().cpu() for name in self.names])
        return self._context.communicator.all_reduce(local)

    def gradient(self, batch: int, weights: Tensor, offset: Tensor | None = None) -> Tensor:
        """Return the gradient of Σ w_t L_t of that batch at θ + offset (Q,)."""
        with self._at(offset):
            found = self._mean_losses(batch, offset)
            terms = [found[name] * weight for name, weight in zip(self.names, weights.tolist(), strict=True) if name in found]
            local = self._flat(torch.stack(terms).sum() if terms else torch.zeros(()), keep=offset is None)
        return self._context.communicator.all_reduce(local)

    def jacobian(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """Return every task's gradient of that batch at θ + offset (T, Q)."""
        with self._at(offset):
            found = self._mean_losses(batch, offset)
            rows = [self._flat(found.get(name, torch.zeros(())), keep=True) for name in self.names]
        return self._context.communicator.all_reduce(torch.stack(rows))

    def _flat(self, loss: Tensor, *, keep: bool) -> Tensor:
        found = gradients_of(self._context.scaled(loss), self._flat_params.parameters, keep=keep)
        return self._flat_params.flatten(found).div_(self._context.scale)

    def _mean_losses(self, batch: int, offset: Tensor | None) -> Mapping[str, Tensor]:
        # At offset 0 the graphs of the ordinary forward are there; they are kept, since the step is walked through them afterwards.
        return self._losses[batch] if offset is None else mean_losses(self._batches[batch].replay(), self._counts[batch])

    def _at(self, offset: Tensor | None) -> AbstractContextManager[None]:
        return nullcontext() if offset is None else shifted_parameters(self._flat_params, offset)


class PostStepLosses:
    """What is kept of a step to evaluate its losses once more after the optimizer's step.

    Args:
        batches: The batch, or the micro-batches of the step.
        whole: Labelled units of the whole step in all processes; None where losses are means.
        report: What the step did.

    Attributes:
        names: The tasks that had a part in the step.
        before: (T,) float64 their mean losses before.
    """

    def __init__(self, batches: Sequence[ReplayableBatch], whole: Counts | None, report: Report) -> None:
        self._batches, self._whole = tuple(batches), whole
        self.names = tuple(task for task in report.losses if task not in report.dropped)
        self.before = torch.stack([report.losses[task].double().cpu() for task in self.names])

    def after(self, context: StepContext) -> Tensor:
        """Return the mean losses now (T,) in float64."""
        total = torch.zeros(len(self.names), dtype=torch.float64)
        with torch.no_grad():
            for batch in self._batches:
                found = mean_losses(batch.replay(), self._whole)
                total += torch.stack([found[name].double().cpu() if name in found else total.new_zeros(()) for name in self.names])
        return context.communicator.all_reduce(total)


def mean_losses(losses: Losses, counts: Counts | None) -> dict[str, Tensor]:
    """Return per task this process's part of its mean loss.

    Args:
        losses: Per task its mean, or its sum and count.
        counts: Labelled units in all processes; None where there is one process alone.
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
    """Return the losses that a step of several batches is for, of the tasks that every batch has.

    Args:
        batches: The batches.
        counts: Per batch the labeled units in all processes, where there are several: a task of a batch may be here, or elsewhere.
        which: The losses of the last batch alone, or of all.
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
    """Return the loss over all labeled units; of means without counts, their mean."""
    first, *others = losses
    for other in others:
        first = first + other if isinstance(first, Loss) and isinstance(other, Loss) else _mean(first) + _mean(other)
    return first if isinstance(first, Loss) else first / len(losses)


def _mean(loss: Tensor | Loss) -> Tensor:
    return loss.mean if isinstance(loss, Loss) else loss
