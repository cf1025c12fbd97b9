"""Losses of tasks as sums and counts over labeled units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polytask.tasks.base import Task

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """Loss of one task over the labeled units of one batch.

    Attributes:
        sum: Scalar sum of the losses of the labeled units, with its graph.
        count: Number of labeled units, above 0; with micro-batches, that of the micro-batch.

    Example:
        >>> import torch
        >>> Loss(torch.tensor(6.0), 3).mean
        tensor(2.)
    """

    sum: Tensor
    count: int

    @property
    def mean(self) -> Tensor:
        """Scalar mean loss, sum / count."""
        return self.sum / self.count

    def scaled(self, factor: float) -> Loss:
        """Return the loss times a factor, over the same units."""
        return Loss(self.sum * factor, self.count)

    def __add__(self, other: Loss) -> Loss:
        """Return the loss over both sets of labeled units."""
        return Loss(self.sum + other.sum, self.count + other.count)


def masked_loss(task: Task, outputs: Tensor, targets: Tensor, labeled: Tensor | None, weights: Tensor | None = None) -> Loss | None:
    """Compute a task's loss over the labeled units of a batch.

    Args:
        task: Task that defines the loss.
        outputs: Outputs of the head (N, task.outputs), or (N, L, task.outputs) for tokens, of any floating type; the loss is
            computed in float32 or float64.
        targets: Targets (N,), (N, C), or (N, L) for tokens, as `Task.encode` returns them; arbitrary where there is no label.
        labeled: Mask (N,), or (N, L) for tokens, True where there is a label, best on the CPU, which counts them; `None` if all units
            have one.
        weights: Factors (N,) for the losses of the units of each row; they do not change the count. `None` means no weights.

    Returns:
        Sum and count over the labeled units, or `None` if no unit of the batch has a label: the task is absent. Units without a
        label have no effect, even if their outputs are NaN.
    """
    import torch

    if task.per_token:
        # Most tokens are padding: select the labeled ones instead of masking.
        labeled = torch.ones(targets.shape, dtype=torch.bool) if labeled is None else labeled
        # The places are found where the mask is, so that no accelerator is waited for.
        places = tuple(place.to(targets.device, non_blocking=True) for place in labeled.nonzero(as_tuple=True))
        weights = None if weights is None else weights.unsqueeze(1).expand(labeled.shape)[places]
        outputs, targets, labeled = outputs[places], targets[places], None
    exact = outputs if outputs.dtype == torch.float64 else outputs.float()
    if labeled is None:
        return Loss(_weighted(task.loss_per_unit(exact, targets), weights).sum(), len(targets)) if len(targets) else None
    count = int(labeled.sum())
    if not count:
        return None
    labeled = labeled.to(targets.device, non_blocking=True)
    # Mask the inputs of the loss as well as its result: in the backward pass, 0 times an infinite or NaN slope would be NaN.
    exact = torch.where(labeled.unsqueeze(1), exact, 0.0)
    targets = torch.where(labeled.reshape(-1, *[1] * (targets.dim() - 1)), targets, 0)
    return Loss(torch.where(labeled, _weighted(task.loss_per_unit(exact, targets), weights), 0.0).sum(), count)


def _weighted(losses: Tensor, weights: Tensor | None) -> Tensor:
    return losses if weights is None else losses * weights
