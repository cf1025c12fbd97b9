"""Base class of architectures, which define how tasks share encoders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from polytask.architectures.network.grouped_heads import FEWEST_HEADS, apply_heads
from polytask.encoders import Encoder
from polytask.encoders.evaluation_mode import eval_mode
from polytask.registry import Component
from polytask.tasks import Task

StreamName = tuple[str | int, ...]


class ConflictCount(NamedTuple):
    """Request for a first training phase that counts conflicts between tasks' gradients on a copy of the network.

    Attributes:
        layers: Parameters of each layer, by name of the layer.
        conflict_threshold: Two gradients conflict in a layer if their cosine is below this value.
        epochs: Number of epochs for which the copy is trained.
        adopt: Function that takes the share of conflicts of each layer, changes the network accordingly, and returns the specification
            (registry name with options) of the changed architecture.
    """

    layers: Mapping[str, Sequence[nn.Parameter]]
    conflict_threshold: float
    epochs: int
    adopt: Callable[[Mapping[str, float]], str]


class Architecture(Component, nn.Module, ABC):
    """Base class for architectures, which map the inputs of one source to features per task.

    A subclass implements `width` and `forward`. It overrides `initialization_streams` if it has several encoders, `penalty` and
    `discard_penalty` if it adds a penalty to the losses, `describe_sharing` if it has weights that say how much is shared, and
    `outputs`, `reachable_heads` and `head_width` if heads depend on other heads.

    Args:
        tasks: Names of the tasks.
        encoder: Encoder to share; its `example` shows the shape and the type of inputs.
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
        """Return the options for a network without some tasks: options that name tasks leave them out.

        Args:
            options: Options of the network with all tasks.
            absent_tasks: Names of the tasks to leave out.
        """
        del absent_tasks
        return dict(options)

    @abstractmethod
    def width(self, task: str) -> int:
        """Return the width of the features of a task."""

    @abstractmethod
    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Compute features (N, width) for each of `tasks` from the inputs (N, ...) of one source."""

    def check_tasks(self, tasks: Sequence[Task]) -> None:
        """Check that the architecture supports these tasks, and store what it needs to know of them; by default, all are accepted."""
        del tasks

    def head_width(self, task: str, hidden: Sequence[int]) -> int:
        """Return the width of the input of a task's head, if heads have hidden layers of these widths."""
        del hidden
        return self.width(task)

    def outputs(self, features: Mapping[str, Tensor], heads: Mapping[str, nn.Sequential]) -> dict[str, Tensor]:
        """Compute outputs (N, task.outputs) of each task in `features`: by default, its head applied to its features."""
        if len(features) >= FEWEST_HEADS:
            return apply_heads(features, heads)
        return {task: heads[task](values) for task, values in features.items()}

    def reachable_heads(self, task: str) -> tuple[str, ...]:
        """Return the tasks whose heads this task's loss can reach: by default, only its own."""
        return (task,)

    heads_fully_shared: ClassVar[bool] = True
    """Whether tasks that reach another task's head reach all of it (`True`), or all but its last layer (`False`)."""

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield the name of a random stream and the module that it initializes; equal names give equal initial values."""
        yield ("architecture",), self

    def wants_gradient_conflicts(self) -> ConflictCount | None:
        """Return the request to count gradient conflicts before training, or `None` if there is nothing to count."""
        return None

    def penalty(self) -> Tensor | None:
        """Return the scalar penalty of the forward passes since the last call, or `None` if there is none.

        It is added to the tasks' losses outside the balancer.
        """
        return None

    def discard_penalty(self) -> None:
        """Discard what forward passes have recorded for the penalty.

        Called after forward passes that are not part of a training step, such as evaluations of losses at other points.
        """

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return what was learned about sharing, such as gates, stitches or distances, by name and task."""
        return {}

    def tasks_reaching(self, parameter_name: str) -> tuple[str, ...]:
        """Return the tasks whose losses can reach a parameter."""
        return self._reach.get(parameter_name, ())

    @cached_property
    def _reach(self) -> dict[str, tuple[str, ...]]:
        """Tasks whose features depend on each parameter, by parameter name, read from the graph of one forward pass."""
        return reaching_tasks(self, lambda: self(self.example, self.tasks))


def reaching_tasks(
    module: nn.Module, run: Callable[[], Mapping[str, Tensor]], mode: Callable[[nn.Module], AbstractContextManager[None]] = eval_mode
) -> dict[str, tuple[str, ...]]:
    """Return the tasks whose outputs depend on each parameter of a module, by the parameter's name; frozen parameters are included.

    Args:
        module: Module, which is put into a mode for the pass.
        run: Function that runs the module and returns a tensor per task, whose graph is read.
        mode: Context manager that puts the module into the mode.
    """
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    frozen = [parameter for parameter in module.parameters() if not parameter.requires_grad]
    with mode(module), torch.random.fork_rng(devices=()), torch.enable_grad():
        # Frozen parameters are no leaves of the graph: they require gradients during this forward pass only.
        for parameter in frozen:
            parameter.requires_grad = True
        try:
            outputs = run()
        finally:
            for parameter in frozen:
                parameter.requires_grad = False
    found: dict[str, tuple[str, ...]] = {}
    for task, output in outputs.items():
        for leaf in autograd_leaf_ids(output):
            name = names.get(leaf)
            if name is not None:
                found[name] = (*found.get(name, ()), task)
    return found


def autograd_leaf_ids(output: Tensor) -> set[int]:
    """Return the ids of the leaf tensors in the graph of an output."""
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
