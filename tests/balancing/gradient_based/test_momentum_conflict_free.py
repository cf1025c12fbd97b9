"""Momentum ConFIG after a turn without a gradient, beside separable classes, and the gradients of heads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from polytask.balancing import Direction, MomentumConFIG
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.errors import NonFiniteError
from polytask.gradients import Backward


def turns(balancer: MomentumConFIG, rows: list[list[float]], start: int = 0) -> Tensor:
    """Return the direction after turns with these gradients."""
    found = Direction(torch.empty(0))
    for turn, row in enumerate(rows, start):
        name = balancer.tasks[turn % len(balancer.tasks)]
        step = balancer.weigh(MatrixStatistic(torch.tensor([row]), torch.ones(1, dtype=torch.float64), (name,)))
        assert isinstance(step, Direction)
        found = step
    return found.values


def test_a_turn_without_a_gradient_does_not_shrink_the_steps_after_it() -> None:
    balancer = MomentumConFIG(["a"])
    torch.testing.assert_close(turns(balancer, [[1.0]] * 20), torch.ones(1))
    assert turns(balancer, [[0.0]]) == 0.0
    torch.testing.assert_close(turns(balancer, [[1.0]]), torch.ones(1))


def test_a_task_has_no_opinion_from_a_zero_to_its_next_turn() -> None:
    balancer = MomentumConFIG(["a", "b"], betas=(0.9, 0.0))
    turns(balancer, [[1.0, 0.0], [0.0, 1.0]] * 5)
    for row in ([0.0, 0.0], [0.0, 1.0]):
        silent = turns(balancer, [row], start=0 if row == [0.0, 0.0] else 1)
        assert silent[0] <= 0.0 < silent[1]
    copy = MomentumConFIG(["a", "b"], betas=(0.9, 0.0))
    copy.load_state_dict(balancer.state_dict())
    after = turns(balancer, [[1.0, 0.0]])
    assert torch.equal(after, turns(copy, [[1.0, 0.0]]))
    assert float(after.min()) > 0.0
    torch.testing.assert_close(balancer.state_dict()["means"]["a"], torch.tensor([1 - 0.9**6, 0.0]))


def test_a_first_turn_without_a_gradient_is_no_update() -> None:
    torch.testing.assert_close(turns(MomentumConFIG(["a"]), [[0.0], [2.0]]), torch.ones(1))


class Net(nn.Module):
    """A trunk with a head for separable classes, `easy`, and a head for sin(2b) · c, `hard`."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.x = torch.randn(256, 3)
        self.x[:, 0] += self.x[:, 0].sign()
        self.trunk = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.easy, self.hard = nn.Linear(32, 1), nn.Linear(32, 1)

    def losses(self, z: Tensor) -> dict[str, Tensor]:
        """Return both mean losses."""
        easy = nn.functional.binary_cross_entropy_with_logits(self.easy(z)[:, 0], (self.x[:, 0] > 0).float())
        return {"easy": easy, "hard": (self.hard(z)[:, 0] - torch.sin(2 * self.x[:, 1]) * self.x[:, 2]).square().mean()}


def descent(shared: str, steps: int) -> Iterator[tuple[float, float]]:
    """Yield the loss of the hard task before every step of plain gradient descent, and η λ_max(E[z zᵀ])."""
    net, lr = Net(), 0.004
    backward = Backward("momentum-conflict-free", tasks=["easy", "hard"], shared=net.get_submodule(shared), model=net)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        z = net.trunk(net.x)
        losses = net.losses(z)
        yield float(losses["hard"].detach()), lr * float(torch.linalg.eigvalsh(z.detach().T @ z.detach())[-1]) / len(z)
        backward(losses)
        optimizer.step()


def test_every_head_has_its_plain_gradient_in_every_step() -> None:
    net = Net()
    backward = Backward("momentum-conflict-free", tasks=["easy", "hard"], shared=net.trunk, model=net)
    for step in range(4):
        net.zero_grad()
        losses = net.losses(net.trunk(net.x))
        heads = [*net.easy.parameters(), *net.hard.parameters()]
        plain = torch.autograd.grad([*losses.values()], heads, retain_graph=True)
        backward(losses)
        for parameter, gradient in zip(heads, plain, strict=True):
            assert parameter.grad is not None
            assert torch.equal(parameter.grad, gradient)
        assert all((parameter.grad is None) == (step < 1) for parameter in net.trunk.parameters())


def test_algorithm_1_with_all_parameters_learns_beside_separable_classes_with_plain_descent() -> None:
    losses, factors = zip(*descent("", 300), strict=True)
    assert max(factors) > 1.0
    assert losses[-1] < 0.5 * losses[0]


def test_plain_descent_of_heads_diverges_where_the_features_have_grown_beyond_its_limit() -> None:
    losses, factors = [], []
    with pytest.raises(NonFiniteError):
        for loss, factor in descent("trunk", 300):
            losses.append(loss)
            factors.append(factor)
    grown = next(step for step, loss in enumerate(losses) if loss > 3 * losses[0])
    assert factors[0] < 1.0
    assert 0 < next(step for step, factor in enumerate(factors) if factor > 1.0) < grown
