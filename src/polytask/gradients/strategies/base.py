"""Base class of strategies that turn losses into gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, NoReturn

import torch
from torch import Tensor

from polytask.balancing import Answer, Direction, LookaheadOracle, Representation, Weights
from polytask.errors import ConfigError
from polytask.gradients.primitives.grad_accumulator import GradAccumulator
from polytask.gradients.primitives.read_together import DeviceReader, read_together
from polytask.gradients.primitives.vjp import Losses
from polytask.gradients.step_context import StepContext

NO_LOSSES = torch.zeros(0, dtype=torch.float64)
"""Placeholder for the losses of a step until they are known."""


@dataclass(eq=False)
class GradientStrategy(ABC):
    """Base class of strategies that turn losses into gradients.

    A strategy is used for one step. It takes the losses (`take`), is the `polytask.balancing.Statistic` that the balancer sees, and
    fills `.grad` from the balancer's answer (`fill`). A strategy provides some statistics, and raises an error for all others, which the
    balancer has not declared in its `needs()`.

    Attributes:
        context: State shared by all steps.
        accumulator: Accumulator of gradients that need not be combined.
        names: Tasks present, in the order of every tensor of the statistic.
        step: Number of steps before this one.
        losses: Mean losses (T,) in float64, once they are known.
        found_gramians: Gramian of every group of parameters (K, T, T); `None` until it is computed.
        reader: Copies of numbers of an accelerator in this step; `None` on the CPU, with several processes, and in micro-batches.
        read_ahead: Numbers that `finish` needs of the device, copied to the CPU with those of others; empty if it is to copy them.
    """

    context: StepContext
    accumulator: GradAccumulator
    names: tuple[str, ...] = field(init=False, default=())
    step: int = field(init=False, default=0)
    losses: Tensor = field(init=False, default=NO_LOSSES)
    found_gramians: Tensor | None = field(init=False, default=None)
    reader: DeviceReader | None = field(init=False, default=None)
    read_ahead: tuple[Tensor, ...] = field(init=False, default=())

    weighs_micro_batches: ClassVar[bool] = False
    """Whether every micro-batch is weighted separately, because its weights do not depend on the other micro-batches."""
    fills_from_graphs: ClassVar[bool] = False
    """Whether `fill` backpropagates: gradients of parameters are then known only after the balancer has answered."""

    separates_shared: ClassVar[bool] = False
    """Whether shared parameters get another combination of gradients than all others."""

    def read(self, *tensors: Tensor) -> list[Tensor]:
        """Return tensors in float64 on the CPU, by one copy that takes along what the step has to know of its device."""
        return read_together(tensors) if self.reader is None else self.reader.read(tensors)

    @property
    def can_fill_again(self) -> bool:
        """Whether `fill` may be called again, with another answer, after a first one was discarded."""
        return self.keeps_graphs or not self.fills_from_graphs

    @property
    def keeps_graphs(self) -> bool:
        """Whether graphs are still there after `fill`, so that `non_finite_tasks` can be called."""
        return False

    def non_finite_tasks(self) -> tuple[str, ...]:
        """Return the tasks whose gradients are not finite, by a backward pass for each of them."""
        return ()

    @abstractmethod
    def take(self, losses: Losses, *, keep: bool) -> None:
        """Take the losses of a micro-batch.

        Args:
            losses: The micro-batch's part of every task's mean loss, with its graph.
            keep: Whether to keep the graphs for further backward passes.
        """

    @abstractmethod
    def fill(self, answer: Answer, *, heads: bool) -> None:
        """Fill `.grad` for the tasks present.

        Args:
            answer: Answer of the balancer.
            heads: Whether gradients of private parameters are multiplied by the tasks' weights too.

        Raises:
            BadStepError: Finite gradients have a combination that is not finite.
        """

    def fill_private(self) -> None:
        """Add the plain gradients of private parameters, and none of shared parameters."""
        self.accumulator.release_private(self.names, [1.0] * len(self.names))

    def wanted_numbers(self, names: tuple[str, ...]) -> list[Tensor]:
        """Return tensors on the device of whose values `finish` makes use, so that they can be copied with others in one go.

        Args:
            names: Tasks present in this process, which is the only one.
        """
        del names
        return []

    def finish(self, names: tuple[str, ...]) -> list[bool]:
        """Complete the step, and return for every task whether its gradient is finite, as far as this is known.

        Args:
            names: Tasks present in any process.
        """
        self.restrict(names)
        return [True] * len(names)

    def restrict(self, names: tuple[str, ...]) -> None:
        """Restrict the step to these tasks."""
        self.names = names

    def all_rows(self) -> Tensor | None:
        """Return the tasks' gradients (T, P), up to a factor, if this process has all of them."""
        return None

    @property
    def round_off(self) -> float:
        """Machine epsilon of the dtype of the gradients; 0 where there are none."""
        return 0.0 if self.context.shared is None else torch.finfo(self.context.shared.dtype).eps

    def norms(self) -> Tensor:
        """Return the norms of the tasks' gradients (T,), in float64."""
        _refuse("norms")

    def gramian(self) -> Tensor:
        """Return the Gramian G = J Jᵀ (T, T), in float64."""
        _refuse("Gramian")

    def gramians(self) -> Tensor:
        """Return the Gramian of every group of parameters (K, T, T), in float64."""
        _refuse("Gramian")

    def jacobian(self) -> Tensor:
        """Return the tasks' gradients (T, P), one row per task."""
        _refuse("Jacobian")

    @property
    def columns(self) -> tuple[tuple[slice, ...], ...]:
        """Columns of the Jacobian that belong to each group of parameters."""
        _refuse("columns of the Jacobian")

    def representations(self) -> tuple[Representation, ...]:
        """Return the representations, with the tasks' gradients of them."""
        _refuse("representations")

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """Return the inner products J₁ J₂ᵀ (T, T) of the tasks' gradients of two batches, in float64."""
        del first, second
        _refuse("Gramian between batches")

    @property
    def look(self) -> LookaheadOracle:
        """Evaluator of losses and gradients at other values of the parameters."""
        _refuse("look ahead")


def _refuse(what: str) -> NoReturn:
    raise ConfigError("a balancer must declare every statistic that it uses", where="needs()", found=what)


def weights_of(answer: Answer, why: str) -> Tensor:
    """Return the weights (T,) of an answer.

    Args:
        answer: Answer of the balancer.
        why: What the weights are needed for, for the error message.

    Raises:
        ConfigError: The answer has no weights per task.
    """
    if not isinstance(answer, Weights):
        raise ConfigError("one weight per task is needed", where=why, found=type(answer).__name__)
    return answer.values


def head_weights(answer: Answer, tasks: int, *, heads: bool) -> list[float]:
    """Return the weight of every task's private parameters.

    Args:
        answer: Answer of the balancer.
        tasks: Number of tasks present.
        heads: Whether to use the tasks' weights; otherwise the weights are those of the answer for private parameters, or 1.
    """
    if heads:
        found: list[float] = weights_of(answer, "weight_heads").tolist()
        return found
    private = answer.private if isinstance(answer, Weights | Direction) else None
    return [1.0] * tasks if private is None else [float(weight) for weight in private]
