"""Random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final, get_args

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.random_stream import RandomStream
from polytask.balancing.needs import Needs, Nothing
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError

WeightDistribution = Literal["normal", "dirichlet"]
"""Softmax of independent N(0, 1) numbers, or Dirichlet(1, …, 1), the uniform distribution on the simplex."""


@final
class Random(Balancer):
    """Random weights, drawn at every step (Lin et al., TMLR 2022, algorithm 2: random loss weighting).

    With z_t ~ N(0, 1), independent,

        w = T softmax(z),    L = Σ w_t L_t

    or w / T ~ Dirichlet(1, …, 1). On average every weight is 1. Heads are weighted too.

    It is the litmus test of the paper: a method that is not better than this has not been shown to balance anything.

    Scale: the paper's weights sum to 1; they are multiplied by T, so that on average they are those of the plain sum.
    Weights are assigned by task name, so they do not depend on the order of the tasks.

    Defaults: the normal distribution, as in the authors' code. The paper's random *gradient* weighting, which does not
    weight the heads, would be the same with `heads` false; it is not offered.

    Deviations: the scale.

    Fails: never; but the update becomes noisier with more tasks and smaller batches.

    Args:
        distribution: Distribution of the weights, `normal` or `dirichlet`.

    Raises:
        ConfigError: The distribution is unknown.

    Example:
        >>> weights = Random().aggregate(torch.eye(2, dtype=torch.float64))
        >>> round(float(weights.sum()), 12)
        2.0
    """

    def __init__(self, distribution: WeightDistribution = "normal") -> None:
        if distribution not in get_args(WeightDistribution):
            remedy = f"Choose from: {', '.join(get_args(WeightDistribution))}"
            raise ConfigError("unknown distribution", where="random, distribution", found=distribution, remedy=remedy)
        self.distribution = distribution
        self._stream = RandomStream()

    def needs(self) -> Needs:
        """Request nothing."""
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return the weights of this step; repeated calls return the same until `update_state` ends the step."""
        before = self._stream.state_dict()
        weights = self._draw(statistic.names)
        self._stream.load_state_dict(before)
        return Weights(weights, heads=True)

    def update_state(self, statistic: Statistic) -> None:
        """Advance the generator past the weights of this step."""
        self._draw(statistic.names)

    def seed(self, seed: int) -> None:
        """Seed the random weights."""
        self._stream.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state."""
        return self._stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._stream.load_state_dict(state)

    def _draw(self, names: tuple[str, ...]) -> torch.Tensor:
        count = len(names)
        if self.distribution == "normal":
            parts = torch.softmax(self._stream.normal(count), dim=0)
        else:
            parts = self._stream.exponential(count)
            parts /= parts.sum()
        # Assign in alphabetical order of the names, so that the order of the tasks does not matter.
        ranks = sorted(range(count), key=names.__getitem__)
        weights = torch.empty_like(parts)
        weights[ranks] = count * parts
        return weights
