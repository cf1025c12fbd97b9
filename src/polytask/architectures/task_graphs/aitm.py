"""What one task has found out goes on to the next."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.hard_sharing.hard import HardSharing
from polytask.architectures.module_names import module_key
from polytask.architectures.task_graphs.esmm import validate_chain
from polytask.encoders import Encoder
from polytask.errors import ConfigError
from polytask.tasks import Task


class InformationTransfer(nn.Module):
    """z = Σ_u w_u h₃(u) over u in {p, q}, with w = softmax(⟨h₁(u), h₂(u)⟩ / √k) (eq. 5 to 7)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(size, size) for _ in range(3))
        self.last = torch.tensor(0.5)

    def forward(self, before: Tensor, own: Tensor) -> Tensor:
        """(N, ..., size) of both."""
        both = torch.stack([before, own])
        first, second, third = (linear(both) for linear in self.maps)
        weights = torch.softmax((first * second).sum(-1, keepdim=True) / both.shape[-1] ** 0.5, dim=0)
        self.last = weights[0].detach().mean()
        mixed: Tensor = (weights * third).sum(0)
        return mixed


@final
class AITM(Architecture):
    """Adaptive information transfer (Xi et al., KDD 2021, section 3.2 and 3.3) along a chain of tasks.

    One encoder gives z; task t has q_t = ReLU(V_t z) and, but for the first of the chain, hears from the one before it

        p = ReLU(G_t z_{t−1}),    z_t = Σ_{u ∈ {p, q_t}} w_u h₃(u),    w_u = softmax(⟨h₁(u), h₂(u)⟩ / √k)

    and heads look at z_t. Beside the balancer, between binary tasks that follow each other, the penalty α · mean(max(ŷ_t − ŷ_{t−1}, 0))
    says that what comes later is not more probable.

    Defaults: α = 0.6 (paper, section 4.3), k = 32: ours.

    Deviations: towers share one encoder, where the paper's share embeddings alone.

    Args:
        encoder: Gives z.
        tasks: The names of the tasks.
        chain: Names, first to last; by default all tasks in their order. Others hear from nobody.
        size: k.
        calibration: α, from 0 up.

    Raises:
        ConfigError: A task of the chain does not exist or stands there twice; a number out of its range.

    Example:
        >>> from polytask.encoders import MLP
        >>> AITM(MLP((4,), hidden=(8,)), ("click", "buy"), size=6).width("buy")
        6
    """

    def __init__(
        self, encoder: Encoder, tasks: Sequence[str], chain: Sequence[str] | None = None, size: int = 32, calibration: float = 0.6
    ) -> None:
        super().__init__(tasks, encoder)
        if size < 1 or not 0 <= calibration < float("inf"):
            raise ConfigError(
                "a size from 1 and a strength from 0 up are needed", where="aitm", found=f"size={size}, calibration={calibration}"
            )
        self.hard, self.size, self.calibration = HardSharing(encoder, tasks), size, calibration
        self.before = {second: first for first, second in pairwise(validate_chain("aitm", chain, self.tasks))}
        self.towers = nn.ModuleDict({module_key(task): nn.Linear(encoder.features, size) for task in self.tasks})
        self.passes = nn.ModuleDict({module_key(task): nn.Linear(size, size) for task in self.before})
        self.transfers = nn.ModuleDict({module_key(task): InformationTransfer(size) for task in self.before})
        self._calibrated: list[tuple[str, str]] = []
        self._excess: list[Tensor] = []

    @classmethod
    def options_without_tasks(cls, options: Mapping[str, Any], absent_tasks: Collection[str]) -> dict[str, Any]:
        """The chain of the tasks that are there."""
        return {name: [task for task in value if task not in absent_tasks] for name, value in options.items()}

    def check_tasks(self, tasks: Sequence[Task]) -> None:
        """Between binary tasks there is a calibration."""
        of_events = {task.name for task in tasks if task.probability_of_event}
        self._calibrated = [(first, second) for second, first in self.before.items() if {first, second} <= of_events]

    def width(self, task: str) -> int:
        """k."""
        del task
        return self.size

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """The encoder as under hard sharing, and a stream for everything of a task's own."""
        yield ("architecture",), self.hard
        for task in self.tasks:
            yield ("architecture", "tower", task), self.towers[module_key(task)]
        for task in self.before:
            yield ("architecture", "pass", task), self.passes[module_key(task)]
            yield ("architecture", "transfer", task), self.transfers[module_key(task)]

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Towers along the chain, as far as they are asked for."""
        z = next(iter(self.hard(inputs, self.tasks[:1]).values()))
        found: dict[str, Tensor] = {}
        for task in tasks:
            self._fill(task, z, found)
        return {task: found[task] for task in tasks}

    def _fill(self, task: str, z: Tensor, found: dict[str, Tensor]) -> None:
        if task in found:
            return
        own = torch.relu(self.towers[module_key(task)](z))
        if task in self.before:
            self._fill(self.before[task], z, found)
            heard = torch.relu(self.passes[module_key(task)](found[self.before[task]]))
            own = self.transfers[module_key(task)](heard, own)
        found[task] = own

    def outputs(self, features: Mapping[str, Tensor], heads: Mapping[str, nn.Sequential]) -> dict[str, Tensor]:
        """Every head's own; by how much later tasks are more probable is kept for the penalty."""
        found = {task: heads[task](values) for task, values in features.items()}
        if self.training and self.calibration:
            for first, second in self._calibrated:
                if first in found and second in found:
                    self._excess.append(torch.relu(torch.sigmoid(found[second]) - torch.sigmoid(found[first])).mean())
        return found

    def penalty(self) -> Tensor | None:
        """α times the excess of the forwards since the last call."""
        excess, self._excess = self._excess, []
        return self.calibration * torch.stack(excess).sum() if excess else None

    def discard_penalty(self) -> None:
        """Drop the excess."""
        self._excess = []

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """How much each task listens to the one before it, in its last batch."""
        heard = {task: float(self.transfers[module_key(task)].last) for task in self.before}  # type: ignore[arg-type]
        return {"heard from the task before": heard} if heard else {}
