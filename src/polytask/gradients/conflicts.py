"""What the Gramian says about the tasks of a step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Conflicts:
    """How the tasks' gradients of the shared parameters stand to each other.

    Attributes:
        names: The tasks, T of them.
        cosines: (T, T) float64 cos(g_i, g_j); 0 where a gradient is zero.
        norms: (T,) float64 ‖g_t‖.
    """

    names: tuple[str, ...]
    cosines: Tensor
    norms: Tensor

    @property
    def rate(self) -> float:
        """The share of pairs whose cosine is negative; 0 for a single task.

        Example:
            >>> conflicts_of(("a", "b"), torch.tensor([[1.0, -0.5], [-0.5, 4.0]])).rate
            1.0
        """
        pairs = len(self.names) * (len(self.names) - 1)
        return float((self.cosines < 0).sum()) / pairs if pairs else 0.0

    @property
    def norm_ratio(self) -> float:
        """The longest gradient's length over the shortest's; infinite where one is zero.

        Example:
            >>> conflicts_of(("a", "b"), torch.tensor([[1.0, -0.5], [-0.5, 4.0]])).norm_ratio
            2.0
        """
        shortest = float(self.norms.min())
        return float(self.norms.max()) / shortest if shortest else float("inf")


def conflicts_of(names: tuple[str, ...], gramian: Tensor) -> Conflicts:
    """Cosines and lengths from a Gramian (T, T).

    Example:
        >>> conflicts_of(("a", "b"), torch.tensor([[1.0, -0.5], [-0.5, 4.0]])).cosines[0, 1]
        tensor(-0.2500, dtype=torch.float64)
    """
    norms = gramian.diagonal().double().sqrt()
    lengths = torch.where(norms > 0, norms, 1.0)
    return Conflicts(names, gramian.double() / lengths[:, None] / lengths, norms)
