"""What every way of sharing has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from polytask.encoders import Encoder
from polytask.encoders.evaluation_mode import eval_mode
from polytask.registry import Component
from polytask.tasks import Task

StreamName = tuple[str | int, ...]


class ConflictCount(NamedTuple):
    """A first phase of training, in which a way of sharing has conflicts between tasks' gradients counted on a copy of the network.

    Attributes:
        layers: Per layer its parameters.
        conflict_threshold: Two gradients conflict in a layer where their cosine is below this.
        epochs: How long the copy is trained.
        adopt: Takes per layer the share of conflicts, changes the network accordingly, and says how it is spelled from then on.
    """

    layers: Mapping[str, Sequence[nn.Parameter]]
    conflict_threshold: float
    epochs: int
    adopt: Callable[[Mapping[str, float]], str]


class Architecture(Component, nn.Module, ABC):
    """How tasks share encoders: inputs of one source in, features per task out.

    A way of sharing implements `width` and `forward`, and the hooks `initialization_streams`, `penalty` and `describe_sharing` if it has
    several
    encoders, a penalty, or weights that say how much is shared; `outputs`, `reachable_heads` and `head_width` if heads depend on heads.

    Args:
        tasks: The names of the tasks.
        encoder: What is shared; its `example` shows what inputs look like.
    """

    component_group = "architecture"
    component_context = ("encoder", "tasks")
    example: Tensor

    def __init__(self, tasks: Sequence[str], encoder: Encoder) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.register_buffer("example", encoder.example(2), persistent=False)

    @classmethod
    def options_without_tasks(cls, options: Mapping[str, Any], absent_tasks: Collection[str]) -> dict[str, Any]:
        """The options of a network that has not these tasks: those that name tasks leave them out.

        Args:
            options: Of a network that has them.
            absent_tasks: Names of tasks.
        """
        del absent_tasks
        return dict(options)

    @abstractmethod
    def width(self, task: str) -> int:
        """The width of the features that the task's head gets."""

    @abstractmethod
    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Features (N, width) for each of `tasks`, from the inputs (N, ...) of one source."""

    def check_tasks(self, tasks: Sequence[Task]) -> None:
        """Refuse kinds of tasks that it is not made for, or take note of them."""
        del tasks

    def head_width(self, task: str, hidden: Sequence[int]) -> int:
        """How much the task's head sees, where heads have hidden layers of these widths."""
        del hidden
        return self.width(task)

    def outputs(self, features: Mapping[str, Tensor], heads: Mapping[str, nn.Sequential]) -> dict[str, Tensor]:
        """Outputs (N, task.outputs) per task that features are given for: here every head's own."""
        return {task: heads[task](values) for task, values in features.items()}

    def reachable_heads(self, task: str) -> tuple[str, ...]:
        """The tasks whose heads this task's loss can reach: here its own alone."""
        return (task,)

    heads_fully_shared: ClassVar[bool] = True
    """Whether other tasks reach all of a head, or all but its last layer."""

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Modules with the name of the random stream from which each starts. The same name is the same start."""
        yield ("architecture",), self

    def wants_gradient_conflicts(self) -> ConflictCount | None:
        """What is to be counted on a copy of the network before it is trained; None where nothing is."""
        return None

    def penalty(self) -> Tensor | None:
        """() what is added beside the tasks' losses, for the forwards since the last call; None where there is nothing."""
        return None

    def discard_penalty(self) -> None:
        """Drop what forwards have left for the penalty: they were looks elsewhere, and no part of the step that comes."""

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """What it has learned about sharing, by name and task: gates, stitches, distances."""
        return {}

    def tasks_reaching(self, parameter_name: str) -> tuple[str, ...]:
        """Which tasks' losses can reach the parameter of that name."""
        return self._reach.get(parameter_name, ())

    @cached_property
    def _reach(self) -> dict[str, tuple[str, ...]]:
        """Per parameter the tasks whose features depend on it, read off the graph of one forward."""
        names = {id(parameter): name for name, parameter in self.named_parameters()}
        frozen = [parameter for parameter in self.parameters() if not parameter.requires_grad]
        with eval_mode(self), torch.random.fork_rng(devices=()), torch.enable_grad():
            for parameter in frozen:
                parameter.requires_grad = True
            features = self(self.example, self.tasks)
            for parameter in frozen:
                parameter.requires_grad = False
        found: dict[str, tuple[str, ...]] = {}
        for task in self.tasks:
            for leaf in autograd_leaf_ids(features[task]):
                name = names.get(leaf)
                if name is not None:
                    found[name] = (*found.get(name, ()), task)
        return found


def autograd_leaf_ids(output: Tensor) -> set[int]:
    """The ids of the leaves of a graph."""
    seen: set[object] = set()
    leaves: set[int] = set()
    waiting = [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if isinstance(variable, Tensor):
            leaves.add(id(variable))
        waiting += [parent for parent, _ in node.next_functions]
    return leaves
