"""What all strategies have in common that turn losses into gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, NoReturn

import torch
from torch import Tensor

from polytask.balancing import Answer, Direction, LookaheadOracle, Representation, Weights
from polytask.errors import ConfigError
from polytask.gradients.context import StepContext
from polytask.gradients.primitives.grad_accumulator import GradAccumulator
from polytask.gradients.primitives.vjp import Losses

NO_LOSSES = torch.zeros(0, dtype=torch.float64)
"""Stand for the losses of a step until they are known."""


@dataclass(eq=False)
class GradientStrategy(ABC):
    """Base class for strategies that turn losses into gradients.

    A strategy lives for one step. It takes the losses in (`take`), is the `polytask.balancing.Statistic` that the balancer sees, and fills
    `.grad` from the balancer's answer (`fill`). Each serves some of the things that a balancer may need, and refuses the others: the
    balancer has not asked for them.

    Attributes:
        context: Where gradients come from and go to.
        accumulator: Takes those that need no combining.
        names: The tasks present, in the order of every tensor of the statistic.
        step: Number of steps before this one.
        losses: (T,) float64 the tasks' mean losses.
        found_gramians: (K, T, T) per group of parameters the Gramian, if anybody has asked for it.
    """

    context: StepContext
    accumulator: GradAccumulator
    names: tuple[str, ...] = field(init=False, default=())
    step: int = field(init=False, default=0)
    losses: Tensor = field(init=False, default=NO_LOSSES)
    found_gramians: Tensor | None = field(init=False, default=None)

    weighs_micro_batches: ClassVar[bool] = False
    """Whether every micro-batch is weighed on its own, because the weights do not depend on the others."""

    @abstractmethod
    def take(self, losses: Losses, *, keep: bool) -> None:
        """Take in a micro-batch.

        Args:
            losses: Its parts of the tasks' mean losses, with their graphs.
            keep: Whether the graphs are needed after this.
        """

    @abstractmethod
    def fill(self, answer: Answer, *, heads: bool) -> None:
        """Fill `.grad` for the tasks present.

        Args:
            answer: The balancer's.
            heads: Whether private parameters get the tasks' weights too.
        """

    def finish(self, names: tuple[str, ...]) -> list[bool]:
        """Complete the step, with these tasks in all processes; return per task whether its gradient is finite, as far as it is known."""
        self.restrict(names)
        return [True] * len(names)

    def restrict(self, names: tuple[str, ...]) -> None:
        """Go on with these tasks alone."""
        self.names = names

    def norms(self) -> Tensor:
        """Return the lengths of the tasks' gradients (T,) in float64."""
        _refuse("norms")

    def gramian(self) -> Tensor:
        """Return G = J Jᵀ (T, T) in float64."""
        _refuse("Gramian")

    def gramians(self) -> Tensor:
        """Return a Gramian per group of parameters (K, T, T) in float64."""
        _refuse("Gramian")

    def jacobian(self) -> Tensor:
        """Return the tasks' gradients (T, P), one row per task."""
        _refuse("Jacobian")

    @property
    def columns(self) -> tuple[tuple[slice, ...], ...]:
        """Per group of parameters its columns of the Jacobian."""
        _refuse("columns of the Jacobian")

    def representations(self) -> tuple[Representation, ...]:
        """Return what heads look at, with the tasks' gradients of it."""
        _refuse("representations")

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """Return J₁ J₂ᵀ (T, T) in float64 of two batches."""
        del first, second
        _refuse("Gramian between batches")

    @property
    def look(self) -> LookaheadOracle:
        """Losses and gradients at other values of the parameters."""
        _refuse("look ahead")


def _refuse(what: str) -> NoReturn:
    raise ConfigError("a balancer looks at what it did not ask for", where="needs()", found=what)


def weights_of(answer: Answer, why: str) -> Tensor:
    """Return the weights (T,) of an answer.

    Args:
        answer: The balancer's.
        why: What needs them, for the message.

    Raises:
        ConfigError: It has none.
    """
    if not isinstance(answer, Weights):
        raise ConfigError("one weight per task is needed", where=why, found=type(answer).__name__)
    return answer.values


def head_weights(answer: Answer, tasks: int, *, heads: bool) -> list[float]:
    """Return per task the weight of its private parameters.

    Args:
        answer: The balancer's.
        tasks: Number of tasks present.
        heads: Whether it is the task's own weight.
    """
    if heads:
        found: list[float] = weights_of(answer, "weight_heads").tolist()
        return found
    private = answer.private if isinstance(answer, Weights | Direction) else None
    return [1.0] * tasks if private is None else [float(weight) for weight in private]
