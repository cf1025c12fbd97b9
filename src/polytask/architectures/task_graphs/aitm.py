"""Transfer of information from each task to the next along a chain."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.hard_sharing.hard import HardSharing
from polytask.architectures.submodule_keys import module_key
from polytask.architectures.task_graphs.esmm import validate_chain
from polytask.encoders import Encoder
from polytask.errors import ConfigError
from polytask.tasks import Task


class InformationTransfer(nn.Module):
    """Attention over p, from the previous task, and q, the task's own information (eq. 5 to 7).

        z = Σ_u w_u h₃(u) over u in {p, q},    w = softmax(⟨h₁(u), h₂(u)⟩ / √k)

    Attributes:
        last: Mean weight of p in the last forward pass.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(size, size) for _ in range(3))
        self.last = torch.tensor(0.5)

    def forward(self, before: Tensor, own: Tensor) -> Tensor:
        """Combine p and q, both (N, ..., size), into z of the same shape."""
        both = torch.stack([before, own])
        first, second, third = (linear(both) for linear in self.maps)
        weights = torch.softmax((first * second).sum(-1, keepdim=True) / both.shape[-1] ** 0.5, dim=0)
        self.last = weights[0].detach().mean()
        mixed: Tensor = (weights * third).sum(0)
        return mixed


@final
class AITM(Architecture):
    """Adaptive information transfer (Xi et al., KDD 2021, section 3.2 and 3.3) along a chain of tasks.

    One encoder gives z. Task t computes q_t = ReLU(V_t z) and, unless it is the first of the chain, receives p from the task before it:

        p = ReLU(G_t z_{t−1}),    z_t = Σ_{u ∈ {p, q_t}} w_u h₃(u),    w_u = softmax(⟨h₁(u), h₂(u)⟩ / √k)

    The head of task t takes z_t. Between consecutive binary tasks, the penalty α · mean(max(ŷ_t − ŷ_{t−1}, 0)), added outside the
    balancer, discourages a later event from being more probable than an earlier one.

    Defaults: α = 0.6 (paper, section 4.3), k = 32 (our choice).

    Deviations: towers share one encoder, where those of the paper share only embeddings. A tower is one layer of width k, where that of
    the authors' code has three, of widths 128, 64 and 32, and h₁, h₂ and h₃ have biases, where theirs have none.

    Args:
        encoder: Encoder that gives z.
        tasks: Names of the tasks.
        chain: Names of tasks, first to last; `None` takes all tasks in their order. Tasks outside the chain receive nothing.
        size: Width k of a task's features, at least 1.
        calibration: Strength α of the penalty, at least 0.

    Raises:
        ConfigError: A task of the chain does not exist or occurs twice, or a number is out of its range.

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
                "`size` must be at least 1, and `calibration` finite and at least 0",
                where="architecture 'aitm'",
                found=f"size={size}, calibration={calibration}",
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
        """Return the options with the absent tasks removed from the chain."""
        return {name: [task for task in value if task not in absent_tasks] for name, value in options.items()}

    def check_tasks(self, tasks: Sequence[Task]) -> None:
        """Find the pairs of consecutive binary tasks, to which the penalty applies."""
        of_events = {task.name for task in tasks if task.probability_of_event}
        self._calibrated = [(first, second) for second, first in self.before.items() if {first, second} <= of_events]

    def width(self, task: str) -> int:
        """Return the width k of the features."""
        del task
        return self.size

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield the encoder with the stream of hard sharing, and one stream per private module of each task."""
        yield ("architecture",), self.hard
        for task in self.tasks:
            yield ("architecture", "tower", task), self.towers[module_key(task)]
        for task in self.before:
            yield ("architecture", "pass", task), self.passes[module_key(task)]
            yield ("architecture", "transfer", task), self.transfers[module_key(task)]

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Compute the features of `tasks`, and of the tasks before them in the chain."""
        z = next(iter(self.hard(inputs, self.tasks[:1]).values()))
        found: dict[str, Tensor] = {}
        for task in tasks:
            self._fill(task, z, found)
        return {task: found[task] for task in tasks}

    def _fill(self, task: str, z: Tensor, found: dict[str, Tensor]) -> None:
        """Add the features of a task to `found`, after those of the tasks before it."""
        if task in found:
            return
        own = torch.relu(self.towers[module_key(task)](z))
        if task in self.before:
            self._fill(self.before[task], z, found)
            heard = torch.relu(self.passes[module_key(task)](found[self.before[task]]))
            own = self.transfers[module_key(task)](heard, own)
        found[task] = own

    def outputs(self, features: Mapping[str, Tensor], heads: Mapping[str, nn.Sequential]) -> dict[str, Tensor]:
        """Apply each task's head, and record for the penalty by how much later events are more probable than earlier ones."""
        found = {task: heads[task](values) for task, values in features.items()}
        if self.training and self.calibration:
            for first, second in self._calibrated:
                if first in found and second in found:
                    self._excess.append(torch.relu(torch.sigmoid(found[second]) - torch.sigmoid(found[first])).mean())
        return found

    def penalty(self) -> Tensor | None:
        """Return α times the excess probability of the forward passes since the last call, or `None` if there is none."""
        excess, self._excess = self._excess, []
        return self.calibration * torch.stack(excess).sum() if excess else None

    def discard_penalty(self) -> None:
        """Discard the recorded excess probability."""
        self._excess = []

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return the mean weight that each task gives to the task before it, in its last batch."""
        heard = {task: float(self.transfers[module_key(task)].last) for task in self.before}  # type: ignore[arg-type]
        return {"heard from the task before": heard} if heard else {}
