"""Conflict-free inverse gradients with one task's gradient per step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, Direction
from polytask.balancing.building_blocks.kept_rows import kept_row
from polytask.balancing.building_blocks.option_checks import check_below_one
from polytask.balancing.building_blocks.row_combination import row_combination
from polytask.balancing.gradient_based.conflict_free import equal_cosines
from polytask.balancing.needs import Jacobian, Needs
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError

_SMALLEST_ROOT = 1e-8  # added to the root of the second moment


@final
class MomentumConFIG(Balancer):
    """Momentum ConFIG (Liu, Chu & Thuerey, ICLR 2025, algorithm 1).

    Each step computes the gradient of one task, in turn. With m_t the running mean of its gradient, m̂_t the same without the bias of
    its start at 0, and C(m̂) the ConFIG direction of the m̂_t:

        m_t ← β₁ m_t + (1 − β₁) g_t,    p = (1 − β₁^k) C(m̂),    q = (p − β₁ p₋) / (1 − β₁)
        s ← β₂ s + (1 − β₂) q ∘ q,      d = C(m̂) / (√(s / (1 − β₂^k)) + 1e-8)

    q is the gradient whose running mean would be p; p₋ is the p of the previous step. k counts the steps since every task has had
    a turn; before that, there is no direction. The backward pass of the trunk costs as much as for a single task. Memory: (T + 2) × P
    numbers.

    Scale: that of Adam, which it replaces for the shared parameters: give these plain gradient descent with Adam's learning rates, and the
    heads an optimizer that adapts its steps, such as Adam. d is homogeneous of degree 0, up to the 1e-8. A task whose gradient is 0 in its
    turn has no opinion: until its next turn the cosines are those of the others, and m_t does not change. If no task has an opinion,
    d = 0, and neither p nor s nor k changes.

    Defaults: β₁ = 0.9, β₂ = 0.999 (paper, appendix).

    Deviations: heads get the plain gradient of their task in every step, also before there is a direction, as in the authors' multi-task
    code, which trains all parameters with Adam. In algorithm 1, heads belong to the parameters: they are part of every g_t and of s, and
    move when their task has its turn; `Backward` with all parameters of the network as `shared=` does this. If m̂ has no conflict-free
    direction, C = 0. A task that is absent in its turn is skipped: the step has no direction, and no mean changes. The paper would keep the
    direction of gradients that have vanished.

    Fails: with an adaptive optimizer, steps of the shared parameters are adapted twice; T steps pass between two gradients of the same
    task. With plain gradient descent for the heads, a task that can always be learned better, such as separable classes, makes a run
    diverge: d has the same length and the same cosine to its m̂_t however small its gradient is, so that the features z grow, and descent
    with the learning rate η on the squared error of a linear head, whose Hessian is 2 E[z zᵀ], diverges once η λ_max(E[z zᵀ]) > 1.

    Args:
        tasks: Names of all tasks, in the order of their turns.
        betas: Decay rates β₁ and β₂ of the running means, each in [0, 1).

    Raises:
        ConfigError: The tasks are empty or repeated, or the betas are not two numbers in their range.

    Example:
        >>> MomentumConFIG(["0"]).aggregate(torch.tensor([[3.0, -4.0]]))
        tensor([ 1., -1.])
    """

    remembers_gradients = True
    reads_once = True

    def __init__(self, tasks: Sequence[str], betas: tuple[float, float] = (0.9, 0.999)) -> None:
        if not tasks or len(set(tasks)) < len(tasks):
            raise ConfigError("`tasks` must be non-empty and unique", where="momentum-conflict-free, tasks", found=tuple(tasks))
        self.tasks = tuple(tasks)
        self.betas = tuple(check_below_one(beta, "momentum-conflict-free, betas") for beta in betas)
        if len(self.betas) != 2:
            raise ConfigError("two numbers are needed", where="momentum-conflict-free, betas", found=betas)
        self._turn, self._steps = 0, 0
        self._means: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._vectors: dict[str, Tensor] = {}
        self._silent: set[str] = set()

    @classmethod
    def defaults(cls, task_weights: Mapping[str, float]) -> dict[str, Any]:
        """Return the names of all tasks as `tasks`."""
        return {"tasks": tuple(task_weights)}

    def needs(self) -> Needs:
        """Request the gradient of the task whose turn it is."""
        return Jacobian(tasks=(self._whose,))

    def weigh(self, statistic: Statistic) -> Direction:
        """Return d = C(m̂) / (√(s / (1 − β₂^k)) + 1e-8).

        Raises:
            ConfigError: A task is none of `tasks`.
        """
        stranger = next((name for name in statistic.names if name not in self.tasks), None)
        if stranger is not None:
            raise ConfigError("the balancer does not know this task", where="momentum-conflict-free, tasks", found=repr(stranger))
        task, rows = self._whose, statistic.jacobian()
        if task not in statistic.names:
            statistic.read()
            self._turn += 1
            return Direction(rows.new_zeros(rows.shape[1]), solved=False, largest=0.0)
        row = rows[0] if len(rows) == 1 else rows[statistic.names.index(task)]
        heard = bool(statistic.read(row.any())[0])
        self._turn += 1
        mean = kept_row(self._means, task, row)
        self._means = {name: own.to(row.device) for name, own in self._means.items()}
        if heard:
            mean.mul_(self.betas[0]).add_(row, alpha=1 - self.betas[0])
            self._counts[task] = self._counts.get(task, 0) + 1
            self._silent.discard(task)
        else:
            self._silent.add(task)
        if len(self._means) < len(self.tasks):
            return Direction(torch.zeros_like(row), solved=False, largest=0.0)
        if len(self._silent) == len(self.tasks):
            return Direction(torch.zeros_like(row), largest=0.0)
        direction, largest = self._conflict_free(statistic)
        return Direction(self._adapted(direction), largest=largest / _SMALLEST_ROOT)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of turns and of steps, m and the number of updates of every task, those without an opinion, and p and s."""
        return {
            "turn": self._turn,
            "steps": self._steps,
            "counts": dict(self._counts),
            "silent": sorted(self._silent),
            "means": {task: mean.clone() for task, mean in self._means.items()},
            "vectors": {name: vector.clone() for name, vector in self._vectors.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._turn, self._steps, self._counts = int(state["turn"]), int(state["steps"]), dict(state["counts"])
        self._silent = set(state["silent"])
        self._means = {task: mean.clone() for task, mean in state["means"].items()}
        self._vectors = {name: vector.clone() for name, vector in state["vectors"].items()}

    @property
    def _whose(self) -> str:
        return self.tasks[self._turn % len(self.tasks)]

    def _conflict_free(self, statistic: Statistic) -> tuple[Tensor, float]:
        """Return C(m̂) of the tasks with an opinion, and an upper bound of its numbers."""
        speaking = [task for task in self.tasks if task not in self._silent]
        means = torch.stack([self._means[task] / (1 - self.betas[0] ** self._counts[task]) for task in speaking])
        exact = means.double()
        (products,) = statistic.read(exact @ exact.T)
        weights = equal_cosines(products.numpy(), np.ones(len(means)), statistic.round_off)
        if weights is None:
            return torch.zeros_like(means[0]), 0.0
        largest = float(np.abs(weights) @ products.diagonal().sqrt().numpy())
        return row_combination(torch.from_numpy(weights), means, products), largest

    def _adapted(self, direction: Tensor) -> Tensor:
        """Return the direction divided by the root of its second moment."""
        first, second = self.betas
        self._steps += 1
        pseudo = direction * (1 - first**self._steps)
        previous = kept_row(self._vectors, "mean", direction)
        square = kept_row(self._vectors, "square", direction)
        gradient = (pseudo - first * previous) / (1 - first)
        square = second * square + (1 - second) * gradient.square()
        self._vectors = {"mean": pseudo, "square": square}
        return direction / ((square / (1 - second**self._steps)).sqrt() + _SMALLEST_ROOT)
