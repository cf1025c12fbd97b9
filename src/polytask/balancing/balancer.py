"""Base class of all balancers, and the types of the answers that they return."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from polytask.balancing.building_blocks.row_combination import row_combination
from polytask.balancing.matrix_to_statistic import statistic_from_jacobian
from polytask.balancing.needs import Needs
from polytask.balancing.statistic import Statistic
from polytask.registry import Component


@dataclass(frozen=True)
class Weights:
    """One weight per task: the direction of the shared parameters is d = Jᵀ w.

    Attributes:
        values: (T,) weights w, in the order of `Statistic.names`.
        heads: Whether private parameters get w_t g_t too, as in methods that define a scalar loss L = Σ w_t L_t. If false,
            they get the plain gradient of their task.
        solved: Whether the method's condition has a solution in this step. If false, all weights are 0.
        private: (T,) weights of the private parameters, if they are neither 1 nor w_t; `None` leaves the choice to `heads`.
    """

    values: Tensor
    heads: bool
    solved: bool = True
    private: Tensor | None = None


@dataclass(frozen=True)
class GroupWeights:
    """One weight per task and group of shared parameters. Private parameters get the plain gradient of their task.

    Attributes:
        values: (K, T) weights: groups in the order of `Statistic.gramians()`, tasks in the order of `Statistic.names`.
    """

    values: Tensor


@dataclass(frozen=True)
class BatchWeights:
    """One weight per batch and task, for balancers with a lookahead: private parameters are weighted too.

    Attributes:
        values: (B, T) weights: batches in the order of the step, tasks in the order of `Statistic.names`.
    """

    values: Tensor


@dataclass(frozen=True)
class Direction:
    """A direction of the shared parameters. Private parameters get the plain gradient of their task.

    Attributes:
        values: (P,) values to write into `.grad`, in the order of the columns of `Statistic.jacobian()`.
        private: (T,) weights of the private parameters; `None` means 1.
        solved: Whether the method has a direction in this step. If false, the values are not used.
        largest: Upper bound of the absolute values, if one is known without reading them from their device; `None` lets them be read.
    """

    values: Tensor
    private: Tensor | None = None
    solved: bool = True
    largest: float | None = None


@dataclass(frozen=True)
class RepresentationGradients:
    """One gradient per representation, to be backpropagated to the shared parameters.

    Attributes:
        values: One tensor per entry of `Statistic.representations()`, in the shape of that entry's `values`.
    """

    values: tuple[Tensor, ...]


Answer = Weights | GroupWeights | BatchWeights | Direction | RepresentationGradients


class Balancer(Component, ABC):
    """Base class of methods that turn a statistic of the step into task weights, or into one direction of the shared parameters.

    The scale is that of the plain sum: with T tasks, `equal` gives d = Σ g_t. All state is keyed by the task's name; tasks
    that are absent in a step get no weight, and their state does not change.

    A method implements `needs` and `weigh`. If it learns, draws random numbers or keeps state, it also implements the hooks
    `defaults`, `bind`, `update_state`, `after_step`, `seed`, `state_dict` and `load_state_dict`, as far as they apply.
    """

    component_group = "balancer"
    batches: int = 1
    """Number of independent batches per step."""
    remembers_gradients: bool = False
    """Whether the state belongs to particular parameters, and is meaningless for any others."""
    step_batches: Literal["last", "all"] = "last"
    """Which of several batches provide the gradients that are combined: the last one, or all of them together."""
    names_every_task: bool = False
    """Whether the options with default values that depend on the tasks have no value for a task that they do not name."""
    uses_after_step: bool = False
    """Whether `after_step` needs the losses of the same batches again after the optimizer's step."""

    reads_once: bool = False
    """Whether `weigh` calls `Statistic.read` before it uses the losses or changes a row that it keeps, so that an accelerator is waited for
    once; `needs` that are `Nothing` imply it."""

    @classmethod
    def defaults(cls, task_weights: Mapping[str, float]) -> dict[str, Any]:
        """Return default options that depend on the tasks, for a balancer built by name.

        Args:
            task_weights: Weight αₜ of every task, by name.
        """
        del task_weights
        return {}

    def bind(self, network: nn.Module) -> None:
        """Attach the balancer to the network. Called once, if the network is known; for methods that own a part of it."""

    @abstractmethod
    def needs(self) -> Needs:
        """Return what `weigh` needs in this step. Evaluated anew at every step."""

    @abstractmethod
    def weigh(self, statistic: Statistic) -> Answer:
        """Return the answer for this step. Must not change any state when `needs` returns `Nothing`."""

    def update_state(self, statistic: Statistic) -> None:
        """Update the state from the losses of the whole step. Called once at the end of every step."""

    def after_step(self, names: tuple[str, ...], before: Tensor, after: Tensor) -> None:
        """Update the state from the losses of the same batches before and after the optimizer's step.

        Args:
            names: Tasks present, in the order of the losses.
            before: (T,) losses before the step.
            after: (T,) losses after the step.
        """

    def seed(self, seed: int) -> None:
        """Seed the balancer's random generator."""

    def state_dict(self) -> dict[str, Any]:
        """Return the balancer's state as nested dictionaries of tensors and numbers."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""

    def aggregate(self, jacobian: Tensor, losses: Tensor | None = None) -> Tensor:
        """Return the direction (P,) for a Jacobian (T, P), for experiments and tests.

        Args:
            jacobian: (T, P) gradients, one row per task.
            losses: (T,) losses of the tasks; `None` means 1 each.

        Example:
            >>> import torch
            >>> from polytask.balancing import Equal
            >>> Equal().aggregate(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
            tensor([1., 2.])
        """
        statistic = statistic_from_jacobian(jacobian, losses)
        return answer_to_direction(self.weigh(statistic), statistic)


def answer_to_direction(answer: Answer, statistic: Statistic) -> Tensor:
    """Return the direction (P,) of an answer, given a statistic that has the Jacobian.

    Representations are treated as the parameters themselves, as in `MatrixStatistic`.
    """
    if isinstance(answer, Direction):
        return answer.values
    if isinstance(answer, RepresentationGradients):
        return torch.cat([values.sum(0).flatten() for values in answer.values])
    jacobian = statistic.jacobian()
    if isinstance(answer, Weights):
        return row_combination(answer.values, jacobian, statistic.gramian())
    if isinstance(answer, BatchWeights):  # all batches have the same gradients here
        return row_combination(answer.values.sum(0), jacobian, statistic.gramian())
    direction = torch.zeros_like(jacobian[0])
    for weights, products, columns in zip(answer.values, statistic.gramians(), statistic.columns, strict=True):
        for part in columns:
            direction[part] = row_combination(weights, jacobian[:, part], products)
    return direction
