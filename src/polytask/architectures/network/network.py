"""Base class of networks: what training, prediction, studies and saved models ask of a network."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import unquote

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import ConflictCount
from polytask.architectures.network.source_buffers import SourceBuffers, shared_written_buffers
from polytask.data.input_entries import Inputs, join_entries
from polytask.tasks import Task, check_tasks


class FeaturesAndOutputs(NamedTuple):
    """Result of one forward pass.

    Attributes:
        features: Inputs of the heads per task; empty if the network does not tell its heads from the rest.
        outputs: Outputs (N, task.outputs) per task, or (N, L, task.outputs) for tokens.
    """

    features: dict[str, Tensor]
    outputs: dict[str, Tensor]


@dataclass(frozen=True)
class NetworkPart:
    """Part of a network whose parameters are all reached by the same tasks.

    Attributes:
        name: Name of the part.
        tasks: Names of the tasks whose losses reach the part.
        parameters: Number of parameters.
    """

    name: str
    tasks: tuple[str, ...]
    parameters: int


class Network(nn.Module, ABC):
    """Base class of networks, which map the inputs of one source to outputs per task.

    These members are all that training, balancing, prediction, studies and saved models ask of a network. A subclass implements the
    abstract ones. It overrides `penalty` and `discard_penalty` if it adds a penalty to the losses, and `describe_sharing` if it has
    weights that say how much is shared.

    Args:
        tasks: Tasks to predict.

    Attributes:
        tasks: Tasks that the network predicts; training replaces them by the tasks with what they learned from labels.
        labeled: Names of the tasks that each source labels, by source.
        source_buffers: Buffers that exist once per source.

    Raises:
        ConfigError: There is no task, or a name occurs twice.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.tasks: tuple[Task, ...] = check_tasks(tasks)
        self.labeled: Mapping[str, Sequence[str]] = {}

    source_buffers: SourceBuffers
    tells_features: ClassVar[bool] = True
    """Whether `features_and_outputs` returns the inputs of the heads, which some balancers work on."""
    records_penalty: bool = True
    """Whether forward passes may record something for `penalty`, so that `discard_penalty` has to be called before those of a step."""

    @abstractmethod
    def forward(self, inputs: Inputs, tasks: Sequence[str] | None = None, source: str = "") -> dict[str, Tensor]:
        """Compute the outputs of each of `tasks`, or of all tasks, from the inputs (N, ...) of one source."""

    def features_and_outputs(self, inputs: Inputs, tasks: Sequence[str], source: str = "") -> FeaturesAndOutputs:
        """Compute the outputs of each of `tasks` together with the inputs of the heads, for balancers that work on them.

        If the heads of a network are not known (`tells_features`), there are no such inputs.
        """
        if not self.source_buffers._modules:  # most networks: a context costs more than this question
            return self._run(inputs, tasks, source)
        with self.source_buffers.active(self, source):
            return self._run(inputs, tasks, source)

    @abstractmethod
    def example(self, source: str) -> Inputs:
        """Return an example of one input (1, ...) of a source."""

    @abstractmethod
    def input_module(self, source: str) -> nn.Module:
        """Return the module that takes the inputs of a source, some parts of which may adapt to the training rows."""

    @abstractmethod
    def input_shape_of(self, source: str) -> tuple[int, ...] | None:
        """Return the shape of one input of a source, or `None` if it is not known."""

    @abstractmethod
    def shared_parameters(self, *, trainable_only: bool = True) -> dict[str, nn.Parameter]:
        """Return the parameters that more than one task's loss can reach, by name; frozen ones only with `trainable_only=False`."""

    @abstractmethod
    def private_parameters(self, task: str) -> list[nn.Parameter]:
        """Return the parameters that only this task's loss can reach.

        Raises:
            ConfigError: The network has no such task.
        """

    @abstractmethod
    def parts(self) -> tuple[NetworkPart, ...]:
        """Return the largest parts whose parameters are all reached by the same tasks, in network order."""

    def is_needed(self, parameter: str, tasks: Sequence[str]) -> bool:
        """Return whether predictions of `tasks` depend on a parameter; only asked of those that a forward pass for them may use."""
        del parameter, tasks
        return True

    def penalty(self) -> Tensor | None:
        """Return the scalar penalty of the forward passes since the last call, which is added outside the balancer; `None` for none."""
        return None

    def discard_penalty(self) -> None:
        """Discard what forward passes have recorded for the penalty."""

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return what was learned about sharing, by name and task."""
        return {}

    def wants_gradient_conflicts(self) -> ConflictCount | None:
        """Return the request to count gradient conflicts before training, or `None` if there is nothing to count."""
        return None

    def adopt_conflicts(self, shares: Mapping[str, float]) -> None:
        """Change the network according to the share of conflicts of each layer, as requested by `wants_gradient_conflicts`."""

    def learned_plan(self) -> Mapping[str, Any]:
        """Return the options of the network's plan that training has changed, by name."""
        return {}

    def accepts_channels_last(self) -> bool:
        """Return whether the network can compute with the memory format `channels_last`."""
        return True

    def accepts_float64(self) -> bool:
        """Return whether the network can compute with parameters and inputs of float64."""
        return True

    def separate_buffers(self, sources: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        """Give every source its own copy of the buffers of those modules that write buffers in forward passes of several sources.

        A forward pass in training mode with an example of every source shows which modules these are. Buffers that a module names in its
        attribute `source_independent_buffers` stay common to all sources, such as a temperature that follows a schedule. The copies start
        from the present values, and sources that have copies keep them. With a single source nothing changes.

        Args:
            sources: Names of the tasks that are predicted from the inputs of each source, by source.

        Returns:
            Paths of the buffers that exist once per source.

        Example:
            >>> import torch
            >>> from polytask.architectures import MultiTaskModel
            >>> from polytask.encoders import ModuleEncoder
            >>> from polytask.tasks import Binary
            >>> model = MultiTaskModel(ModuleEncoder(torch.nn.BatchNorm1d(2), (2,)), (Binary(name="a"), Binary(name="b")))
            >>> [path.rpartition(".")[2] for path in model.separate_buffers({"first": ["a"], "second": ["b"]})]
            ['running_mean', 'running_var', 'num_batches_tracked']
            >>> model(torch.randn(8, 2) + 5, ["a"], "first")["a"].shape  # updates the statistics of the first source
            torch.Size([8, 1])
        """
        written: Sequence[str] = ()
        if len(sources) > 1 and self._may_write_buffers():
            written = shared_written_buffers(self, {name: partial(self._run_example, name, tasks) for name, tasks in sources.items()})
            self.discard_penalty()
        self.source_buffers.add(self, sources, written)
        return self.source_buffers.paths

    def for_source(self, source: str) -> Self:
        """Return a copy of the network with the buffers of a source in its modules, which needs no source any more.

        Use it to take a part out of a network that several sources share, such as its encoder: between forward passes the modules of a
        network with several sources hold the values with which the sets of its sources began.

        Args:
            source: Name of the source.

        Raises:
            ConfigError: Sources have buffers of their own, and this one is not among them.

        Example:
            >>> import torch
            >>> from polytask.architectures import MultiTaskModel
            >>> from polytask.encoders import ModuleEncoder
            >>> from polytask.tasks import Binary
            >>> model = MultiTaskModel(ModuleEncoder(torch.nn.BatchNorm1d(2), (2,)), (Binary(name="a"), Binary(name="b")))
            >>> _ = model.separate_buffers({"first": ["a"], "second": ["b"]})
            >>> _ = model(torch.ones(8, 2), ["a"], "first")
            >>> model.for_source("first").architecture.encoder.module.running_mean
            tensor([0.1000, 0.1000])
        """
        own = copy.deepcopy(self)
        own.source_buffers.settle(own, source)
        return own

    def buffers_of(self, source: str) -> AbstractContextManager[None]:
        """Return a context in which the buffers of a source are in the network; most networks have none of that kind."""
        return self.source_buffers.active(self, source) if self.source_buffers._modules else nullcontext()

    def _may_write_buffers(self) -> bool:
        """Return whether there are buffers that a forward pass may write to."""
        return any(True for _ in self.buffers())

    def _run_example(self, source: str, tasks: Sequence[str]) -> None:
        """Run two equal rows of a source, with the buffers that are in the network."""
        example = self.example(source)
        self._run(join_entries(torch.cat, [example, example]), tasks, source)

    @abstractmethod
    def _run(self, inputs: Inputs, tasks: Sequence[str], source: str) -> FeaturesAndOutputs:
        """Run the network with the buffers that are in it."""


def largest_parts(module: nn.Module, reached_by: Callable[[str], tuple[str, ...]], prefix: str = "") -> Iterator[NetworkPart]:
    """Yield the largest modules that the same tasks reach throughout, descending into those that different tasks reach.

    Args:
        module: Module whose parts are named.
        reached_by: Function that returns the tasks that reach a parameter, given its name.
        prefix: Text before the name of a parameter within `module`, for that function.
    """
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        named = list(child.named_parameters())
        reached = {reached_by(f"{path}.{inner}") for inner, _ in named}
        if len(reached) == 1:
            yield NetworkPart(unquote(path.replace("head_", "")), reached.pop(), sum(parameter.numel() for _, parameter in named))
        elif named:
            yield from largest_parts(child, reached_by, f"{path}.")
    for name, parameter in module.named_parameters(recurse=False):
        yield NetworkPart(f"{prefix}{name}", reached_by(f"{prefix}{name}"), parameter.numel())
