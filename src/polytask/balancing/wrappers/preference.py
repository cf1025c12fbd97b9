"""Preferences among tasks, for balancers without such an option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from polytask.balancing.balancer import Answer, Balancer, GroupWeights, Weights
from polytask.balancing.building_blocks.option_checks import check_positive
from polytask.balancing.needs import Jacobian
from polytask.balancing.statistic import LookaheadOracle, Representation, Statistic
from polytask.balancing.wrappers.wrapper import Wrapper
from polytask.errors import ConfigError


@final
class Preference(Wrapper):
    """Preferences p_t > 0: the wrapped balancer gets p_t L_t and p_t g_t instead of the loss and gradient of every task.

    Its weights w′ for these correspond to weights w_t = p_t w′_t of the original losses; a direction is not changed. This adds
    preferences to methods that treat all tasks equally: UPGrad, for instance, then weights its projections by p.

    Methods that are invariant to a task's scale (IMTL-G, Nash-MTL, FAMO, the sum of logarithms) are not changed by preferences.
    Preferences are used as given: they need not have a particular sum, and multiplying all of them by c multiplies the losses by
    c. The wrapped balancer determines the gradient of private parameters: w_t g_t if it weights heads, otherwise the plain
    gradient, without p_t.

    Defaults: if built by name, the weights of the tasks.

    Cost: a copy of the Jacobian, for balancers that need it.

    Args:
        balancer: Wrapped balancer.
        preference: Preference p_t per task, above 0.

    Raises:
        ConfigError: A preference is not above 0.

    Example:
        >>> from polytask.balancing import Equal
        >>> Preference(Equal(), {"0": 3.0, "1": 1.0}).aggregate(torch.eye(2))
        tensor([3., 1.])
    """

    def __init__(self, balancer: Balancer, preference: Mapping[str, float]) -> None:
        for task, value in preference.items():
            check_positive(value, f"preference, task {task!r}")
        super().__init__(balancer)
        self.preference = {task: float(value) for task, value in preference.items()}

    @classmethod
    def defaults(cls, task_weights: Mapping[str, float]) -> dict[str, Any]:
        """Return the weights of the tasks as `preference`."""
        return {"preference": dict(task_weights)}

    def weigh(self, statistic: Statistic) -> Answer:
        """Return p_t w′_t, or the direction of the wrapped balancer.

        Raises:
            ConfigError: A task has no preference.
        """
        needs = self.balancer.needs()
        seen = self._seen(statistic, needs.tasks if isinstance(needs, Jacobian) else None)
        answer = self.balancer.weigh(seen)
        if isinstance(answer, Weights | GroupWeights):
            return replace(answer, values=answer.values * seen.factors)
        return answer

    def update_state(self, statistic: Statistic) -> None:
        """Update the state of the wrapped balancer from p_t L_t."""
        self.balancer.update_state(self._seen(statistic))

    def after_step(self, names: tuple[str, ...], before: Tensor, after: Tensor) -> None:
        """Pass p_t L_t before and after the optimizer's step to the wrapped balancer."""
        factors = self._factors(names)
        self.balancer.after_step(names, before * factors, after * factors)

    def _seen(self, statistic: Statistic, tasks: tuple[str, ...] | None = None) -> _ScaledStatistic:
        wanted = statistic.names if tasks is None else tuple(task for task in statistic.names if task in tasks)
        return _ScaledStatistic(statistic, self.preference, self._factors(statistic.names), self._factors(wanted))

    def _factors(self, names: tuple[str, ...]) -> Tensor:
        missing = [task for task in names if task not in self.preference]
        if missing:
            found = f"preferences for {', '.join(self.preference)}"
            raise ConfigError("every task needs a preference", where=f"task {missing[0]!r}", found=found)
        return torch.tensor([self.preference[task] for task in names], dtype=torch.float64)


@dataclass(frozen=True)
class _ScaledStatistic:
    """`Statistic` whose losses and gradients are multiplied by p_t.

    Attributes:
        plain: Statistic before the multiplication.
        preference: Preference p_t per task.
        factors: (T,) preferences of the tasks present.
        of_rows: (R,) preferences of the tasks that have a row in the Jacobian.
    """

    plain: Statistic
    preference: Mapping[str, float]
    factors: Tensor
    of_rows: Tensor

    @property
    def names(self) -> tuple[str, ...]:
        return self.plain.names

    @property
    def step(self) -> int:
        return self.plain.step

    @property
    def round_off(self) -> float:
        return self.plain.round_off

    @property
    def losses(self) -> Tensor:
        return self.plain.losses * self.factors

    def norms(self) -> Tensor:
        return self.plain.norms() * self.factors

    def gramian(self) -> Tensor:
        return self.plain.gramian() * torch.outer(self.factors, self.factors)

    def gramians(self) -> Tensor:
        return self.plain.gramians() * torch.outer(self.factors, self.factors)

    def jacobian(self) -> Tensor:
        return _scale_rows(self.plain.jacobian(), self.of_rows)

    @property
    def columns(self) -> tuple[tuple[slice, ...], ...]:
        return self.plain.columns

    def representations(self) -> tuple[Representation, ...]:
        return tuple(
            replace(seen, gradients=_scale_rows(seen.gradients, torch.tensor([self.preference[task] for task in seen.names])))
            for seen in self.plain.representations()
        )

    def cross_gramian(self, first: int, second: int) -> Tensor:
        return self.plain.cross_gramian(first, second) * torch.outer(self.factors, self.factors)

    @property
    def look(self) -> LookaheadOracle:
        return _ScaledOracle(self.plain.look, self.factors)


@dataclass(frozen=True)
class _ScaledOracle:
    """`LookaheadOracle` whose losses are multiplied by p_t."""

    plain: LookaheadOracle
    factors: Tensor

    def losses(self, batch: int, offset: Tensor | None = None) -> Tensor:
        return self.plain.losses(batch, offset) * self.factors

    def gradient(self, batch: int, weights: Tensor, offset: Tensor | None = None) -> Tensor:
        return self.plain.gradient(batch, weights * self.factors, offset)

    def jacobian(self, batch: int, offset: Tensor | None = None) -> Tensor:
        return _scale_rows(self.plain.jacobian(batch, offset), self.factors)


def _scale_rows(rows: Tensor, factors: Tensor) -> Tensor:
    return rows * factors.to(rows).reshape(-1, *[1] * (rows.dim() - 1))
