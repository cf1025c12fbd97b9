"""Snapshot of the tasks' losses and gradients in a step, without side effects on the training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from polytask.devices import forked_generators
from polytask.gradients.primitives.flat_params import FlatParameters
from polytask.gradients.primitives.scoped_state import preserved_buffers, shifted_parameters
from polytask.gradients.primitives.vjp import gradients_of
from polytask.training.loop.training_loop import TrainingLoop
from polytask.training.preparation.batch import Batch


@final
class StepSnapshot:
    """Losses and gradients of the tasks on the rows of a step, at the parameters before the step.

    Every forward uses the same dropout masks and buffers (such as running means) as the step. Everything is computed in float32, whatever
    the precision of training: a step changes losses by less than bfloat16 can resolve. Of a step in micro-batches, only the first
    micro-batch is used.

    Args:
        loop: Training loop that holds the network.
        batches: Per source, the rows of the step.

    Attributes:
        names: Names of the t tasks that have a label in the rows, in the order of all tasks.
        losses: (t,) float64 mean losses L.
        gradients: (t, P) gradients ∂L/∂θ_s of the shared parameters that are trained, one row per task.
    """

    def __init__(self, loop: TrainingLoop, batches: Mapping[str, Batch]) -> None:
        parts = loop.options.micro_batches
        self._loop, self._batches = loop, dict(batches) if parts == 1 else next(loop.micro_batches(dict(batches), parts))
        self._precision = replace(loop.precision, name="float32")
        self._flat_params = FlatParameters(loop.state.model.shared_parameters())
        with self._side_effect_free():
            means = self._means()
            self.names = tuple(task.name for task in loop.data.tasks if task.name in means)
            self.losses = _stack_losses([means[name] for name in self.names])
            self.gradients = self._rows([means[name] for name in self.names])

    def sgd_step(self, task: int) -> Tensor:
        """Return a plain gradient step on one task's loss, −η ∂L/∂θ_s (P,), with the current learning rate η of each parameter."""
        rates = {id(p): float(group["lr"]) for group in self._loop.state.optimizer.param_groups for p in group["params"]}
        offset = self.gradients[task].clone()
        for parameter, part in zip(self._flat_params.parameters, self._flat_params.views(offset), strict=True):
            part.mul_(-rates.get(id(parameter), 0.0))
        return offset

    def losses_at(self, offset: Tensor) -> Tensor:
        """Return the mean losses at θ_s + offset, (t,) float64, with unchanged heads."""
        with torch.no_grad(), shifted_parameters(self._flat_params, offset), self._side_effect_free():
            means = self._means()
            return _stack_losses([means[name] for name in self.names])

    def _means(self) -> dict[str, Tensor]:
        return {task: loss.mean for task, loss in self._loop.losses(self._batches, precision=self._precision).items()}

    def _rows(self, losses: list[Tensor]) -> Tensor:
        rows = torch.zeros(len(losses), self._flat_params.size, dtype=self._flat_params.dtype, device=self._flat_params.device)
        for number, loss in enumerate(losses):
            found = gradients_of(loss, self._flat_params.parameters, keep=number + 1 < len(losses))
            for view, gradient in zip(self._flat_params.views(rows[number]), found, strict=True):
                if gradient is not None:
                    view.copy_(gradient)
        return rows

    @contextmanager
    def _side_effect_free(self) -> Iterator[None]:
        """Restore random generators and buffers on exit, so that forwards inside have no side effects."""
        with forked_generators(self._loop.precision.device), preserved_buffers(self._loop.state.model):
            yield


def _stack_losses(losses: list[Tensor]) -> Tensor:
    return torch.stack([loss.detach() for loss in losses]).cpu().double() if losses else torch.zeros(0, dtype=torch.float64)
