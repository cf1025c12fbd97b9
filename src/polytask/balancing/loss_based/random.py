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
"""softmax of independent N(0, 1), or Dirichlet(1, …, 1): uniform on the simplex."""


@final
class Random(Balancer):
    """Weights that are drawn anew at every step (Lin et al., TMLR 2022, algorithm 2: random loss weighting).

    With z_t ~ N(0, 1), independent,

        w = T softmax(z),    L = Σ w_t L_t

    or w / T ~ Dirichlet(1, …, 1). On average every weight is 1. Heads are weighted too.

    It is the litmus test of the paper: a method that is not better than this has not been shown to balance anything.

    Scale: the paper's weights sum to 1; they are multiplied by T, so that on average they are those of the plain sum.
    The draw belongs to the task's name: the order in which tasks stand changes nothing.

    Defaults: the normal distribution, as in the authors' code. The paper's random *gradient* weighting, which leaves the
    heads alone, is the same with `heads` false; it is not offered.

    Deviations: the scale.

    Fails: never; but the larger T and the smaller the batch, the noisier the update.

    Args:
        distribution: "normal" or "dirichlet".

    Raises:
        ConfigError: There is no such distribution.

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
        """Nothing."""
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        """This step's draw: the same however often it is asked for, until `update_state` ends the step."""
        before = self._stream.state_dict()
        weights = self._draw(statistic.names)
        self._stream.load_state_dict(before)
        return Weights(weights, heads=True)

    def update_state(self, statistic: Statistic) -> None:
        """Leave this step's draw behind."""
        self._draw(statistic.names)

    def seed(self, seed: int) -> None:
        """Seed the draws."""
        self._stream.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """The generator."""
        return self._stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._stream.load_state_dict(state)

    def _draw(self, names: tuple[str, ...]) -> torch.Tensor:
        count = len(names)
        if self.distribution == "normal":
            parts = torch.softmax(self._stream.normal(count), dim=0)
        else:
            parts = self._stream.exponential(count)
            parts /= parts.sum()
        ranks = sorted(range(count), key=names.__getitem__)
        weights = torch.empty_like(parts)
        weights[ranks] = count * parts
        return weights
