"""Plans of networks: plain data from which the same network can be built again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import Tensor

from polytask.architectures.memory_check import check_memory, planned_parameters
from polytask.architectures.network.multi_task_model import MultiTaskModel
from polytask.architectures.network.source_stems import Stem
from polytask.encoders import Encoder
from polytask.encoders.initial_weights import seeded
from polytask.errors import ConfigError
from polytask.registry import spelled_as
from polytask.registry.parsing import import_paths_in
from polytask.registry.resolve import as_component, classes_in, resolve
from polytask.seeds import derive_seed
from polytask.tasks import Task


@dataclass(frozen=True)
class EncoderPlan:
    """Plan of an encoder.

    Attributes:
        encoder: Registry name or import path of the encoder.
        input_shape: Shape of one input.
        options: Other arguments of the encoder.
        facts: Facts about the preprocessed inputs, by name of the argument; an encoder gets those that it has an argument for.
    """

    encoder: str
    input_shape: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def build(self, components: Collection[type] | None = None) -> Encoder:
        """Build a new encoder.

        Args:
            components: Only classes that import paths may name; `None` allows all import paths.

        Raises:
            ConfigError: A name or an option does not exist, or the encoder does not support the inputs.
        """
        found = resolve("encoder", self.encoder, imports=components is None, components=components or ())
        asked_for = inspect.signature(found.cls).parameters
        told = {name: value for name, value in self.facts.items() if name in asked_for}
        encoder: Encoder = replace(found, options={**found.options, **self.options}).build(self.input_shape, **told)
        return encoder


@dataclass(frozen=True)
class NetworkPlan:
    """Plan of a network.

    Attributes:
        encoder: Registry name or import path of the encoder.
        input_shape: Shape of one input of the encoder.
        encoder_options: Other arguments of the encoder.
        architecture: Registry name or import path of the architecture, with its options.
        hidden: Widths of the heads' hidden layers.
        initialization: Initialization scheme, `framework`, `glorot` or `he`.
        facts: Facts about the preprocessed inputs, by name of the argument; the encoder gets those that it has an argument for.
        stems: Plans of the encoders that precede the common one, by source, for sources with inputs of another form.

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
    initialization: str = "framework"
    facts: Mapping[str, Any] = field(default_factory=dict)
    stems: Mapping[str, EncoderPlan] = field(default_factory=dict)

    def build(self, tasks: Sequence[Task], seed: int, components: Collection[Callable[..., Any]] | None = None) -> MultiTaskModel:
        """Build a new network.

        Args:
            tasks: Tasks that the network predicts.
            seed: Root seed of the random streams.
            components: Only classes that import paths may name, for plans that come from a file; `None` allows all import paths.

        Raises:
            ConfigError: A name or an option does not exist, or the encoder does not support the inputs.
        """
        classes = _component_classes(components)
        if self._ships(classes):  # code of users runs once
            check_memory(lambda: self._built(tasks, seed, classes), 3 if classes is None else 1, str(self))
        return self._built(tasks, seed, classes)

    def check_size(self, tasks: Sequence[Task], components: Collection[Callable[..., Any]], weights: Mapping[str, Tensor]) -> None:
        """Check that a stored network is no larger than its weights, before any of it is allocated.

        Args:
            tasks: Tasks that the network predicts.
            components: Only classes that import paths may name.
            weights: Stored weights.

        Raises:
            ConfigError: The network has more parameters than there are weights.
        """
        classes = _component_classes(components)
        needed = planned_parameters(lambda: self._built(tasks, 0, classes)) if self._ships(classes) else None
        there = sum(weight.numel() for weight in weights.values())
        if needed is not None and needed > there:
            raise ConfigError("the weights do not fit the network", where=str(self), found=f"{there} weights for {needed} parameters")

    def _ships(self, classes: Collection[type] | None) -> bool:
        """Return whether the encoder and the architecture are polytask's own."""
        parts = (("encoder", self.encoder), ("architecture", self.architecture))
        found = [resolve(group, name, imports=classes is None, components=classes or ()) for group, name in parts]
        return all(part.cls.__module__.startswith("polytask.") for part in found)

    def _built(self, tasks: Sequence[Task], seed: int, classes: Collection[type] | None) -> MultiTaskModel:
        with seeded(derive_seed(seed, "initialisation", "encoder")):
            encoder = EncoderPlan(self.encoder, self.input_shape, self.encoder_options, self.facts).build(classes)
        architecture = resolve("architecture", self.architecture, imports=classes is None, components=classes or ())
        return MultiTaskModel(
            encoder,
            tasks,
            architecture=architecture,
            hidden=self.hidden,
            stems={source: Stem(plan.build(classes), self.input_shape) for source, plan in self.stems.items()},
            initialization=self.initialization,
            seed=seed,
        )

    def __str__(self) -> str:
        return f"{self.encoder} and {self.architecture}"

    def with_parts(self, architecture: str, encoder: str | Mapping[str, Any], where: str) -> NetworkPlan:
        """Return the plan with another architecture and encoder.

        Args:
            architecture: Architecture as users write it; empty keeps that of the plan.
            encoder: Encoder as users write it, or options that are added to those of the plan's encoder.
            where: Location of the two; no error names it, as every plan has these parts.
        """
        del where
        plan = replace(self, architecture=architecture or self.architecture)
        if isinstance(encoder, str):
            found = resolve("encoder", encoder)
            return replace(plan, encoder=found.name, encoder_options=dict(found.options))
        options = {name: tuple(value) if isinstance(value, list) else value for name, value in encoder.items()}
        return replace(plan, encoder_options={**self.encoder_options, **options})

    @property
    def import_paths(self) -> tuple[str, ...]:
        """Import paths of the components that are not registered."""
        return tuple(path for name in self.component_names for path in import_paths_in(name))

    def components(self) -> tuple[type, ...]:
        """Import the classes that are not registered.

        Raises:
            ConfigError: A class cannot be imported.
        """
        return classes_in(*self.component_names)

    @property
    def component_names(self) -> tuple[str, ...]:
        """Encoder, architecture and the encoders of sources, as files store them."""
        return (self.encoder, self.architecture, *(stem.encoder for stem in self.stems.values()))

    def without_initialization(self) -> NetworkPlan:
        """Return the plan without options that only set initial values, for a network whose parameters are loaded afterwards."""
        started = getattr(resolve("encoder", self.encoder).cls, "initialization_options", ())
        return replace(self, encoder_options={name: value for name, value in self.encoder_options.items() if name not in started})

    def for_sources(self, sources: Sequence[str]) -> NetworkPlan:
        """Return the plan of a network for these sources only."""
        return replace(self, stems={source: plan for source, plan in self.stems.items() if source in sources})

    def without_tasks(self, absent_tasks: Collection[str]) -> NetworkPlan:
        """Return the plan of a network without some tasks: options that name tasks, such as edges, leave them out.

        Example:
            >>> NetworkPlan("mlp", (4,), architecture="task-graph(edges=[[click, buy]])").without_tasks(["click"]).architecture
            'task-graph(edges=[])'
        """
        found = resolve("architecture", self.architecture)
        left = found.cls.options_without_tasks(found.options, absent_tasks)
        return self if left == found.options else replace(self, architecture=spelled_as(found.name, left))

    def input_shape_of(self, source: str) -> tuple[int, ...]:
        """Return the shape of one input of a source."""
        return self.stems[source].input_shape if source in self.stems else self.input_shape

    def to_dict(self) -> dict[str, Any]:
        """Convert the plan to plain data."""
        return {name: _to_lists(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NetworkPlan:
        """Create a plan from the result of `to_dict`."""
        plain = _to_tuples(data)
        stems = {source: EncoderPlan(**_to_tuples(stem)) for source, stem in data["stems"].items()}
        return cls(**{**plain, "stems": stems})


def _component_classes(components: Collection[Callable[..., Any]] | None) -> list[type] | None:
    made = None if components is None else [as_component("encoder", one) for one in components]
    return None if made is None else [one for one in made if isinstance(one, type)]


def _to_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    """Convert lists to tuples, two levels deep: JSON has only lists."""
    return {
        name: {inner: _to_tuple(one) for inner, one in value.items()} if isinstance(value, Mapping) else _to_tuple(value)
        for name, value in data.items()
    }


def _to_lists(value: Any) -> Any:  # noqa: ANN401 - any plain value
    if isinstance(value, Mapping):
        return {name: _to_lists(inner) for name, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _to_tuple(value: Any) -> Any:  # noqa: ANN401 - any plain value
    return tuple(value) if isinstance(value, list) else value
