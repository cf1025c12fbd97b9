"""FAMO, against its equations with autograd and PyTorch's Adam."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from polytask.balancing import FAMO
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.errors import ConfigError

NAMES = ("a", "b", "c")


def step(losses: Tensor, names: tuple[str, ...] = NAMES) -> MatrixStatistic:
    return MatrixStatistic(torch.zeros(len(losses), 1), losses.double(), names)


def random_losses(seed: int) -> Tensor:
    return torch.rand(3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3 + 0.5


class Written:
    """The paper's algorithm, written down with autograd."""

    def __init__(self, least: Tensor, lr: float, gamma: float) -> None:
        self.least = least
        self.logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        self.adam = torch.optim.Adam([self.logits], lr=lr, weight_decay=gamma)

    def weights(self, losses: Tensor) -> Tensor:
        values = losses.clone().requires_grad_()
        z, distance = torch.softmax(self.logits.detach(), 0), values - self.least
        c = 1 / (z / distance).sum().detach()
        (c * z * distance.log()).sum().backward()
        assert values.grad is not None
        return values.grad

    def after_step(self, before: Tensor, after: Tensor) -> None:
        delta = (before - self.least).log() - (after - self.least).log()
        self.adam.zero_grad()
        torch.softmax(self.logits, 0).backward(delta)
        self.adam.step()


@pytest.mark.parametrize("least", [0.0, 0.25])
@pytest.mark.parametrize("gamma", [0.0, 0.01, 1.0])
def test_it_goes_as_the_algorithm_written_down(least: float, gamma: float) -> None:
    written = Written(torch.full((3,), least, dtype=torch.float64), lr=0.1, gamma=gamma)
    balancer = FAMO(lr=0.1, gamma=gamma, min_losses=dict.fromkeys(NAMES, least))
    for number in range(40):
        before, after = random_losses(number), random_losses(1000 + number)
        assert torch.allclose(balancer.weigh(step(before)).values, 3 * written.weights(before), rtol=1e-9)
        balancer.after_step(NAMES, before, after)
        written.after_step(before, after)
    logits = [balancer.state_dict()[task]["value"] for task in NAMES]
    assert logits == pytest.approx(written.logits.tolist(), rel=1e-9, abs=1e-12)
    assert max(map(abs, logits)) > 0.01


def test_a_task_that_falls_faster_gets_less() -> None:
    balancer = FAMO()
    balancer.after_step(("a", "b"), torch.tensor([1.0, 1.0]), torch.tensor([0.5, 0.9]))
    first, second = balancer.weigh(step(torch.ones(2), ("a", "b"))).values.tolist()
    assert first < 1 < second


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_losses_of_any_size_are_treated_alike(scale: float) -> None:
    plain, scaled = FAMO(), FAMO()
    for number in range(10):
        before, after = random_losses(number), random_losses(100 + number)
        plain.after_step(NAMES, before, after)
        scaled.after_step(NAMES, before * scale, after * scale)
    expected = plain.weigh(step(random_losses(5))).values
    assert torch.allclose(scaled.weigh(step(random_losses(5) * scale)).values, expected, rtol=1e-6)


def test_weights_sum_to_the_number_of_tasks() -> None:
    assert FAMO().weigh(step(random_losses(0))).values.sum().item() == pytest.approx(3.0)


def test_a_task_at_its_least_loss_is_left_out() -> None:
    balancer = FAMO(min_losses={"b": 1.0})
    answer = balancer.weigh(step(torch.tensor([2.0, 1.0, 2.0])))
    assert answer.values.tolist() == [1.5, 0.0, 1.5]
    nothing = FAMO().weigh(step(torch.zeros(3)))
    assert nothing.values.tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(ConfigError, match=r"famo, task 'b': a loss of at least 1 is needed \(found 0\.5\)"):
        balancer.weigh(step(torch.tensor([2.0, 0.5, 2.0])))


@pytest.mark.parametrize("after", [0.0, -1.0, float("nan"), float("inf")])
def test_a_loss_without_logarithm_after_the_step_teaches_only_the_others(after: float) -> None:
    whole, part = FAMO(), FAMO()
    whole.after_step(NAMES, torch.tensor([2.0, 1.0, 2.0]), torch.tensor([1.0, after, 1.5]))
    part.after_step(("a", "c"), torch.tensor([2.0, 2.0]), torch.tensor([1.0, 1.5]))
    assert whole.state_dict() == part.state_dict()


def test_where_no_loss_has_a_logarithm_nothing_is_learned() -> None:
    balancer = FAMO()
    balancer.after_step(NAMES, torch.ones(3), torch.zeros(3))
    assert balancer.state_dict() == {}


def test_it_ends_where_all_losses_fall_at_the_same_rate() -> None:
    """x² from 1 and y² from 5: alike weights let the logarithm of the first fall 25 times as fast."""
    x = torch.tensor([1.0, 5.0], dtype=torch.float64, requires_grad=True)
    balancer = FAMO(gamma=0.0)
    falls = []
    for _ in range(400):
        before = x**2
        weights = balancer.weigh(step(before.detach(), ("a", "b"))).values
        (slope,) = torch.autograd.grad((weights * before).sum(), x)
        x.data -= 1e-5 * slope
        after = (x**2).detach()
        falls.append((before.detach() / after).log())
        balancer.after_step(("a", "b"), before.detach(), after)
    assert (falls[0][0] / falls[0][1]).item() == pytest.approx(25.0, rel=0.01)
    assert (falls[-1][0] / falls[-1][1]).item() == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("options", [{"lr": 0.0}, {"gamma": -1.0}, {"min_losses": {"a": float("nan")}}], ids=str)
def test_what_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="famo"):
        FAMO(**options)  # type: ignore[arg-type]


def test_it_asks_for_a_second_look() -> None:
    assert FAMO.uses_after_step
