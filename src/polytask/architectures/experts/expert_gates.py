"""Gates: weights with which a task combines experts."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SoftmaxGate(nn.Module):
    """Gate g(x) = softmax(W x) over the experts, for each row.

    Attributes:
        last: Mean weights (experts,) over the rows of the last forward pass.
    """

    def __init__(self, inputs: int, experts: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, experts, bias=False)
        self.last = torch.full((experts,), 1.0 / experts)

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the weights (N, experts) of each row."""
        weights = torch.softmax(self.linear(inputs), dim=1)
        self.last = weights.detach().mean(0)
        return weights


def mix_experts(weights: Tensor, features: Tensor) -> Tensor:
    """Compute Σ_e g_e f_e (N, ...) from weights (N, experts) and features (experts, N, ...)."""
    return torch.einsum("ne,en...->n...", weights, features)
