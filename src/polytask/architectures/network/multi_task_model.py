"""A whole multi-task network: an architecture and a head per task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn

from polytask.architectures.architecture import Architecture
from polytask.architectures.encoder_stages import number_layer_groups
from polytask.architectures.module_names import module_key
from polytask.architectures.network.source_stems import Stem
from polytask.architectures.network.task_heads import SelectSummary, SelectTokens, build_head
from polytask.encoders import Encoder
from polytask.encoders.initialization import initialize
from polytask.errors import ConfigError
from polytask.registry import Resolved, spelled_as
from polytask.registry.resolve import resolve
from polytask.seeds import derive_seed
from polytask.tasks import Task


class MultiTaskModel(nn.Module):
    """Encoder, a way of sharing it, and a head per task.

    It takes the inputs of one source at a time: an absent source then changes no bit of the other tasks' update, and the
    cost is that of one concatenated forward.

    Parameters start from streams of their own: one for the architecture, one per head, keyed by the task's name. So a
    task more or less changes nobody else's start. The encoder stays as it is given, pretrained or not, unless an
    initialization is named.

    Args:
        encoder: Turns inputs into features; a part of the network from now on.
        tasks: What to predict.
        architecture: A way of sharing: its registry name, with options in parentheses if it has any, as `mmoe(experts=8)`; its import path;
            a class; or an object, of which another one is made for this encoder and these tasks.
        hidden: Widths of the heads' hidden layers.
        stems: Per source whose inputs have a form of their own, what brings them into the form that the encoder takes.
        initialization: `framework`, `glorot` or `he` draw all parameters from the seed, those of the encoder too; None
            keeps the encoder, and heads start as under `framework`.
        seed: Root of the random streams.

    Raises:
        ConfigError: No task, one twice, or an unknown name.

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
        encoder: Encoder,
        tasks: Sequence[Task],
        *,
        architecture: str | type[Architecture] | Architecture | Resolved = "hard",
        hidden: Sequence[int] = (64,),
        stems: Mapping[str, Stem] | None = None,
        initialization: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        names = tuple(task.name for task in tasks)
        if not names or len(set(names)) < len(names):
            raise ConfigError("at least one task, each name once, is needed", where="tasks", found=names)
        self.tasks = tuple(tasks)
        number_layer_groups(encoder)
        found = resolve("architecture", architecture)
        self.architecture_spec = architecture if isinstance(architecture, str) else spelled_as(found.name, found.options)
        self.architecture: Architecture = found.build(encoder, names)
        self.architecture.check_tasks(tasks)
        self.heads = nn.ModuleDict({module_key(task.name): self._new_head(task, encoder, hidden) for task in tasks})
        self.stems = nn.ModuleDict({module_key(source): stem for source, stem in (stems or {}).items()})
        self.labeled: Mapping[str, Sequence[str]] = dict.fromkeys(stems or {}, names)
        if initialization is not None:
            for source, stem in (stems or {}).items():
                initialize(stem, initialization, derive_seed(seed, "initialisation", "stem", source))
            for stream, module in self.architecture.initialization_streams():
                initialize(module, initialization, derive_seed(seed, "initialisation", *stream))
        for name in names:
            initialize(self.head(name), initialization or "framework", derive_seed(seed, "initialisation", "head", name))

    def _new_head(self, task: Task, encoder: Encoder, hidden: Sequence[int]) -> nn.Module:
        if task.per_token and not encoder.tokens:
            found = f"{type(encoder).__name__}, which gives none"
            remedy = "Take an encoder of sequences, such as text"
            raise ConfigError("this task needs features of every token", where=f"task {task.name!r}", found=found, remedy=remedy)
        looks_at = (SelectTokens() if task.per_token else SelectSummary()) if encoder.tokens else None
        return build_head(self.architecture.head_width(task.name, hidden), task.outputs, hidden, looks_at)

    def head(self, task: str) -> nn.Module:
        """The head of that task.

        Raises:
            ConfigError: The network has no such task.
        """
        if module_key(task) not in self.heads:
            known = ", ".join(known.name for known in self.tasks)
            raise ConfigError("the network has no such task", where=f"task {task!r}", remedy=f"Choose from: {known}")
        return self.heads[module_key(task)]

    def shared_parameters(self, *, trainable_only: bool = True) -> dict[str, nn.Parameter]:
        """The trainable parameters that more than one task's loss can reach, by name; with `trained=False` the frozen ones too."""
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

    def tasks_reaching_head(self, task: str) -> tuple[str, ...]:
        """Which tasks' losses can reach the head of that task."""
        return tuple(other.name for other in self.tasks if task in self.architecture.reachable_heads(other.name))

    def shared_part_of_head(self, task: str) -> nn.Module:
        """The part of a head that other tasks reach, if any does: all of it, or all but its last layer."""
        head = cast("nn.Sequential", self.head(task))
        return head if self.architecture.heads_fully_shared else head[:-1]

    def stem(self, source: str) -> Stem | None:
        """The stem of that source, if it has one."""
        return cast("Stem", self.stems[module_key(source)]) if module_key(source) in self.stems else None

    def example(self, source: str) -> Tensor:
        """One input (1, ...) such as that source has."""
        stem = self.stem(source)
        return self.architecture.example[:1] if stem is None else stem.encoder.example(1)

    def features(self, inputs: Tensor, tasks: Sequence[str], source: str = "") -> dict[str, Tensor]:
        """What heads look at, for each of `tasks`: the first half of `forward`."""
        stem = self.stem(source)
        found: dict[str, Tensor] = self.architecture(inputs if stem is None else stem(inputs), tasks)
        return found

    def forward(self, inputs: Tensor, tasks: Sequence[str] | None = None, source: str = "") -> dict[str, Tensor]:
        """Outputs (N, task.outputs), of tokens (N, L, task.outputs), per task, from the inputs (N, ...) of one source.

        Args:
            inputs: As the encoder takes them.
            tasks: The tasks wanted; all by default.
            source: Whose inputs they are, where sources have stems.
        """
        wanted = tuple(task.name for task in self.tasks) if tasks is None else tasks
        return self.outputs(self.features(inputs, wanted, source))

    def outputs(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Outputs per task from what the architecture gives for each: the second half of `forward`."""
        for task in features:
            self.head(task)  # refuses what is no task
        return self.architecture.outputs(features, {task.name: cast("nn.Sequential", self.head(task.name)) for task in self.tasks})


def build_architecture(given: str | type[Architecture] | Architecture | Resolved, encoder: Encoder, tasks: Sequence[str]) -> Architecture:
    """A way of sharing as users give it.

    Raises:
        ConfigError: An unknown name, options that do not fit, or an encoder that lacks what it needs.

    Example:
        >>> from polytask.encoders import MLP
        >>> len(build_architecture("mmoe(experts=3)", MLP((4,)), ("a", "b")).experts)
        3
    """
    architecture: Architecture = resolve("architecture", given).build(encoder, tasks)
    return architecture
