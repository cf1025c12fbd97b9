"""Report of a step: losses, weights, and conflicts between the tasks' gradients."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from polytask.gradients.non_finite import BadValues
from polytask.gradients.primitives.gramian import cosine_matrix

MOST = 12  # largest number of tasks whose pairwise cosines a history stores


@dataclass(frozen=True)
class Conflicts:
    """Cosines and norms of the tasks' gradients of the shared parameters.

    Attributes:
        names: Names of the T tasks.
        gramian: Inner products of their gradients (T, T), in float64.
    """

    names: tuple[str, ...]
    gramian: torch.Tensor

    @cached_property
    def norms(self) -> torch.Tensor:
        """Norms ‖g_t‖ (T,) in float64."""
        return self.gramian.diagonal().double().sqrt()

    @cached_property
    def cosines(self) -> torch.Tensor:
        """Cosines cos(g_i, g_j) (T, T) in float64; 0 where a gradient is zero.

        Example:
            >>> Conflicts(("a", "b"), torch.tensor([[1.0, -0.5], [-0.5, 4.0]])).cosines[0, 1]
            tensor(-0.2500, dtype=torch.float64)
        """
        return cosine_matrix(self.gramian, where_zero=0.0)

    @property
    def rate(self) -> float:
        """Share of pairs of tasks whose cosine is negative, from 0 to 1; 0 for a single task.

        Example:
            >>> Conflicts(("a", "b"), torch.tensor([[1.0, -0.5], [-0.5, 4.0]])).rate
            1.0
        """
        pairs = len(self.names) * (len(self.names) - 1)
        return float((self.cosines < 0).sum()) / pairs if pairs else 0.0

    def by_task(self) -> dict[str, dict[str, float]]:
        """Return the values that a history stores, by name and task.

        These are the norms, the share of other tasks in conflict and, for up to `MOST` tasks, the cosine of every pair, stored under
        the pair's first task.

        Example:
            >>> Conflicts(("a", "b"), torch.tensor([[1.0, -0.5], [-0.5, 4.0]])).by_task()["cosine with b"]
            {'a': -0.25}
        """
        others = max(len(self.names) - 1, 1)
        rates = ((self.cosines < 0).sum(1) / others).tolist()
        found = {
            "gradient norm": dict(zip(self.names, self.norms.tolist(), strict=True)),
            "conflict rate": dict(zip(self.names, rates, strict=True)),
        }
        cosines = self.cosines.tolist() if len(self.names) <= MOST else []
        for first, row in enumerate(cosines):
            for second in range(first + 1, len(row)):
                found.setdefault(f"cosine with {self.names[second]}", {})[self.names[first]] = row[second]
        return found

    @property
    def norm_ratio(self) -> float:
        """Ratio of the largest to the smallest norm; infinite if a gradient is zero.

        Example:
            >>> Conflicts(("a", "b"), torch.tensor([[1.0, -0.5], [-0.5, 4.0]])).norm_ratio
            2.0
        """
        shortest = float(self.norms.min())
        return float(self.norms.max()) / shortest if shortest else float("inf")


@dataclass(frozen=True)
class Report:
    """Summary of what a call of `Backward` did.

    Attributes:
        losses: Scalar mean loss per task present over the step so far, without graph.
        weights: Weight per task present; empty while the balancer waits for the rest of the step, and for methods that give a
            direction or a weight per group.
        conflicts: Cosines and norms of the tasks' gradients; `None` unless the balancer needed their Gramian.
        solved: Whether the balancer's condition on the weights had a solution.
        dropped: Tasks that did not take part in the step because their loss or gradient was not finite.
        skipped: Whether no task took part in the step for that reason.
        bad: Losses and gradients that were not finite; `None` if there were none.
    """

    losses: dict[str, Tensor]
    weights: dict[str, float] = field(default_factory=dict)
    conflicts: Conflicts | None = None
    solved: bool = True
    dropped: tuple[str, ...] = ()
    skipped: bool = False
    bad: BadValues | None = None

    def __repr__(self) -> str:
        parts = [f"{task} {float(loss):.4g}{self._weight(task)}" for task, loss in self.losses.items()]
        marks = {f"dropped {', '.join(self.dropped)}": bool(self.dropped), "skipped": self.skipped, "unsolved": not self.solved}
        notes = [mark for mark, holds in marks.items() if holds]
        return f"<Report: {'; '.join([*parts, *notes]) or 'no losses'}>"

    def _weight(self, task: str) -> str:
        return f" (weight {self.weights[task]:.4g})" if task in self.weights else ""
