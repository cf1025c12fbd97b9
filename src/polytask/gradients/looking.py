"""Losses and gradients of a closure at other values of the parameters, with everything put back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

from polytask.gradients.autocast import casting, precisions
from polytask.gradients.layout import Layout
from polytask.gradients.one_step import wrong_losses
from polytask.gradients.path import Parts
from polytask.gradients.report import Report
from polytask.gradients.setting import Setting
from polytask.gradients.step import Losses, agreed_counts
from polytask.gradients.walking import gradients_of
from polytask.tasks import Loss

Closure = Callable[[Any], Losses]


class Visit:
    """A batch whose losses can be asked for again, with the same random numbers as the first time.

    Args:
        closure: Gives the losses of a batch.
        batch: Is handed to it.
        model: Whose buffers (running means, say) are put back after every further look.
    """

    def __init__(self, closure: Closure, batch: Any, model: nn.Module | None) -> None:  # noqa: ANN401 - whatever the closure takes
        self._closure, self._batch, self._model = closure, batch, model
        self._state, self._precisions = torch.get_rng_state(), precisions()
        self.losses = closure(batch)

    def again(self) -> Losses:
        """The losses, at the parameters' present values."""
        devices = sorted({p.device.index for p in self._parameters() if p.device.type == "cuda"})
        with torch.random.fork_rng(devices=devices), casting(self._precisions), buffers_kept(self._model):
            torch.set_rng_state(self._state)
            return self._closure(self._batch)

    def _parameters(self) -> Iterator[Tensor]:
        return iter(()) if self._model is None else self._model.parameters()


@final
class Looking:
    """The protocol `polytask.balancing.Look` over closures.

    Parameters are moved by swapping their data, so that graphs of the ordinary forward stay valid.

    Args:
        setting: Where gradients come from.
        visits: The batches.
        parts: Per batch the tasks' mean losses with their graphs, at offset 0.
        counts: Per batch the labelled units of the step in all processes; None where losses are means.
        trained: All trained parameters, by name.

    Attributes:
        names: The tasks whose losses are given, in order.
    """

    def __init__(
        self,
        setting: Setting,
        visits: Sequence[Visit],
        parts: Sequence[Parts],
        counts: Sequence[Mapping[str, int] | None],
        trained: Mapping[str, Tensor],
    ) -> None:
        self._setting, self._visits, self._parts, self._counts = setting, visits, parts, counts
        self.names: tuple[str, ...] = ()
        self._layout = Layout(trained)

    def losses(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """(T,) float64 the tasks' mean losses of that batch at θ + offset."""
        with torch.no_grad(), self._at(offset):
            found = self._mean_losses(batch, offset)
        local = torch.stack([found.get(name, torch.zeros(())).detach().double().cpu() for name in self.names])
        return self._setting.traffic.total(local)

    def gradient(self, batch: int, weights: Tensor, offset: Tensor | None = None) -> Tensor:
        """(Q,) the gradient of Σ w_t L_t of that batch at θ + offset."""
        with self._at(offset):
            found = self._mean_losses(batch, offset)
            terms = [found[name] * weight for name, weight in zip(self.names, weights.tolist(), strict=True) if name in found]
            local = self._flat(torch.stack(terms).sum() if terms else torch.zeros(()), keep=offset is None)
        return self._setting.traffic.total(local)

    def jacobian(self, batch: int, offset: Tensor | None = None) -> Tensor:
        """(T, Q) every task's gradient of that batch at θ + offset."""
        with self._at(offset):
            found = self._mean_losses(batch, offset)
            rows = [self._flat(found.get(name, torch.zeros(())), keep=True) for name in self.names]
        return self._setting.traffic.total(torch.stack(rows))

    def _flat(self, loss: Tensor, *, keep: bool) -> Tensor:
        found = gradients_of(self._setting.scaled(loss), self._layout.parameters, keep=keep)
        return self._layout.flat(found).div_(self._setting.scale)

    def _mean_losses(self, batch: int, offset: Tensor | None) -> Parts:
        if offset is None:
            return self._parts[batch]
        counts, losses = self._counts[batch], self._visits[batch].again()
        return means_of(losses, counts)

    def _at(self, offset: Tensor | None) -> AbstractContextManager[None]:
        return nullcontext() if offset is None else moved(self._layout, offset)


@contextmanager
def moved(layout: Layout, offset: Tensor) -> Iterator[None]:
    """The parameters at θ + offset inside, and as they were afterwards: their data are swapped, so that graphs stay valid.

    Args:
        layout: Which parameters, and where their numbers lie.
        offset: (P,) what is added.
    """
    kept = [parameter.data for parameter in layout.parameters]
    try:
        for parameter, move in zip(layout.parameters, layout.views(offset.to(layout.dtype)), strict=True):
            parameter.data = parameter.data + move
        yield
    finally:
        for parameter, value in zip(layout.parameters, kept, strict=True):
            parameter.data = value


@contextmanager
def buffers_kept(model: nn.Module | None) -> Iterator[None]:
    """Forwards inside change copies of the buffers (running means, say); afterwards the buffers are there again, as they were.

    Nothing is written into a buffer that a graph may hold, inside or outside: backwards work wherever they are called.
    """
    modules = () if model is None else model.modules()
    kept = [(module, name, buffer) for module in modules for name, buffer in module.named_buffers(recurse=False)]
    copies = {id(buffer): buffer.clone() for _, _, buffer in kept}
    try:
        for module, name, buffer in kept:
            setattr(module, name, copies[id(buffer)])
        yield
    finally:
        for module, name, buffer in kept:
            setattr(module, name, buffer)


def means_of(losses: Losses, counts: Mapping[str, int] | None) -> dict[str, Tensor]:
    """Per task this process's part of its mean loss."""
    means: dict[str, Tensor] = {}
    for task, loss in losses.items():
        if not isinstance(loss, Loss):
            means[task] = loss
        elif counts is None:
            means[task] = loss.mean
        elif counts.get(task):
            means[task] = loss.sum / counts[task]
    return means


def united(visits: Sequence[Visit], counts: Sequence[Mapping[str, int] | None], which: Literal["last", "all"]) -> dict[str, Tensor | Loss]:
    """The losses that a step of several batches is for: of its last batch, or of all; of the tasks that every batch has.

    Args:
        visits: The batches.
        counts: Per batch the labelled units in all processes, where there are several: a task of a batch may be here, or elsewhere.
        which: Of which batches.
    """
    has = [
        visit.losses if count is None else {task for task, units in count.items() if units}
        for visit, count in zip(visits, counts, strict=True)
    ]
    here = dict.fromkeys(task for visit in visits for task in visit.losses)
    of = visits[-1:] if which == "last" else visits
    found = {task: [visit.losses[task] for visit in of if task in visit.losses] for task in here if all(task in some for some in has)}
    return {task: _united(losses) for task, losses in found.items() if losses}


def _united(losses: Sequence[Tensor | Loss]) -> Tensor | Loss:
    """Over all labelled units; of means without counts, their mean."""
    first, *others = losses
    for other in others:
        first = first + other if isinstance(first, Loss) and isinstance(other, Loss) else _mean(first) + _mean(other)
    return first if isinstance(first, Loss) else first / len(losses)


def _mean(loss: Tensor | Loss) -> Tensor:
    return loss.mean if isinstance(loss, Loss) else loss


def agreed(setting: Setting, losses: Losses) -> dict[str, int] | None:
    """The labelled units of a batch in all processes; None for a process alone, which needs no counts.

    Raises:
        ConfigError: The losses are wrong, here or in another process.
    """
    if setting.traffic.processes == 1:
        return None
    problem = wrong_losses(losses, None, setting)
    found = agreed_counts(setting.tasks, losses, None, setting.traffic, None if problem is None else str(problem))
    if problem is not None:
        raise problem
    return found.counts


class Revisit:
    """What is kept of a step for a look at its losses after the optimizer has stepped.

    Args:
        visits: The batch, or the micro-batches of the step.
        whole: Labelled units of the whole step in all processes; None where losses are means.
        report: What the step did.

    Attributes:
        names: The tasks that had a part in the step.
        before: (T,) float64 their mean losses before.
    """

    def __init__(self, visits: Sequence[Visit], whole: Mapping[str, int] | None, report: Report) -> None:
        self._visits, self._whole = tuple(visits), whole
        self.names = tuple(task for task in report.losses if task not in report.dropped)
        self.before = torch.stack([report.losses[task].double().cpu() for task in self.names])

    def after(self, setting: Setting) -> Tensor:
        """(T,) float64 the mean losses now."""
        total = torch.zeros(len(self.names), dtype=torch.float64)
        with torch.no_grad():
            for visit in self._visits:
                found = means_of(visit.again(), self._whole)
                total += torch.stack([found[name].double().cpu() if name in found else total.new_zeros(()) for name in self.names])
        return setting.traffic.total(total)
