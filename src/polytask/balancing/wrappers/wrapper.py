"""Base class of all wrappers."""

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
    """Balancer that wraps another one, and delegates everything to it that a subclass does not override.

    Args:
        balancer: Wrapped balancer.
    """

    component_group = "balancer wrapper"

    def __init__(self, balancer: Balancer) -> None:
        self.balancer = balancer
        self.batches, self.step_batches, self.uses_after_step = balancer.batches, balancer.step_batches, balancer.uses_after_step
        self.remembers_gradients = self.remembers_gradients or balancer.remembers_gradients

    def bind(self, network: nn.Module) -> None:
        """Attach the wrapped balancer to the network."""
        self.balancer.bind(network)

    def needs(self) -> Needs:
        """Return the needs of the wrapped balancer."""
        return self.balancer.needs()

    @abstractmethod
    def weigh(self, statistic: Statistic) -> Answer:
        """Return the modified answer of the wrapped balancer."""

    def update_state(self, statistic: Statistic) -> None:
        """Update the state of the wrapped balancer."""
        self.balancer.update_state(statistic)

    def after_step(self, names: tuple[str, ...], before: Tensor, after: Tensor) -> None:
        """Pass the losses before and after the optimizer's step to the wrapped balancer."""
        self.balancer.after_step(names, before, after)

    def seed(self, seed: int) -> None:
        """Seed the wrapped balancer."""
        self.balancer.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the wrapped balancer."""
        return {"balancer": self.balancer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self.balancer.load_state_dict(state["balancer"])


def require_weights(answer: Answer, wrapper: str) -> Weights | GroupWeights:
    """Return the answer, after checking that it consists of weights.

    Args:
        answer: Answer of the wrapped balancer.
        wrapper: Registry name of the wrapper, for the error message.

    Raises:
        ConfigError: The answer is a direction.
    """
    if isinstance(answer, Weights | GroupWeights):
        return answer
    raise ConfigError("this wrapper needs a balancer that returns weights", where=wrapper, found="one that returns a direction")


def is_solved(answer: Weights | GroupWeights) -> bool:
    """Return whether the method's condition has a solution in this step."""
    return not isinstance(answer, Weights) or answer.solved
