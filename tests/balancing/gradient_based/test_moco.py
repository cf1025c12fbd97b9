"""MoCo: two steps by hand."""

from __future__ import annotations

import torch

from polytask.balancing import MoCo
from polytask.balancing.matrix_to_statistic import statistic_from_jacobian


def test_two_steps_written_down() -> None:
    """y = 0 at the start, and λ follows the slope 2 Y Yᵀ λ of ‖Yᵀ λ‖²."""
    J = torch.tensor([[3.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    balancer, seen = MoCo(), statistic_from_jacobian(J)
    first = balancer.weigh(seen).values
    # Y = 0.1 J; λ = Π(½ − 0.2 (0.09 · ½, 0.01 · ½)) = Π(0.491, 0.499) = (0.496, 0.504)
    assert torch.allclose(first, 2 * torch.tensor([0.496 * 0.3, 0.504 * 0.1], dtype=torch.float64), rtol=1e-12)
    second = balancer.weigh(seen).values
    # Y = 0.19 J; λ = Π(0.496 − 0.2 · 0.3249 · 0.496, 0.504 − 0.2 · 0.0361 · 0.504)
    moved = torch.tensor([0.496 * (1 - 0.06498), 0.504 * (1 - 0.00722)], dtype=torch.float64)
    shares = moved + (1 - moved.sum()) / 2
    assert torch.allclose(second, 2 * 0.19 * shares @ J, rtol=1e-12)
