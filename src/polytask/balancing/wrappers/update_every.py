"""Weights computed every k steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from polytask.balancing.balancer import Answer, Balancer, GroupWeights, Weights
from polytask.balancing.building_blocks.option_checks import check_count
from polytask.balancing.needs import Needs, Nothing
from polytask.balancing.statistic import Statistic
from polytask.balancing.wrappers.wrapper import Wrapper, is_solved, require_weights


@final
class UpdateEvery(Wrapper):
    """Weights of the wrapped balancer, recomputed every k steps and reused in between.

    In between, no statistic is needed, so that a step costs as much as a plain weighted sum. This is the `update_weights_every`
    of Nash-MTL (Navon et al., ICML 2022), for any balancer that returns weights. The wrapped balancer still updates its state
    from the losses of every step. Scale and heads are those of the wrapped balancer.

    If the tasks of a step differ from those of the last update, the next step recomputes the weights. In the step itself the
    gradients are not available: known tasks keep their weights, and a new task gets the mean weight of the known ones.

    Weights per group of parameters cannot be applied without the gradient of every task, so that these gradients are still
    computed in between; only the work of the balancer is saved.

    Defaults: k = 10 (ours).

    Fails: balancers that return a direction have no weights; they are refused. Unbounded weights (such as 1 / ‖g‖) may be
    outdated when gradients change quickly.

    Args:
        balancer: Wrapped balancer, which must return weights.
        steps: Number of steps k between two computations of the weights, at least 1.

    Raises:
        ConfigError: k is below 1.

    Example:
        >>> from polytask.balancing import Gramian, IMTLL
        >>> UpdateEvery(IMTLL(), steps=5).aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    def __init__(self, balancer: Balancer, steps: int = 10) -> None:
        check_count(steps, "update-every, steps")
        super().__init__(balancer)
        self.steps = steps
        self._age: int | None = None  # steps since the weights were last computed; None before the first time
        self._heads = False
        self._last: dict[str, Tensor] = {}
        self._fresh: Weights | GroupWeights | None = None  # weights of the current step

    def needs(self) -> Needs:
        """Return the needs of the wrapped balancer if the weights are due, otherwise nothing."""
        return self.balancer.needs() if self._due or self._grouped else Nothing()

    def weigh(self, statistic: Statistic) -> Answer:
        """Return new weights if they are due, otherwise the last ones.

        Raises:
            ConfigError: The wrapped balancer returns a direction.
        """
        if not self._due:
            return self._remembered(statistic.names)
        self._fresh = require_weights(self.balancer.weigh(statistic), "update-every")
        return self._fresh

    def update_state(self, statistic: Statistic) -> None:
        """Count the step, store its weights, and update the state of the wrapped balancer."""
        fresh, self._fresh = self._fresh, None
        if fresh is not None and is_solved(fresh):
            self._last = dict(zip(statistic.names, fresh.values.unbind(-1), strict=True))
            self._heads = isinstance(fresh, Weights) and fresh.heads
            self._age = 0
        if self._age is not None:
            self._age = self._age + 1 if set(statistic.names) == set(self._last) else self.steps
        super().update_state(statistic)

    def state_dict(self) -> dict[str, Any]:
        """Return the last weights, their age, and the state of the wrapped balancer."""
        last = {task: values.clone() for task, values in self._last.items()}
        return {"age": self._age, "heads": self._heads, "weights": last, **super().state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        super().load_state_dict(state)
        self._age, self._heads, self._fresh = state["age"], bool(state["heads"]), None
        self._last = {task: values.clone() for task, values in state["weights"].items()}

    @property
    def _due(self) -> bool:
        return self._age is None or self._age >= self.steps

    @property
    def _grouped(self) -> bool:
        return any(values.dim() for values in self._last.values())

    def _remembered(self, names: tuple[str, ...]) -> Weights | GroupWeights:
        mean = torch.stack(list(self._last.values())).mean(dim=0)
        values = torch.stack([self._last.get(task, mean) for task in names], dim=-1)
        return GroupWeights(values) if values.dim() > 1 else Weights(values, heads=self._heads)
