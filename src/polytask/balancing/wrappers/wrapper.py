"""What all wrappers have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from polytask.balancing.balancer import Answer, Balancer, GroupWeights, Weights
from polytask.balancing.needs import Needs
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


class Wrapper(Balancer):
    """A balancer that holds another one, and is that one in everything that it does not change.

    Args:
        balancer: The one inside.
    """

    component_group = "balancer wrapper"

    def __init__(self, balancer: Balancer) -> None:
        self.balancer = balancer
        self.batches, self.step_batches, self.uses_after_step = balancer.batches, balancer.step_batches, balancer.uses_after_step
        self.remembers_gradients = self.remembers_gradients or balancer.remembers_gradients

    def bind(self, network: nn.Module) -> None:
        """The balancer inside is shown the network."""
        self.balancer.bind(network)

    def needs(self) -> Needs:
        """What the balancer inside needs."""
        return self.balancer.needs()

    @abstractmethod
    def weigh(self, statistic: Statistic) -> Answer:
        """What becomes of the answer of the balancer inside."""

    def update_state(self, statistic: Statistic) -> None:
        """The balancer inside learns."""
        self.balancer.update_state(statistic)

    def after_step(self, names: tuple[str, ...], before: Tensor, after: Tensor) -> None:
        """The balancer inside looks again."""
        self.balancer.after_step(names, before, after)

    def seed(self, seed: int) -> None:
        """Seed the balancer inside."""
        self.balancer.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """What the balancer inside remembers."""
        return {"balancer": self.balancer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self.balancer.load_state_dict(state["balancer"])


def require_weights(answer: Answer, wrapper: str) -> Weights | GroupWeights:
    """The answer, if it is weights.

    Raises:
        ConfigError: It is a direction, which has none.
    """
    if isinstance(answer, Weights | GroupWeights):
        return answer
    raise ConfigError("this wrapper is for balancers that give weights", where=wrapper, found="one that gives a direction")


def is_solved(answer: Weights | GroupWeights) -> bool:
    """Whether the method's own condition has a solution in this step."""
    return not isinstance(answer, Weights) or answer.solved
