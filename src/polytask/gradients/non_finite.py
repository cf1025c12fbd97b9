"""What to do about losses and gradients that are NaN or infinite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from polytask.balancing import Answer, BatchWeights, Direction, RepresentationGradients
from polytask.errors import NonFiniteError

PENALTY = "penalty"
"""Name of the penalty among the places of values that are not finite; no task can have it, since tasks are quoted in messages."""


@dataclass(frozen=True)
class BadValues:
    """Values of one step that are not finite.

    Attributes:
        losses: Value of the loss of every task whose loss is not finite.
        gradients: Tasks with a finite loss and a gradient that is not finite.
        candidates: Tasks of which at least one has a gradient that is not finite, where it is not known which.
        penalty: Whether the penalty or its gradient is not finite.
        balancer: Name of the balancer if its answer is not finite although the gradients are; empty otherwise.
    """

    losses: Mapping[str, float]
    gradients: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    penalty: bool = False
    balancer: str = ""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that are known to be bad."""
        return (*self.losses, *self.gradients)

    def error(self, step: int) -> NonFiniteError:
        """Return the error that names the task, the penalty or the balancer, and the step.

        Args:
            step: Number of steps before this one.
        """
        what, where, found = self._description()
        remedy = "Lower the learning rate, clip the gradient, or look for extreme inputs"
        if self.balancer:
            remedy = "Choose another balancer, or set non_finite='skip'"
        elif self.candidates:
            remedy = "Pass retain_graph=True to learn which task it is, or look for functions such as sqrt at 0"
        return NonFiniteError(f"{what} is no longer a finite number", where=f"{where}, step {step + 1}", found=found, remedy=remedy)

    def _description(self) -> tuple[str, str, object]:
        if self.losses:
            task, value = next(iter(self.losses.items()))
            return "the loss", f"task {task!r}", value
        if self.gradients:
            return "the gradient", f"task {self.gradients[0]!r}", "NaN or infinite numbers, although the loss is finite"
        if self.penalty:
            return "the penalty or its gradient", PENALTY, None
        if self.balancer:
            return "the answer of the balancer", self.balancer, None
        return "the gradient", " or ".join(f"task {task!r}" for task in self.candidates), None


class BadStepError(ArithmeticError):
    """Values that are not finite, found while the balancer weighs the tasks or after `.grad` was prepared; never seen outside of a step.

    Args:
        bad: The values; nothing is named where finite gradients have a combination that is not finite.
    """

    def __init__(self, bad: BadValues) -> None:
        super().__init__(bad)
        self.bad = bad


def unread_values(answer: Answer) -> tuple[Tensor, ...]:
    """Return the tensors of an answer other than weights that have to be read to learn whether they are finite.

    Example:
        >>> unread_values(Direction(torch.ones(3)))
        (tensor([1., 1., 1.]),)
        >>> unread_values(Direction(torch.ones(3), largest=1.0))
        ()
    """
    if isinstance(answer, RepresentationGradients):
        return answer.values
    if isinstance(answer, BatchWeights):
        return (answer.values,)
    bounded = isinstance(answer, Direction) and answer.largest is not None and answer.largest < torch.finfo(answer.values.dtype).max / 2
    return (answer.values,) if isinstance(answer, Direction) and not bounded else ()
