"""Gates: which experts a task listens to."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SoftmaxGate(nn.Module):
    """g(x) = softmax(W x) over the experts, from what it sees of every row.

    Attributes:
        last: (experts,) the mean over the rows of the last forward.
    """

    def __init__(self, inputs: int, experts: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, experts, bias=False)
        self.last = torch.full((experts,), 1.0 / experts)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, experts)."""
        weights = torch.softmax(self.linear(inputs), dim=1)
        self.last = weights.detach().mean(0)
        return weights


def mix_experts(weights: Tensor, features: Tensor) -> Tensor:
    """Σ_e g_e f_e: weights (N, experts) and features (experts, N, ...) to (N, ...)."""
    return torch.einsum("ne,en...->n...", weights, features)
