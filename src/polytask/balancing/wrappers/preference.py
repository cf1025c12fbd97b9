"""Preferences among tasks, for balancers without such an option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor

from polytask.balancing.balancer import Answer, Balancer, GroupWeights, Weights
from polytask.balancing.building_blocks.option_checks import check_positive
from polytask.balancing.needs import Jacobian
from polytask.balancing.statistic import Statistic
from polytask.balancing.wrappers.scaled_statistic import ScaledStatistic
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

    def _seen(self, statistic: Statistic, tasks: tuple[str, ...] | None = None) -> ScaledStatistic:
        wanted = statistic.names if tasks is None else tuple(task for task in statistic.names if task in tasks)
        return ScaledStatistic(statistic, self.preference, self._factors(statistic.names), self._factors(wanted))

    def _factors(self, names: tuple[str, ...]) -> Tensor:
        missing = [task for task in names if task not in self.preference]
        if missing:
            found = f"preferences for {', '.join(self.preference)}"
            raise ConfigError("every task needs a preference", where=f"task {missing[0]!r}", found=found)
        return torch.tensor([self.preference[task] for task in names], dtype=torch.float64)
