"""`backward`, which computes `.grad` once."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from polytask.balancing import Balancer
from polytask.gradients.engine import Backward, Features
from polytask.gradients.primitives.reachability import Shared
from polytask.gradients.step_report import Report
from polytask.tasks import Loss


def backward(
    losses: Mapping[str, Tensor | Loss],
    balancer: str | type[Balancer] | Balancer,
    *,
    shared: Shared | None = None,
    features: Features = None,
    penalty: Tensor | None = None,
) -> Report:
    """Compute `.grad` once, as `Backward` does, with a balancer that keeps no state between steps.

    Args:
        losses: Scalar mean loss, or `Loss` with sum and count, per task.
        balancer: Balancer that combines the losses: a name with its options, an import path, a class, or an object.
        shared: Parameters that more than one task reaches; `None` finds them in the graphs.
        features: Representations, the inputs of the heads, for balancers that need them.
        penalty: Scalar that is not a task's loss; its gradient is added without the balancer.

    Returns:
        Report of the losses, weights and gradients.

    Example:
        >>> import torch
        >>> from polytask.balancing import Fixed
        >>> trunk = torch.tensor([1.0], requires_grad=True)
        >>> _ = backward({"a": trunk.sum(), "b": 3 * trunk.sum()}, Fixed({"a": 0.5, "b": 0.5}))
        >>> trunk.grad
        tensor([2.])
    """
    return Backward(balancer, tasks=tuple(losses), shared=shared)(losses, features=features, penalty=penalty)
