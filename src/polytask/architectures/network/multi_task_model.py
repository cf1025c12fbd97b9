"""Complete multi-task network: an architecture and one head per task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, ConflictCount
from polytask.architectures.encoder_stages import number_layer_groups
from polytask.architectures.network.network import FeaturesAndOutputs, Network, NetworkPart, largest_parts
from polytask.architectures.network.source_buffers import SourceBuffers
from polytask.architectures.network.source_stems import Stem
from polytask.architectures.network.task_heads import SelectSummary, SelectTokens, build_head
from polytask.architectures.submodule_keys import module_key
from polytask.encoders import Encoder, ModuleEncoder
from polytask.encoders.initial_weights import initialize
from polytask.errors import ConfigError
from polytask.registry import Resolved, spelled_as
from polytask.registry.resolve import described, resolve
from polytask.seeds import derive_seed
from polytask.tasks import Task


class MultiTaskModel(Network):
    """Multi-task network of an encoder, an architecture that shares it, and one head per task.

    A forward pass takes the inputs of one source: an absent source then does not change the other tasks' update by a single bit, and
    the cost is that of one forward pass over all sources concatenated.

    Parameters are initialized from separate random streams: one for the architecture and one per head, keyed by the task's name. So
    adding or removing a task does not change the initial values of the others. The encoder keeps its parameters, pretrained or not,
    unless an initialization is named.

    Buffers that forward passes write, such as the running statistics of batch normalization, exist once per source where the forward
    passes of several sources write them, since one set would fit none of them in evaluation mode; parameters are shared all the same
    (domain-specific batch normalization without its affine part: Chang et al., CVPR 2019). `fit` sees to that, and `separate_buffers` in
    a loop of your own. The network then has to be told the source of its inputs, in training and in evaluation mode.

    Args:
        encoder: Encoder that maps inputs to features: an object, which becomes part of the network and is not copied; or a registry name
            or import path, with options if any, or a class, which needs `input_shape`. Any PyTorch module, or a class or function that
            makes one, is an encoder too, whose width is measured with an example.
        tasks: Tasks to predict.
        architecture: Architecture as a registry name, with options in parentheses if it has any, such as `mmoe(experts=8)`; as an import
            path; as a class; or as an object, which serves as the template of a new one for this encoder and these tasks.
        hidden: Widths of the heads' hidden layers.
        stems: Stems of sources whose inputs have another form, by source; they map inputs to the form that the encoder takes.
        initialization: `framework`, `glorot` or `he` initialize all parameters from the seed, including those of the encoder; `None`
            keeps the encoder and initializes heads as under `framework`.
        seed: Root seed of the random streams.
        input_shape: Shape of one input, for an encoder that is not an object yet; its parameters are initialized from the seed.

    Raises:
        ConfigError: There is no task, a name occurs twice or is unknown, the architecture needs a kind of task that none has, or an
            encoder has no `input_shape` or another one.

    Example:
        >>> import torch
        >>> from polytask.encoders import MLP
        >>> from polytask.tasks import Binary, Regression
        >>> model = MultiTaskModel(MLP((4,), hidden=(8,)), (Binary(name="churn"), Regression(name="value")))
        >>> {task: tuple(outputs.shape) for task, outputs in model(torch.zeros(3, 4)).items()}
        {'churn': (3, 1), 'value': (3, 1)}
    """

    def __init__(
        self,
        encoder: str | Callable[..., nn.Module] | nn.Module,
        tasks: Sequence[Task],
        *,
        architecture: str | type[Architecture] | Architecture | Resolved = "hard",
        hidden: Sequence[int] = (64,),
        stems: Mapping[str, Stem] | None = None,
        initialization: str | None = None,
        seed: int = 0,
        input_shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__(tasks)
        tasks = self.tasks
        names = tuple(task.name for task in tasks)
        if not isinstance(encoder, nn.Module):
            initialization = initialization or "framework"
        encoder = _make_encoder(encoder, input_shape)
        number_layer_groups(encoder)
        found = resolve("architecture", architecture)
        check_kinds(found, tasks)
        self.architecture_spec = architecture if isinstance(architecture, str) else spelled_as(found.name, found.options)
        self.architecture: Architecture = found.build(encoder, names)
        self.architecture.check_tasks(tasks)
        self.records_penalty = type(self.architecture).discard_penalty is not Architecture.discard_penalty
        self._head_keys = {name: module_key(name) for name in names}
        self.heads = nn.ModuleDict({module_key(task.name): self._new_head(task, encoder, hidden) for task in tasks})
        self.stems = nn.ModuleDict({module_key(source): stem for source, stem in (stems or {}).items()})
        self.source_buffers = SourceBuffers()
        self.labeled = dict.fromkeys(stems or {}, names)
        if initialization is not None:
            for source, stem in (stems or {}).items():
                initialize(stem, initialization, derive_seed(seed, "initialisation", "stem", source))
            for stream, module in self.architecture.initialization_streams():
                initialize(module, initialization, derive_seed(seed, "initialisation", *stream))
        for name in names:
            initialize(self.head(name), initialization or "framework", derive_seed(seed, "initialisation", "head", name))

    def _new_head(self, task: Task, encoder: Encoder, hidden: Sequence[int]) -> nn.Module:
        if task.per_token and not encoder.tokens:
            found = f"{type(encoder).__name__}, which has none"
            remedy = "Choose an encoder of sequences, such as text"
            raise ConfigError("this task needs features of every token", where=f"task {task.name!r}", found=found, remedy=remedy)
        looks_at = (SelectTokens() if task.per_token else SelectSummary()) if encoder.tokens else None
        return build_head(self.architecture.head_width(task.name, hidden), task.outputs, hidden, looks_at)

    def head(self, task: str) -> nn.Module:
        """Return the head of a task.

        Raises:
            ConfigError: The network has no such task.
        """
        if module_key(task) not in self.heads:
            known = ", ".join(known.name for known in self.tasks)
            raise ConfigError("the network has no such task", where=f"task {task!r}", remedy=f"Choose from: {known}")
        return self.heads[module_key(task)]

    def shared_parameters(self, *, trainable_only: bool = True) -> dict[str, nn.Parameter]:
        """Return the parameters that more than one task's loss can reach, by name; frozen ones only with `trainable_only=False`."""
        named = self.architecture.named_parameters()
        found = {name: p for name, p in named if len(self.architecture.tasks_reaching(name)) > 1}
        for task in self.tasks:
            if len(self.tasks_reaching_head(task.name)) > 1:
                named = self.shared_part_of_head(task.name).named_parameters()
                found |= {f"head of {task.name}, {name}": p for name, p in named}
        for source, tasks in self.labeled.items():
            stem = self.stem(source)
            if stem is not None and len(tasks) > 1:
                found |= {f"stem of {source}, {name}": p for name, p in stem.named_parameters()}
        return {name: p for name, p in found.items() if p.requires_grad or not trainable_only}

    def private_parameters(self, task: str) -> list[nn.Parameter]:
        """Return the parameters that only this task's loss can reach: those of its head, and of its part of the architecture.

        Raises:
            ConfigError: The network has no such task.
        """
        named = self.architecture.named_parameters()
        own = [*self.head(task).parameters(), *(p for name, p in named if self.architecture.tasks_reaching(name) == (task,))]
        shared = {id(parameter) for parameter in self.shared_parameters(trainable_only=False).values()}
        return [parameter for parameter in own if id(parameter) not in shared]

    def parts(self) -> tuple[NetworkPart, ...]:
        """Return the largest parts whose parameters are all reached by the same tasks: stems, parts of the architecture, and heads."""
        stems = {source: stem for source in self.labeled if (stem := self.stem(source)) is not None}
        found = [NetworkPart(f"stem of {source}", tuple(self.labeled[source]), _size(stem)) for source, stem in stems.items()]
        found += largest_parts(self.architecture, self.architecture.tasks_reaching)
        for task in self.tasks:
            count, shared = _size(self.head(task.name)), _size(self.shared_part_of_head(task.name))
            tasks = self.tasks_reaching_head(task.name)
            if len(tasks) == 1:
                found.append(NetworkPart(f"head of {task.name}", tasks, count))
                continue
            pieces = {f"head of {task.name}": (tasks, shared), f"last layer of {task.name}": ((task.name,), count - shared)}
            found += [NetworkPart(name, reached, size) for name, (reached, size) in pieces.items() if size]
        return tuple(found)

    def tasks_reaching_head(self, task: str) -> tuple[str, ...]:
        """Return the tasks whose losses can reach the head of a task."""
        return tuple(other.name for other in self.tasks if task in self.architecture.reachable_heads(other.name))

    def shared_part_of_head(self, task: str) -> nn.Module:
        """Return the part of a head that other tasks reach, if any does: all of it, or all but its last layer."""
        head = cast("nn.Sequential", self.head(task))
        return head if self.architecture.heads_fully_shared else head[:-1]

    def stem(self, source: str) -> Stem | None:
        """Return the stem of a source, or `None` if it has none."""
        return cast("Stem", self.stems[module_key(source)]) if module_key(source) in self.stems else None

    def input_module(self, source: str) -> nn.Module:
        """Return the stem of a source, or the architecture if it has none."""
        return self.stem(source) or self.architecture

    def input_shape_of(self, source: str) -> tuple[int, ...] | None:
        """Return the shape of one input of a source, or `None` if the architecture does not tell its encoder."""
        shape: tuple[int, ...] | None = getattr(self.stem(source) or getattr(self.architecture, "encoder", None), "input_shape", None)
        return shape

    def penalty(self) -> Tensor | None:
        """Return the penalty of the architecture."""
        return self.architecture.penalty()

    def discard_penalty(self) -> None:
        """Discard what forward passes have recorded for the penalty of the architecture."""
        self.architecture.discard_penalty()

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return what the architecture has learned about sharing."""
        return self.architecture.describe_sharing()

    def wants_gradient_conflicts(self) -> ConflictCount | None:
        """Return the request of the architecture."""
        return self.architecture.wants_gradient_conflicts()

    def adopt_conflicts(self, shares: Mapping[str, float]) -> None:
        """Let the architecture split layers by their share of conflicts."""
        wanted = self.wants_gradient_conflicts()
        if wanted is not None:
            self.architecture_spec = wanted.adopt(shares)

    def learned_plan(self) -> Mapping[str, Any]:
        """Return the specification of the architecture, which may have split layers."""
        return {"architecture": self.architecture_spec}

    def example(self, source: str) -> Tensor:
        """Return an example of one input (1, ...) of a source."""
        stem = self.stem(source)
        return self.architecture.example[:1] if stem is None else stem.encoder.example(1)

    def _may_write_buffers(self) -> bool:
        return any(buffer is not self.architecture.example for buffer in self.buffers())

    def _run(self, inputs: Tensor, tasks: Sequence[str], source: str) -> FeaturesAndOutputs:
        features = self._features(inputs, tasks, source)
        return FeaturesAndOutputs(features, self._outputs(features))

    def features(self, inputs: Tensor, tasks: Sequence[str], source: str = "") -> dict[str, Tensor]:
        """Compute the inputs of the heads, for each of `tasks`: the first half of `forward`."""
        with self.buffers_of(source):
            return self._features(inputs, tasks, source)

    def _features(self, inputs: Tensor, tasks: Sequence[str], source: str) -> dict[str, Tensor]:
        stem = self.stem(source)
        found: dict[str, Tensor] = self.architecture(inputs if stem is None else stem(inputs), tasks)
        return found

    def forward(self, inputs: Tensor, tasks: Sequence[str] | None = None, source: str = "") -> dict[str, Tensor]:
        """Compute outputs (N, task.outputs), or (N, L, task.outputs) for tokens, of each task from the inputs of one source.

        Args:
            inputs: Inputs (N, ...) in the form that the source's stem or, without one, the encoder takes.
            tasks: Names of the tasks to predict; `None` predicts all.
            source: Name of the source of the inputs; only needed if sources have stems or buffers of their own.

        Raises:
            ConfigError: Sources have buffers of their own, and this one is not among them.
        """
        wanted = tuple(task.name for task in self.tasks) if tasks is None else tasks
        return self.outputs(self.features(inputs, wanted, source), source)

    def outputs(self, features: Mapping[str, Tensor], source: str = "") -> dict[str, Tensor]:
        """Compute the outputs of each task from its features: the second half of `forward`."""
        with self.buffers_of(source):
            return self._outputs(features)

    def _outputs(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        heads = {name: cast("nn.Sequential", self.heads._modules[key]) for name, key in self._head_keys.items()}
        for task in features:
            if task not in heads:
                self.head(task)  # raises the error
        return self.architecture.outputs(features, heads)


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _make_encoder(given: str | Callable[..., nn.Module] | nn.Module, input_shape: Sequence[int] | None) -> Encoder:
    """Return the given encoder, or create it for inputs of a shape.

    Raises:
        ConfigError: The name is unknown, the value is not an encoder, or the shape is missing or differs from that of the encoder.
    """
    if isinstance(given, Encoder):
        if input_shape is not None and tuple(input_shape) != tuple(given.input_shape):
            what = f"the encoder takes inputs of shape {tuple(given.input_shape)}"
            raise ConfigError(what, where="input_shape", found=tuple(input_shape), remedy="Leave input_shape out")
        return given
    found = None if isinstance(given, nn.Module) else resolve("encoder", given, where="encoder")
    if input_shape is None:
        what = "an encoder that does not tell it needs the shape of one input"
        raise ConfigError(what, where="encoder", found=described(given), remedy="Give input_shape=, such as input_shape=(16,)")
    if found is None:
        return ModuleEncoder(cast("nn.Module", given), tuple(input_shape))
    made: Encoder = found.build(tuple(input_shape))
    return made


def check_kinds(architecture: Resolved, tasks: Sequence[Task]) -> None:
    """Check that several tasks include one of a kind that the architecture is for; a network of one task shares nothing anyway.

    Raises:
        ConfigError: None of several tasks is of such a kind.
    """
    kinds = architecture.spec.kinds
    own = {getattr(cls, "kind", "") for task in tasks for cls in type(task).__mro__}
    if kinds and len(tasks) > 1 and own.isdisjoint(kinds):
        found = ", ".join(dict.fromkeys(task.kind for task in tasks))
        what = f"a task of this kind is needed: {' or '.join(kinds)}"
        raise ConfigError(what, where=f"architecture {architecture.name!r}", found=found, remedy="Choose another architecture")


def build_architecture(given: str | type[Architecture] | Architecture | Resolved, encoder: Encoder, tasks: Sequence[str]) -> Architecture:
    """Build an architecture from a name, an import path, a class or an object.

    Raises:
        ConfigError: The name is unknown, options do not fit, or the encoder lacks what the architecture needs.

    Example:
        >>> from polytask.encoders import MLP
        >>> len(build_architecture("mmoe(experts=3)", MLP((4,)), ("a", "b")).experts)
        3
    """
    architecture: Architecture = resolve("architecture", given).build(encoder, tasks)
    return architecture
