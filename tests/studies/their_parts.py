"""Components of somebody else: a balancer, an encoder, a way of sharing and a callback, as a package of a user would define them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from polytask.architectures import Architecture
from polytask.balancing import Balancer, Losses, Needs, Statistic, Weights
from polytask.encoders import Encoder
from polytask.registry import ComponentSpec, Range
from polytask.training import Callback


class Mine(Balancer):
    """Weights that grow with the losses."""

    spec = ComponentSpec("balancer", "mine", summary="weights that grow with the losses", ranges=(Range("power", 0.1, 1.0),))

    def __init__(self, power: float = 0.5) -> None:
        self.power = power

    def needs(self) -> Needs:
        """Losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """(L / mean L) ** power."""
        losses = statistic.losses.double()
        return Weights((losses / losses.mean()) ** self.power, heads=True)


class Narrow(Encoder):
    """One layer."""

    def __init__(self, input_shape: tuple[int, ...], width: int = 3) -> None:
        super().__init__()
        self.input_shape, self.features = tuple(input_shape), width
        self.layer = nn.Sequential(nn.Linear(input_shape[0], width), nn.ReLU())

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """One."""
        return (self.layer,)


class Scaled(Architecture):
    """Hard sharing, with a scale per task."""

    def __init__(self, encoder: Encoder, tasks: Sequence[str], start: float = 1.0) -> None:
        super().__init__(tasks, encoder)
        self.encoder, self.start = encoder, start
        self.scales = nn.ParameterList([nn.Parameter(torch.tensor([[start]])) for _ in tasks])

    def width(self, task: str) -> int:
        """The encoder's features."""
        del task
        return self.encoder.features

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Features, scaled."""
        features = self.encoder(inputs)
        return {task: features * self.scales[self.tasks.index(task)] for task in tasks}


class Counting(Callback):
    """Counts steps."""

    def __init__(self) -> None:
        self.steps = 0

    def before_step(self, loop: Any, batches: Any) -> None:
        """One more."""
        del loop, batches
        self.steps += 1

    def found(self) -> Mapping[str, Any]:
        """How many."""
        return {"steps": self.steps}

    def state_dict(self) -> dict[str, Any]:
        """How many."""
        return {"steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on."""
        self.steps = int(state["steps"])
