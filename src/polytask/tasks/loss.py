"""A task's loss in one step: a sum and a count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polytask.tasks.base import Task

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """The loss of one task over the labeled units of one batch.

    Attributes:
        sum: () Σ of the loss per labeled unit, with its graph.
        count: How many labeled units; above 0. With micro-batches the count of the batch that was seen here.

    Example:
        >>> import torch
        >>> Loss(torch.tensor(6.0), 3).mean
        tensor(2.)
    """

    sum: Tensor
    count: int

    @property
    def mean(self) -> Tensor:
        """() The loss's value: sum / count."""
        return self.sum / self.count

    def __add__(self, other: Loss) -> Loss:
        """The loss over both sets of labeled units."""
        return Loss(self.sum + other.sum, self.count + other.count)


def masked_loss(task: Task, outputs: Tensor, targets: Tensor, labeled: Tensor | None, weights: Tensor | None = None) -> Loss | None:
    """The task's loss, or None where no unit of the batch has a label of it: an absent task.

    Args:
        task: Whose loss.
        outputs: (N, task.outputs), of tokens (N, L, task.outputs), of any floating type; the loss is computed in float32 or better.
        targets: (N,), (N, C), or of tokens (N, L), as `Task.encode` gives them; anything where there is no label.
        labeled: (N,), or of tokens (N, L), True where there is a label; None where all have one.
        weights: (N,) what the loss of a row's units is multiplied with; the count stays what it is.

    Returns:
        Sum and count over the labeled units. Units without a label have no part in it: not even a NaN of theirs.
    """
    import torch

    if task.per_token:
        # Most tokens are padding: what has a label is taken out, and all of it has one.
        labeled = torch.ones_like(targets, dtype=torch.bool) if labeled is None else labeled
        weights = None if weights is None else weights.unsqueeze(1).expand(labeled.shape)[labeled]
        outputs, targets, labeled = outputs[labeled], targets[labeled], None
    exact = outputs if outputs.dtype == torch.float64 else outputs.float()
    if labeled is None:
        return Loss(_weighted(task.loss_per_unit(exact, targets), weights).sum(), len(targets)) if len(targets) else None
    count = int(labeled.sum())
    if not count:
        return None
    # Filled before the loss, not only after it: 0 times the slope at an infinity, or at a NaN, is NaN.
    exact = torch.where(labeled.unsqueeze(1), exact, 0.0)
    targets = torch.where(labeled.reshape(-1, *[1] * (targets.dim() - 1)), targets, 0)
    return Loss(torch.where(labeled, _weighted(task.loss_per_unit(exact, targets), weights), 0.0).sum(), count)


def _weighted(losses: Tensor, weights: Tensor | None) -> Tensor:
    return losses if weights is None else losses * weights
