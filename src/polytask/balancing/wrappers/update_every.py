"""Weights that are computed every k steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from polytask.balancing.balancer import Answer, Balancer, GroupWeights, Weights
from polytask.balancing.needs import Needs, Nothing
from polytask.balancing.statistic import Statistic
from polytask.balancing.wrappers.wrapper import Wrapper, is_solved, require_weights
from polytask.errors import ConfigError


@final
class UpdateEvery(Wrapper):
    """Asks the balancer inside every k steps, and uses its last weights in between.

    In between nothing is needed, so that a step costs what the plain weighted sum costs. It is the `update_weights_every` of
    Nash-MTL (Navon et al., ICML 2022), for any balancer that gives weights. The balancer inside goes on
    learning from losses at every step. Scale and heads are its own.

    A step with other tasks than the last refresh had makes the next one refresh. In that step itself gradients are
    not at hand any more: tasks that were there keep their weights, and a new one gets the mean of the others'.

    Weights per group of parameters cannot be used without every task's gradient, so that these are still walked in
    between; what is saved is the balancer's own work.

    Defaults: k = 10 (ours).

    Fails: balancers that give a direction have no weights; they are refused. Weights of a method without a bound (such
    as 1 / ‖g‖) may be stale when gradients change quickly.

    Args:
        balancer: The one inside.
        steps: k, at least 1.

    Raises:
        ConfigError: k is below 1.

    Example:
        >>> from polytask.balancing import Gramian, IMTLL
        >>> UpdateEvery(IMTLL(), steps=5).aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    def __init__(self, balancer: Balancer, steps: int = 10) -> None:
        if steps < 1:
            raise ConfigError("weights are refreshed every 1 step or more", where="update-every, steps", found=steps)
        super().__init__(balancer)
        self.every = steps
        self._age: int | None = None  # steps since the last refresh; None before the first
        self._heads = False
        self._last: dict[str, Tensor] = {}
        self._fresh: Weights | GroupWeights | None = None  # of the step that is under way

    def needs(self) -> Needs:
        """What the balancer inside needs if it is time to ask it, otherwise nothing."""
        return self.balancer.needs() if self._due or self._grouped else Nothing()

    def weigh(self, statistic: Statistic) -> Answer:
        """The balancer's weights, or its last ones.

        Raises:
            ConfigError: The balancer inside gives a direction.
        """
        if not self._due:
            return self._remembered(statistic.names)
        self._fresh = require_weights(self.balancer.weigh(statistic), "update-every")
        return self._fresh

    def update_state(self, statistic: Statistic) -> None:
        """The step is over: count it, remember its weights, and let the balancer inside learn."""
        fresh, self._fresh = self._fresh, None
        if fresh is not None and is_solved(fresh):
            self._last = dict(zip(statistic.names, fresh.values.unbind(-1), strict=True))
            self._heads = isinstance(fresh, Weights) and fresh.heads
            self._age = 0
        if self._age is not None:
            self._age = self._age + 1 if set(statistic.names) == set(self._last) else self.every
        super().update_state(statistic)

    def state_dict(self) -> dict[str, Any]:
        """The last weights, their age, and what the balancer inside remembers."""
        last = {task: values.clone() for task, values in self._last.items()}
        return {"age": self._age, "heads": self._heads, "weights": last, **super().state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        super().load_state_dict(state)
        self._age, self._heads, self._fresh = state["age"], bool(state["heads"]), None
        self._last = {task: values.clone() for task, values in state["weights"].items()}

    @property
    def _due(self) -> bool:
        return self._age is None or self._age >= self.every

    @property
    def _grouped(self) -> bool:
        return any(values.dim() for values in self._last.values())

    def _remembered(self, names: tuple[str, ...]) -> Weights | GroupWeights:
        mean = torch.stack(list(self._last.values())).mean(dim=0)
        values = torch.stack([self._last.get(task, mean) for task in names], dim=-1)
        return GroupWeights(values) if values.dim() > 1 else Weights(values, heads=self._heads)
