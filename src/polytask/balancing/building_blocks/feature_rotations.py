"""One rotation of the features per task, learned by `RotoGrad`."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import torch
from torch import Tensor, nn

from polytask.balancing.building_blocks.option_checks import check_count


class FeatureRotations(nn.Module):
    """One orthogonal matrix R_t = exp(A_t − A_tᵀ) per task, initialized to the identity.

    The matrices are buffers, not parameters: the network's optimizer does not change them, and they are saved with the
    network. R_t rotates the first m features; the others pass unchanged.

    Args:
        tasks: Names of the tasks.
        size: Number m of rotated features, at least 1.

    Raises:
        ConfigError: m is below 1.

    Example:
        >>> rotations = FeatureRotations(["a"], size=2)
        >>> rotations.turn("a", torch.tensor([[0.0, 0.25 * torch.pi], [0.0, 0.0]]))
        >>> rotations("a", torch.tensor([[1.0, 0.0, 5.0]])).round(decimals=3)
        tensor([[ 0.7070, -0.7070,  5.0000]])
    """

    def __init__(self, tasks: Sequence[str], size: int) -> None:
        super().__init__()
        check_count(size, "rotations, size")
        self.tasks, self.size = tuple(tasks), size
        for task in self.tasks:
            self.register_buffer(f"generator {_key(task)}", torch.zeros(size, size))
            self.register_buffer(f"matrix {_key(task)}", torch.eye(size))

    def forward(self, task: str, features: Tensor) -> Tensor:
        """Return R_t z for every row z of the features: (N, width) from (N, width)."""
        turned = features[:, : self.size] @ self.matrix(task).to(features.dtype).T
        return turned if features.shape[1] == self.size else torch.cat([turned, features[:, self.size :]], dim=1)

    def matrix(self, task: str) -> Tensor:
        """Return R_t: (m, m)."""
        return self.get_buffer(f"matrix {_key(task)}")

    def generator(self, task: str) -> Tensor:
        """Return A_t: (m, m)."""
        return self.get_buffer(f"generator {_key(task)}")

    @torch.no_grad()
    def turn(self, task: str, generator: Tensor) -> None:
        """Set A_t, and R_t accordingly. Graphs of earlier forward passes keep the rotation that they were built with."""
        exact = generator.double()
        matrix = torch.linalg.matrix_exp(exact - exact.T)
        for name, value in (("generator", exact), ("matrix", matrix)):
            kept = self.get_buffer(f"{name} {_key(task)}")
            setattr(self, f"{name} {_key(task)}", value.to(kept, copy=True))


def _key(task: str) -> str:
    """Return a task's name with dots escaped, since names of buffers must not contain any."""
    return quote(task, safe=" ").replace(".", "%2E")
