"""Scaling of auxiliary tasks' gradients towards the length of the target task's gradient, per parameter tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final, get_args

import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, GroupWeights
from polytask.balancing.building_blocks.option_checks import check_below_one, check_fraction
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError

RescaleStrategy = Literal["reduce", "enlarge", "both"]


@final
class MetaBalance(Balancer):
    """MetaBalance (He et al., WWW 2022, algorithm 1).

    For every parameter tensor, with running means m_t of ‖g_t‖ on it, and 0 the target task, the other gradients become

        m_t ← β m_t + (1 − β) ‖g_t‖,    g_t ← r (m_0 / m_t) g_t + (1 − r) g_t

    where m_t > m_0 (`reduce`), where m_t < m_0 (`enlarge`), or everywhere (`both`); d = Σ_t g_t. Heads get the plain gradient of
    their task.

    Scale: as in the paper, a sum. d is homogeneous in J if all steps from the first on are scaled alike. A zero row stays zero.

    Defaults: strategy `both` (strategy C of the paper, its best on average), r = 0.7 and β = 0.9 (the authors' code).

    Deviations: none. In a step without the target task, gradients are not changed.

    Fails: everything depends on the target: if its gradient vanishes and r is near 1, the other gradients vanish with it.

    Args:
        target: Name of the task that the others are meant to help.
        strategy: Gradients to scale: `reduce` longer ones, `enlarge` shorter ones, or `both`.
        relax: Strength r of the scaling, from 0 (plain sum) to 1.
        beta: Decay β of the running means, in [0, 1).

    Raises:
        ConfigError: The strategy is unknown, or a number is outside its range.

    Example:
        >>> MetaBalance(target="0", relax=1.0).aggregate(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
        tensor([1., 1.])
    """

    def __init__(self, target: str, strategy: RescaleStrategy = "both", relax: float = 0.7, beta: float = 0.9) -> None:
        if strategy not in get_args(RescaleStrategy):
            remedy = f"Choose from: {', '.join(get_args(RescaleStrategy))}"
            raise ConfigError("unknown strategy", where="metabalance, strategy", found=strategy, remedy=remedy)
        self.target, self.strategy = target, strategy
        self.relax, self.beta = check_fraction(relax, "metabalance, relax"), check_below_one(beta, "metabalance, beta")
        self._means: dict[str, Tensor] = {}

    @classmethod
    def defaults(cls, task_weights: Mapping[str, float]) -> dict[str, Any]:
        """Return the first task as `target`."""
        return {"target": next(iter(task_weights), "")}

    def needs(self) -> Needs:
        """Request one Gramian per parameter tensor, for the lengths of the gradients."""
        return Gramian("matrix")

    def weigh(self, statistic: Statistic) -> GroupWeights:
        """Return r m_0 / m_t + 1 − r, and 1 for the target: (K, T)."""
        lengths = statistic.gramians().diagonal(dim1=1, dim2=2).sqrt()
        for name, length in zip(statistic.names, lengths.unbind(1), strict=True):
            self._means[name] = self.beta * self._means.get(name, torch.zeros_like(length)) + (1 - self.beta) * length
        if self.target not in statistic.names:
            return GroupWeights(torch.ones_like(lengths))
        target = self._means[self.target]
        return GroupWeights(torch.stack([self._factors(self._means[name], target) for name in statistic.names], dim=1))

    def state_dict(self) -> dict[str, Any]:
        """Return m of every task."""
        return {"means": {task: mean.clone() for task, mean in self._means.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._means = {task: mean.clone() for task, mean in state["means"].items()}

    def _factors(self, mean: Tensor, target: Tensor) -> Tensor:
        """Return the factors by which a task's gradient is multiplied: (K,)."""
        wanted = {"reduce": mean > target, "enlarge": mean < target, "both": mean > 0}[self.strategy] & (mean > 0)
        ratio = target / torch.where(mean > 0, mean, 1.0)
        return torch.where(wanted, self.relax * ratio + (1 - self.relax), 1.0)
