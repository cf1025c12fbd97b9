"""FORUM: its program against a general solver, and a step of a network against the direction written down."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from polytask.balancing import FORUM
from polytask.balancing.solvers import solve_priority
from polytask.gradients import Backward


def value(C: np.ndarray, a: np.ndarray, size: float, phi: float, variables: np.ndarray) -> float:
    """‖Σ λ ĝ + ν q‖² − φ ν ‖q‖²."""
    weights, nu = variables[:-1], variables[-1]
    return float(weights @ C @ weights + 2 * nu * weights @ a + nu**2 * size - phi * nu * size)


@pytest.mark.parametrize("tasks", [2, 3, 6])
@pytest.mark.parametrize("seed", range(20))
def test_the_program_is_a_general_solver_s(seed: int, tasks: int) -> None:
    random = np.random.default_rng(100 * tasks + seed)
    q, units = random.normal(size=5) * 10.0 ** random.uniform(-2, 1), random.normal(size=(tasks, 5))
    if seed % 3 == 0:
        units = units + 3 * q / np.linalg.norm(q)  # tasks that agree with q need no share of it
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    C, a, size, phi = units @ units.T, units @ q, float(q @ q), 10.0 ** random.uniform(-2, 0.5)
    weights, nu = solve_priority(C, a, size, phi)
    pi = phi - a / size
    assert weights.sum() == pytest.approx(1.0)
    assert weights.min() >= 0.0
    assert nu >= max(0.0, float(weights @ pi)) - 1e-9
    found = min(
        (
            minimize(
                lambda v: value(C, a, size, phi, v),
                np.append(start, max(0.0, float(start @ pi))),
                bounds=[(0, 1)] * tasks + [(0, None)],
                constraints=[
                    {"type": "eq", "fun": lambda v: v[:-1].sum() - 1},
                    {"type": "ineq", "fun": lambda v: v[-1] - v[:-1] @ pi},
                ],
                options={"ftol": 1e-14, "maxiter": 500},
            )
            for start in (np.full(tasks, 1 / tasks), weights)
        ),
        key=lambda result: float(result.fun),
    )
    point = np.clip(found.x, 0.0, None)  # the general solver meets its constraints up to its tolerance only
    point[:-1] /= point[:-1].sum()
    point[-1] = max(point[-1], float(point[:-1] @ pi))
    assert value(C, a, size, phi, np.append(weights, nu)) <= value(C, a, size, phi, point) + 4e-7


def test_all_three_cases_occur_and_meet_their_bounds() -> None:
    """ν above 0, ν = 0 inside, and λ · π = 0 between."""
    q = np.array([1.0, 0.0])
    for units, positive in (([[0.0, 1.0], [0.0, 1.0]], True), ([[1.0, 0.0], [1.0, 0.0]], False)):
        rows = np.array(units)
        _, nu = solve_priority(rows @ rows.T, rows @ q, 1.0, 0.1)
        assert (nu > 0) == positive
    rows = np.array([[-0.9, np.sqrt(0.19)], [1.0, 0.0]])
    weights, nu = solve_priority(rows @ rows.T, rows @ q, 1.0, 0.1)
    assert float(weights @ (0.1 - rows @ q)) == pytest.approx(nu, abs=1e-9)


class Pair(nn.Module):
    """Two regressions from one layer, in float64."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Linear(3, 4).double()
        self.heads = nn.ModuleDict({task: nn.Linear(4, 1).double() for task in "ab"})

    def losses(self, batch: int) -> dict[str, torch.Tensor]:
        """Mean squared errors."""
        random = torch.Generator().manual_seed(batch)
        rows, targets = torch.randn(8, 3, generator=random).double(), torch.randn(2, 8, generator=random).double()
        z = torch.tanh(self.trunk(rows))
        return {task: (self.heads[task](z)[:, 0] - target).square().mean() for task, target in zip("ab", targets, strict=True)}


def flat(net: Pair, loss: torch.Tensor) -> torch.Tensor:
    found = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True, retain_graph=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in zip(found, net.parameters(), strict=True)])


def test_a_step_writes_the_direction_of_its_formula_into_all_parameters() -> None:
    net = Pair()
    balancer = FORUM(phi=0.5, inner_steps=3)
    Backward(balancer, tasks=("a", "b"), shared=net.trunk, model=net)(net.losses, [1, 2])
    given = torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])
    other = Pair()
    slope = flat(other, sum(loss / 2 for loss in other.losses(1).values()))  # type: ignore[arg-type]
    before = torch.stack([loss.detach() for loss in other.losses(1).values()])
    rows = torch.stack([flat(other, loss) for loss in other.losses(2).values()])
    units = rows / rows.norm(dim=1, keepdim=True)
    for _ in range(3):
        step = flat(other, sum(loss / 2 for loss in other.losses(1).values()))  # type: ignore[arg-type]
        with torch.no_grad():
            offset = 0
            for p in other.parameters():
                p -= 0.1 * step[offset : offset + p.numel()].view_as(p)
                offset += p.numel()
    fallen = before - torch.stack([loss.detach() for loss in other.losses(1).values()])
    q_alpha = fallen / 2 - fallen.sum() / 4
    size = float(slope @ slope + q_alpha @ q_alpha)
    a = units @ slope
    weights, _ = solve_priority((units @ units.T).numpy(), a.numpy(), size, 0.5)
    share = torch.from_numpy(weights)
    nu = max(float(share @ (0.5 - a / size)), 0.0)
    assert torch.allclose(given, share @ units + nu * slope, rtol=1e-9, atol=1e-12)
    assert nu > 0
    direction_q = float(given @ slope) + nu * float(q_alpha @ q_alpha)
    assert direction_q >= 0.5 * size - 1e-9, "the distance shrinks by the share φ of the steepest descent"
    alphas = [balancer.state_dict()["logits"][task]["value"] for task in "ab"]
    assert alphas == pytest.approx([-1e-3 * float(torch.sign(part)) for part in q_alpha], rel=1e-3)


def test_weights_are_averaged_from_the_second_epoch_on() -> None:
    """In epoch e the step towards the solution is 1 / (e + 1)^¾; in the first it is whole."""
    net, balancer, fresh = Pair(), FORUM(window=1), FORUM(window=1)
    bw = Backward(balancer, tasks=("a", "b"), shared=net.trunk, model=net)
    bw(net.losses, [1, 2])
    state = balancer.state_dict()
    fresh.load_state_dict({**state, "steps": 0})
    bw(net.losses, [3, 4])
    Backward(fresh, tasks=("a", "b"), shared=net.trunk, model=net)(net.losses, [3, 4])
    solution, averaged = fresh.state_dict()["shares"], balancer.state_dict()["shares"]
    for task in "ab":
        before = state["shares"][task]
        assert averaged[task] == pytest.approx(before + (solution[task] - before) / 2**0.75)
    assert averaged != solution
