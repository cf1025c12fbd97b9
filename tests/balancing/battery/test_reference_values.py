"""Values that other implementations give, and closed forms: oracles that share no line with this project."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polytask.balancing.factory import balancer_named
from polytask.registry.parsing import parse_balancer

MATRIX = torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]], dtype=torch.float64)

# Mean units: d / T. Nash-MTL is brought to length 1. UPGrad's and DualProj's source has a regulariser of 1e-4 in it.
GOLDEN = {
    "aligned-mtl": ((0.2133, 0.9673, 0.9673), 1e-4),
    "conflict-free": ((0.0794, 1.0353, 1.0353), 1e-4),
    "imtl-g": ((0.0767, 1.0, 1.0), 1e-4),
    "mgda": ((0.0, 1.0, 1.0), 1e-4),
    "pcgrad": ((0.2924, 1.9006, 1.9006), 1e-4),
    "gradvac": ((0.2924, 1.9006, 1.9006), 1e-4),
    "upgrad": ((0.2929, 1.9004, 1.9004), 1e-3),
    "dual-proj": ((0.5563, 1.1109, 1.1109), 1e-3),
    "cagrad(c=0.5, rescale=0)": ((0.1835, 1.2041, 1.2041), 1e-4),
}


def direction(spelled: str, matrix: torch.Tensor = MATRIX) -> torch.Tensor:
    name, options = parse_balancer(spelled)
    return balancer_named(name, options, {"0": 1.0, "1": 1.0}).aggregate(matrix)


@pytest.mark.parametrize("spelled", GOLDEN)
def test_values_of_another_library(spelled: str) -> None:
    expected, tolerance = GOLDEN[spelled]
    assert torch.allclose(direction(spelled) / 2, torch.tensor(expected, dtype=torch.float64), atol=tolerance)


def test_nash_is_a_unit_vector_there() -> None:
    unit = direction("nash-mtl") / 2**0.5
    assert torch.allclose(unit, torch.tensor([0.0542, 0.7061, 0.7061], dtype=torch.float64), atol=1e-4)


def test_fairgrad_s_weights() -> None:
    assert torch.allclose(direction("fairgrad(alpha=1)"), torch.tensor([0.0766, 0.9985, 0.9985], dtype=torch.float64), atol=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_two_tasks_in_closed_form(seed: int) -> None:
    """Nash-MTL bisects; UPGrad is PCGrad; ConFIG bisects with the length of both projections."""
    matrix = torch.randn(2, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    units = matrix / matrix.norm(dim=1, keepdim=True)
    bisector = units.sum(0) / units.sum(0).norm()
    cosine = float(units[0] @ units[1])
    nash = direction("nash-mtl", matrix)
    assert torch.allclose(nash, units.sum(0) / np.sqrt(1 + cosine), rtol=1e-9)
    assert torch.allclose(direction("upgrad", matrix), direction("pcgrad", matrix), rtol=1e-9)
    conflict_free = direction("conflict-free", matrix)
    assert torch.allclose(conflict_free, (matrix @ bisector).sum() * bisector, rtol=1e-9)
    equal = units @ direction("imtl-g", matrix)
    assert torch.allclose(equal[0], equal[1], rtol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_without_conflict_surgery_cuts_nothing(seed: int) -> None:
    matrix = torch.rand(4, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for spelled in ("pcgrad", "upgrad", "dual-proj"):
        name, options = parse_balancer(spelled)
        assert torch.allclose(balancer_named(name, options).aggregate(matrix), matrix.sum(0), rtol=1e-12)


def test_reductions() -> None:
    """c = 0 is the mean; a large λ is the mean; β = 0 and the same batch thrice track nothing."""
    assert torch.allclose(direction("cagrad(c=0)"), MATRIX.sum(0))
    assert torch.allclose(direction("sdmgrad(lambda_=1e12)"), MATRIX.sum(0), rtol=1e-9)
    assert torch.allclose(direction("metabalance(relax=0)"), MATRIX.sum(0))
    assert torch.allclose(direction("graddrop(leak={'0': 1, '1': 1})"), MATRIX.sum(0))
    assert torch.allclose(direction("gradvac(beta=1)") - direction("gradvac(beta=0.01)"), torch.zeros(3, dtype=torch.float64))
