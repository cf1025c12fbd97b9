"""What every balancer has in common, and the two answers that it may give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from polytask.balancing.needs import Needs
from polytask.balancing.statistic import Statistic, matrix_statistic


@dataclass(frozen=True)
class Weights:
    """A weight per task: the direction of the shared parameters is d = Jᵀ w.

    Attributes:
        values: (T,) in the order of `Statistic.names`.
        heads: Whether private parameters get w_t g_t too, as they do where the method defines a scalar loss
            L = Σ w_t L_t, or the plain gradient of their own task.
    """

    values: Tensor
    heads: bool


@dataclass(frozen=True)
class Direction:
    """The direction of the shared parameters itself. Private parameters get the plain gradient of their own task.

    Attributes:
        values: (P,) what is written into `.grad`, in the order of `Statistic.jacobian()`.
    """

    values: Tensor


class Balancer(ABC):
    """Turns what it asked for into task weights, or into one direction for the shared parameters.

    The scale is that of the plain sum: with T tasks, "equal" gives d = Σ g_t. Whatever a balancer remembers is keyed by
    the task's name; tasks that are absent in a step are neither weighed nor remembered.

    A method implements `needs` and `weigh`, and the hooks `defaults`, `learn`, `reseed`, `state_dict` and `load_state_dict`
    if it learns, draws random numbers or remembers something.
    """

    batches: ClassVar[int] = 1
    """How many independent batches a step takes."""

    @classmethod
    def defaults(cls, weights: Mapping[str, float]) -> dict[str, Any]:
        """The options of a balancer that was asked for by name alone, given the weight αₜ of every task."""
        del weights
        return {}

    @abstractmethod
    def needs(self) -> Needs:
        """What `weigh` will look at in this step; asked anew at every step."""

    @abstractmethod
    def weigh(self, statistic: Statistic) -> Weights | Direction:
        """The answer for this step. It changes no state when `needs` is `Nothing`."""

    def learn(self, statistic: Statistic) -> None:  # noqa: B027 - a hook
        """Called once at the end of every step with the losses of the whole step."""

    def reseed(self, seed: int) -> None:  # noqa: B027 - a hook
        """Seed the balancer's own generator."""

    def state_dict(self) -> dict[str, Any]:
        """All that the balancer remembers: nested dictionaries of tensors and numbers."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 - a hook
        """Remember what `state_dict` gave."""

    def aggregate(self, jacobian: Tensor, losses: Tensor | None = None) -> Tensor:
        """The direction (P,) for a Jacobian (T, P), for study and tests.

        Example:
            >>> import torch
            >>> from polytask.balancing import Equal
            >>> Equal().aggregate(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
            tensor([1., 2.])
        """
        answer = self.weigh(matrix_statistic(jacobian, losses))
        if isinstance(answer, Direction):
            return answer.values
        return answer.values.to(jacobian) @ jacobian
