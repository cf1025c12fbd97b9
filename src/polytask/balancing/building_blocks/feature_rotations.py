"""A rotation of the features per task: what `RotoGrad` turns."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import torch
from torch import Tensor, nn

from polytask.errors import ConfigError


class FeatureRotations(nn.Module):
    """An orthogonal matrix R_t per task, R_t = exp(A_t − A_tᵀ), which starts at the identity.

    They are buffers, not parameters: the network's optimizer does not move them, and a saved network has them. R_t turns the
    first m features; the others pass as they are.

    Args:
        tasks: The names of the tasks.
        size: m, from 1 up.

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
        if size < 1:
            raise ConfigError("at least one feature is turned", where="rotations, size", found=size)
        self.tasks, self.size = tuple(tasks), size
        for task in self.tasks:
            self.register_buffer(f"generator {_key(task)}", torch.zeros(size, size))
            self.register_buffer(f"matrix {_key(task)}", torch.eye(size))

    def forward(self, task: str, features: Tensor) -> Tensor:
        """(N, width) R_t z for every row of the features (N, width)."""
        turned = features[:, : self.size] @ self.matrix(task).to(features.dtype).T
        return turned if features.shape[1] == self.size else torch.cat([turned, features[:, self.size :]], dim=1)

    def matrix(self, task: str) -> Tensor:
        """(m, m) R_t."""
        return self.get_buffer(f"matrix {_key(task)}")

    def generator(self, task: str) -> Tensor:
        """(m, m) A_t."""
        return self.get_buffer(f"generator {_key(task)}")

    @torch.no_grad()
    def turn(self, task: str, generator: Tensor) -> None:
        """Set A_t, and R_t with it; graphs of earlier forwards keep the rotation that they were built with."""
        exact = generator.double()
        matrix = torch.linalg.matrix_exp(exact - exact.T)
        for name, value in (("generator", exact), ("matrix", matrix)):
            kept = self.get_buffer(f"{name} {_key(task)}")
            setattr(self, f"{name} {_key(task)}", value.to(kept, copy=True))


def _key(task: str) -> str:
    """A task's name without dots, which names of buffers must not have."""
    return quote(task, safe=" ").replace(".", "%2E")
