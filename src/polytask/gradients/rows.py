"""The rows of the Jacobian: every task's gradient, accumulated over the micro-batches of a step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import torch
from torch import Tensor

from polytask.gradients.sharing import reached

Gradients = list[Tensor | None]


class Rows:
    """Per task the gradients of the shared and of its private parameters.

    Args:
        shared: The shared parameters, P numbers in all.

    Attributes:
        scale: What the losses were multiplied with (by a loss scaler) before their gradients were taken.
    """

    def __init__(self, shared: tuple[Tensor, ...]) -> None:
        self.shared = shared
        self.scale = 1.0
        self.private: dict[str, tuple[Tensor, ...]] = {}
        self.of_shared: dict[str, Gradients] = {}
        self.of_private: dict[str, Gradients] = {}

    def add(self, task: str, loss: Tensor, *, retain_graph: bool) -> None:
        """Add the gradient of one task's loss to its row."""
        known = self.private.get(task, ())
        taken = {id(parameter) for parameter in (*self.shared, *known)}
        # Asked at every step: a task may reach one part of the network now and another later.
        self.private[task] = (*known, *(leaf for leaf in reached(loss) if id(leaf) not in taken))
        parameters = (*self.shared, *self.private[task])
        found: Sequence[Tensor | None] = [None] * len(parameters)
        if parameters and loss.requires_grad:
            found = torch.autograd.grad(loss, parameters, retain_graph=retain_graph, allow_unused=True)
        count = len(self.shared)
        self.of_shared[task] = _sum(self.of_shared.get(task), found[:count])
        self.of_private[task] = _sum(self.of_private.get(task), found[count:])

    def clear(self) -> None:
        """Forget the step; which parameters are private stays."""
        self.of_shared.clear()
        self.of_private.clear()

    def finite(self) -> bool:
        """Whether every number of every row is finite."""
        gradients = (g for rows in (self.of_shared, self.of_private) for row in rows.values() for g in row if g is not None)
        return all(bool(torch.isfinite(gradient).all()) for gradient in gradients)

    def jacobian(self, tasks: Sequence[str]) -> Tensor:
        """(T, P) one row per task, without the scale; zero where a task does not reach a parameter."""
        if not self.shared:
            return torch.zeros(len(tasks), 0)
        return torch.stack([torch.cat([block.flatten() for block in self._filled(task)]) for task in tasks]) / self.scale

    def gramian(self, tasks: Sequence[str]) -> Tensor:
        """(T, T) float64 without the scale: the sum over parameters of their Gramians, so that no (T, P) matrix is built."""
        gramian = torch.zeros(len(tasks), len(tasks), dtype=torch.float64)
        for blocks in zip(*(self._filled(task) for task in tasks), strict=True):
            matrix = torch.stack([block.flatten() for block in blocks]).double() / self.scale
            gramian += (matrix @ matrix.T).cpu()
        return gramian

    def combined(self, tasks: Sequence[str], weights: Sequence[float]) -> Gradients:
        """Σ w_t g_t of the shared parameters, with the scale."""
        total: Gradients = [None] * len(self.shared)
        for task, weight in zip(tasks, weights, strict=True):
            total = _sum(total, [None if g is None else g * weight for g in self.of_shared[task]])
        return total

    def split(self, direction: Tensor, tasks: Sequence[str]) -> Gradients:
        """A direction (P,) in the shapes of the shared parameters, with the scale; None where none of the tasks reaches one."""
        if not self.shared:
            return []
        blocks = torch.split(direction * self.scale, [parameter.numel() for parameter in self.shared])
        met = [any(gradient is not None for gradient in column) for column in zip(*(self.of_shared[t] for t in tasks), strict=True)]
        return [block.view_as(p) if some else None for block, p, some in zip(blocks, self.shared, met, strict=True)]

    def _filled(self, task: str) -> list[Tensor]:
        pairs = zip(self.shared, self.of_shared[task], strict=True)
        return [torch.zeros_like(parameter) if gradient is None else gradient for parameter, gradient in pairs]


def _sum(old: Gradients | None, new: Sequence[Tensor | None]) -> Gradients:
    if old is None:
        return list(new)
    # The new ones may have more: parameters that were not reached before.
    return [b if a is None else a if b is None else a + b for a, b in zip_longest(old, new)]
