"""Report of a step: losses, weights, and conflicts between the tasks' gradients."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from polytask.gradients.non_finite import BadValues
from polytask.gradients.primitives.gramian import cosine_matrix, gramian

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
class Alignment:
    """Direction and mean gradient as combinations of the same rows, group by group of the shared parameters.

    Attributes:
        gramians: Inner products of the n rows (n, n), or those in each of K groups (K, n, n).
        direction: Coefficients of the direction d (n,) or (K, n).
        mean: Coefficients of the mean gradient g₀, up to their scale; `None` if the rows are the tasks' gradients.
    """

    gramians: Tensor
    direction: Tensor
    mean: Tensor | None = None

    @cached_property
    def cosine(self) -> float | None:
        """Cosine d · g₀ / (‖d‖ ‖g₀‖); `None` where a combination is zero up to round-off.

        Example:
            >>> round(Alignment(torch.eye(2), torch.tensor([1.0, 0.0])).cosine, 4)
            0.7071
        """
        G, d = self.gramians.numpy(), self.direction.double().cpu().numpy()
        m = np.ones_like(d) if self.mean is None else self.mean.numpy()
        both = np.stack((d, m), axis=-2)
        products = both @ G @ both.swapaxes(-1, -2)
        terms = np.square(both) @ G.diagonal(axis1=-2, axis2=-1)[..., None]
        if G.ndim > 2:
            products, terms = products.sum(0), terms.sum(0)
        (square, product), (_, other) = products.tolist()
        lowest = 4 * len(d.T) * sys.float_info.epsilon  # the rule of `polytask.balancing.solvers.round_off`
        if not (lowest * float(terms[0, 0]) < square < math.inf and lowest * float(terms[1, 0]) < other < math.inf):
            return None
        cosine: float = product / math.sqrt(square) / math.sqrt(other)
        return max(-1.0, min(1.0, cosine))


@dataclass(frozen=True)
class RowAlignment:
    """Direction and the tasks' gradients themselves, as long as the next step has not overwritten them.

    Attributes:
        direction: Direction d (P,).
        rows: Gradients (T, P).
        versions: Versions of both tensors in this step.
    """

    direction: Tensor
    rows: Tensor
    versions: tuple[int, int]

    @cached_property
    def cosine(self) -> float | None:
        """Cosine of the direction with the mean of the rows; `None` where one of them is zero, or has been overwritten."""
        if (self.direction._version, self.rows._version) != self.versions:
            return None
        pair = torch.stack((self.direction.to(self.rows.dtype), self.rows.sum(0)))
        return Alignment(gramian(pair), torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])).cosine


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
        alignment: What `cosine` follows from; `None` where the gradients are not known.
    """

    losses: dict[str, Tensor]
    weights: dict[str, float] = field(default_factory=dict)
    conflicts: Conflicts | None = None
    solved: bool = True
    dropped: tuple[str, ...] = ()
    skipped: bool = False
    bad: BadValues | None = None
    alignment: Alignment | RowAlignment | None = None

    @property
    def cosine(self) -> float | None:
        """Cosine of the direction d with the mean gradient g₀ of the shared parameters, which says how far a balancer turns the update.

        With g₀ = (1/T) Σ g_t over the tasks present and G the Gramian, a direction d = Σ w_t g_t has

            cos(d, g₀) = wᵀ G 1 / √(wᵀ G w · 1ᵀ G 1)

        summed over groups of parameters in every product, if each has weights of its own. It costs no backward pass, and is computed when
        it is first read, which has to be before the next step for balancers that return a direction rather than weights.

        `None` where the gradients were not computed, for balancers that need losses or several batches; where d or g₀ is zero; and, with
        several processes, for balancers that return a direction. With the route `representation` the gradients are those of the
        representations.
        """
        return None if self.alignment is None else self.alignment.cosine

    def log_values(self) -> dict[str, float]:
        """Return the values of the step under the names that loggers use.

        These are `train/<task>/loss`, `weight/<task>` and, if the balancer needed the Gramian, `cosine/<a>/<b>` of every pair of up to
        `MOST` tasks.

        Example:
            >>> Report({"a": torch.tensor(2.0)}, {"a": 1.0}).log_values()
            {'train/a/loss': 2.0, 'weight/a': 1.0}
        """
        losses = {f"train/{task}/loss": float(loss) for task, loss in self.losses.items()}
        weights = {f"weight/{task}": weight for task, weight in self.weights.items()}
        names = () if self.conflicts is None or len(self.conflicts.names) > MOST else self.conflicts.names
        cosines = [] if self.conflicts is None else self.conflicts.cosines.tolist()
        pairs = {f"cosine/{a}/{b}": cosines[i][j] for i, a in enumerate(names) for j, b in enumerate(names) if i < j}
        return {**losses, **weights, **pairs}

    def __repr__(self) -> str:
        parts = [f"{task} {float(loss):.4g}{self._weight(task)}" for task, loss in self.losses.items()]
        marks = {f"dropped {', '.join(self.dropped)}": bool(self.dropped), "skipped": self.skipped, "unsolved": not self.solved}
        notes = [mark for mark, holds in marks.items() if holds]
        return f"<Report: {'; '.join([*parts, *notes]) or 'no losses'}>"

    def _weight(self, task: str) -> str:
        return f" (weight {self.weights[task]:.4g})" if task in self.weights else ""
