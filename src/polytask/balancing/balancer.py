"""What every balancer has in common, and the answers that it may give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from polytask.balancing.matrix_statistic import statistic_from_jacobian
from polytask.balancing.needs import Needs
from polytask.balancing.statistic import Statistic
from polytask.registry import Component


@dataclass(frozen=True)
class Weights:
    """A weight per task: the direction of the shared parameters is d = Jᵀ w.

    Attributes:
        values: (T,) in the order of `Statistic.names`.
        heads: Whether private parameters get w_t g_t too, as they do where the method defines a scalar loss
            L = Σ w_t L_t, or the plain gradient of their own task.
        solved: Whether the method's own condition has a solution here; without one, the weights are 0.
        private: (T,) weights of private parameters, where they are others than 1 and w_t.
    """

    values: Tensor
    heads: bool
    solved: bool = True
    private: Tensor | None = None


@dataclass(frozen=True)
class GroupWeights:
    """A weight per task and group of parameters. Private parameters get the plain gradient of their own task.

    Attributes:
        values: (K, T) groups as in `Statistic.gramians()`, tasks as in `Statistic.names`.
    """

    values: Tensor


@dataclass(frozen=True)
class Direction:
    """The direction of the shared parameters itself. Private parameters get the plain gradient of their own task.

    Attributes:
        values: (P,) what is written into `.grad`, in the order of `Statistic.jacobian()`.
        private: (T,) weights of private parameters, where they are others than 1.
    """

    values: Tensor
    private: Tensor | None = None


@dataclass(frozen=True)
class RepresentationGradients:
    """A gradient of every representation, which goes on to the shared parameters.

    Attributes:
        values: One per entry of `Statistic.representations()`, in the shape of its `values`.
    """

    values: tuple[Tensor, ...]


Answer = Weights | GroupWeights | Direction | RepresentationGradients


class Balancer(Component, ABC):
    """Turns what it asked for into task weights, or into one direction for the shared parameters.

    The scale is that of the plain sum: with T tasks, "equal" gives d = Σ g_t. Whatever a balancer remembers is keyed by
    the task's name; tasks that are absent in a step are neither weighed nor remembered.

    A method implements `needs` and `weigh`, and the hooks `defaults`, `bind`, `update_state`, `after_step`, `seed`, `state_dict` and
    `load_state_dict` if it learns, draws random numbers or remembers something.
    """

    component_group = "balancer"
    batches: int = 1
    """How many independent batches a step takes."""
    remembers_gradients: bool = False
    """Whether its state is of certain parameters, and means nothing for others."""
    step_batches: Literal["last", "all"] = "last"
    """Of several batches, whose gradients are combined: those of the last, or of all together."""
    uses_after_step: bool = False
    """Whether the losses of the same batches are wanted once more, after the optimizer's step."""

    @classmethod
    def defaults(cls, task_weights: Mapping[str, float]) -> dict[str, Any]:
        """The options of a balancer that was asked for by name alone, given the weight αₜ of every task."""
        del task_weights
        return {}

    def bind(self, network: nn.Module) -> None:
        """Called once with the network, if it is known: the place of methods that own a part of it."""

    @abstractmethod
    def needs(self) -> Needs:
        """What `weigh` will look at in this step; asked anew at every step."""

    @abstractmethod
    def weigh(self, statistic: Statistic) -> Answer:
        """The answer for this step. It changes no state when `needs` is `Nothing`."""

    def update_state(self, statistic: Statistic) -> None:
        """Called once at the end of every step with the losses of the whole step."""

    def after_step(self, names: tuple[str, ...], before: Tensor, after: Tensor) -> None:
        """Called after the optimizer's step with the losses (T,) of the same batches before and after it."""

    def seed(self, seed: int) -> None:
        """Seed the balancer's own generator."""

    def state_dict(self) -> dict[str, Any]:
        """All that the balancer remembers: nested dictionaries of tensors and numbers."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what `state_dict` gave."""

    def aggregate(self, jacobian: Tensor, losses: Tensor | None = None) -> Tensor:
        """The direction (P,) for a Jacobian (T, P), for study and tests.

        Example:
            >>> import torch
            >>> from polytask.balancing import Equal
            >>> Equal().aggregate(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
            tensor([1., 2.])
        """
        statistic = statistic_from_jacobian(jacobian, losses)
        return answer_to_direction(self.weigh(statistic), statistic)


def answer_to_direction(answer: Answer, statistic: Statistic) -> Tensor:
    """The direction (P,) that an answer makes of a Jacobian that is at hand.

    A representation is taken for the parameters themselves, as in `MatrixStatistic`.
    """
    if isinstance(answer, Direction):
        return answer.values
    if isinstance(answer, RepresentationGradients):
        return torch.cat([values.sum(0).flatten() for values in answer.values])
    jacobian = statistic.jacobian()
    if isinstance(answer, Weights):
        return answer.values.to(jacobian) @ jacobian
    direction = torch.zeros_like(jacobian[0])
    for weights, columns in zip(answer.values.to(jacobian), statistic.columns, strict=True):
        for part in columns:
            direction[part] = weights @ jacobian[:, part]
    return direction
