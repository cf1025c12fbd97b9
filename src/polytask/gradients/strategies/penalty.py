"""Gradients of penalties, which no balancer sees."""

from __future__ import annotations

import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.gradients.non_finite import BadValues
from polytask.gradients.primitives.grad_accumulator import GradAccumulator
from polytask.gradients.step_context import StepContext
from polytask.gradients.step_report import Report


def add_penalty(context: StepContext, accumulator: GradAccumulator, penalty: Tensor, *, keep: bool) -> None:
    """Add the gradient of a penalty, averaged over processes."""
    if penalty.requires_grad:
        share = torch.full_like(penalty, 1 / context.communicator.processes)
        accumulator.backward([penalty], [context.scaled(share)], keep=keep)


def take_unlabeled(context: StepContext, penalty: Tensor | None, step: int) -> Report:
    """Take a micro-batch without labels, before the first or after the last micro-batch of a step.

    Args:
        context: State shared by all steps.
        penalty: Penalty of the micro-batch.
        step: Number of steps before this one.
    """
    if penalty is not None and context.communicator.distributed:
        remedy = "Pass the penalty with such a micro-batch"
        raise ConfigError("with several processes, a penalty needs a micro-batch with labels", where="penalty", remedy=remedy)
    if penalty is not None:
        accumulator = GradAccumulator(context.communicator, context.trained)
        add_penalty(context, accumulator, penalty, keep=False)
        if not accumulator.finite():
            raise BadValues({}, penalty=True).error(step)
        accumulator.flush()
    return Report({})
