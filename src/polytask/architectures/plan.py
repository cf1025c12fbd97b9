"""What a network is made of, as plain data: from it the same network can be built again."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from polytask.architectures.model import MultiTaskModel
from polytask.errors import ConfigError
from polytask.registry import find
from polytask.tasks import Task


@dataclass(frozen=True)
class NetworkPlan:
    """The parts of a network, by registry name.

    Attributes:
        encoder: Registry name of the encoder.
        input_shape: The shape of one input.
        encoder_options: The encoder's other arguments.
        facts: What the coding of the inputs tells encoders that ask for it, by the names of their arguments.
        architecture: Registry name of the way of sharing.
        hidden: Widths of the heads' hidden layers.
        initialisation: `framework`, `glorot` or `he`.

    Example:
        >>> from polytask.tasks import Binary
        >>> plan = NetworkPlan("mlp", (4,), {"hidden": (8,)})
        >>> NetworkPlan.from_dict(plan.to_dict()) == plan
        True
        >>> sum(p.numel() for p in plan.build((Binary(name="churn"),), seed=0).parameters())
        681
    """

    encoder: str
    input_shape: tuple[int, ...]
    encoder_options: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = "hard"
    hidden: tuple[int, ...] = (64,)
    initialisation: str = "framework"
    facts: Mapping[str, Any] = field(default_factory=dict)

    def build(self, tasks: Sequence[Task], seed: int) -> MultiTaskModel:
        """A new network.

        Raises:
            ConfigError: A name or an option that does not exist, or inputs that the encoder does not take.
        """
        kind = find("encoder", self.encoder).resolve()
        try:
            encoder = kind(self.input_shape, **self._asked_for(kind), **self.encoder_options)
        except TypeError as error:
            raise ConfigError("these options do not fit", where=f"encoder {self.encoder!r}", found=error) from None
        return MultiTaskModel(
            encoder, tasks, architecture=self.architecture, hidden=self.hidden, initialisation=self.initialisation, seed=seed
        )

    def _asked_for(self, encoder: type) -> dict[str, Any]:
        """The facts that an encoder has arguments for, unless they are given."""
        arguments = inspect.signature(encoder).parameters.keys() - self.encoder_options.keys()
        return {name: value for name, value in self.facts.items() if name in arguments}

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {name: _listed(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NetworkPlan:
        """What `to_dict` described."""
        options, facts = ({name: _tupled(value) for name, value in data[part].items()} for part in ("encoder_options", "facts"))
        rest = {name: _tupled(value) for name, value in data.items() if name not in ("encoder_options", "facts")}
        return cls(encoder_options=options, facts=facts, **rest)


def _listed(value: Any) -> Any:  # noqa: ANN401 - any plain value
    if isinstance(value, Mapping):
        return {name: _listed(inner) for name, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:  # noqa: ANN401 - any plain value
    return tuple(value) if isinstance(value, list) else value
