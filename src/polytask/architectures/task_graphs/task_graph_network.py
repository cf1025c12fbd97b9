"""Heads that depend on other heads, along a directed acyclic graph of tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, ClassVar, cast, final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture
from polytask.architectures.hard_sharing.hard import HardSharing
from polytask.encoders import Encoder
from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest
from polytask.tasks import Task


@final
class TaskGraph(Architecture):
    """One encoder for all tasks; along each edge a → b, the hidden state of a's head is an input of b's head.

        y_b = h_b([z; u_a for all a → b]),    u_a = input of the last layer of h_a

    So b's loss reaches all of a's head except its last layer: those parameters are shared. Without edges it is hard sharing. If a task
    per row feeds a task per token, the row's hidden state is an input at every token.

    Args:
        encoder: Encoder that gives z.
        tasks: Names of the tasks.
        edges: Pairs of task names (a, b): the head of a feeds the head of b.

    Raises:
        ConfigError: A task does not exist, the edges form a cycle, or an edge leads from a task per token to a task per row.

    Example:
        >>> from polytask.architectures.network.multi_task_model import MultiTaskModel
        >>> from polytask.encoders import MLP
        >>> from polytask.tasks import Binary
        >>> tasks = (Binary(name="click"), Binary(name="buy"))
        >>> model = MultiTaskModel(MLP((4,), hidden=(8,)), tasks, architecture="task-graph(edges=[[click, buy]])", hidden=(3,))
        >>> model.head("buy")[0].in_features
        11
    """

    heads_fully_shared: ClassVar[bool] = False

    def __init__(self, encoder: Encoder, tasks: Sequence[str], edges: Sequence[Sequence[str]] = ()) -> None:
        super().__init__(tasks, encoder)
        self.hard = HardSharing(encoder, tasks)
        self.before: dict[str, tuple[str, ...]] = {task: tuple(a for a, b in map(_pair, edges) if b == task) for task in self.tasks}
        for name in (name for edge in edges for name in edge):
            if name not in self.tasks:
                raise ConfigError("there is no such task", where=f"task-graph, edges, {name!r}", remedy=nearest(name, self.tasks))
        try:
            self.order = tuple(TopologicalSorter(self.before).static_order())
        except CycleError as error:
            found = " -> ".join(cast("list[str]", error.args[1]))
            raise ConfigError("edges must not form a cycle", where="task-graph, edges", found=found) from None

    @classmethod
    def options_without_tasks(cls, options: Mapping[str, Any], absent_tasks: Collection[str]) -> dict[str, Any]:
        """Return the options without edges from or to absent tasks."""
        return {name: [edge for edge in value if not set(absent_tasks) & set(edge)] for name, value in options.items()}

    def check_tasks(self, tasks: Sequence[Task]) -> None:
        """Refuse edges from tasks per token to tasks per row.

        Raises:
            ConfigError: There is such an edge.
        """
        per_token = {task.name: task.per_token for task in tasks}
        for task, sources in self.before.items():
            for source in sources:
                if per_token[source] and not per_token[task]:
                    found = f"{source} -> {task}"
                    raise ConfigError("tokens cannot feed the head of a row", where="task-graph, edges", found=found)

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        return self.hard.width(task)

    def head_width(self, task: str, hidden: Sequence[int]) -> int:
        """Return the width of the encoder's features and of the hidden states that feed the task's head, in all."""
        states = [hidden[-1] if hidden else self.head_width(source, hidden) for source in self.before[task]]
        return self.width(task) + sum(states)

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Compute the encoder's features, which are the same for every task."""
        found: dict[str, Tensor] = self.hard(inputs, tasks)
        return found

    def outputs(self, features: Mapping[str, Tensor], heads: Mapping[str, nn.Sequential]) -> dict[str, Tensor]:
        """Apply heads in the order of the graph, including those on which the requested ones depend."""
        needed = {head for task in features for head in self.reachable_heads(task)}
        z = next(iter(features.values()))
        states: dict[str, Tensor] = {}
        found: dict[str, Tensor] = {}
        for task in (task for task in self.order if task in needed):
            seen = torch.cat([z, *(_spread(states[source], z) for source in self.before[task])], dim=-1)
            states[task] = heads[task][:-1](seen)
            if task in features:
                found[task] = heads[task][-1](states[task])
        return {task: found[task] for task in features}

    def reachable_heads(self, task: str) -> tuple[str, ...]:
        """Return the task itself and all tasks before it in the graph."""
        before = {head for source in self.before[task] for head in self.reachable_heads(source)}
        return tuple(name for name in self.tasks if name == task or name in before)


def _pair(edge: Sequence[str]) -> tuple[str, str]:
    if isinstance(edge, str) or len(edge) != 2:
        raise ConfigError(
            "an edge must be a pair of task names", where="task-graph, edges", found=edge, remedy="For example edges=[[click, buy]]"
        )
    return edge[0], edge[1]


def _spread(state: Tensor, z: Tensor) -> Tensor:
    """Align a hidden state with features z (N, F) or (N, 1 + L, F).

    A row's state is repeated for every token; states of tokens get zeros at the position of the row.
    """
    if state.dim() == z.dim() == 3:
        return torch.cat([torch.zeros_like(state[:, :1]), state], dim=1)
    return state.unsqueeze(1).expand(-1, z.shape[1], -1) if z.dim() == 3 else state
