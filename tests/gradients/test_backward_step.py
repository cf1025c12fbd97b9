"""`Backward` at its edges: what is absent, late, without graph, not finite, or announced and not there."""

from __future__ import annotations

from typing import final

import pytest
import torch
from torch import Tensor, nn

from polytask.balancing import Balancer, Direction, Fixed, Jacobian, Losses, Needs, Nothing, Statistic, Uncertainty, Weights
from polytask.errors import ConfigError
from polytask.gradients import Backward
from polytask.gradients.strategies import weighted_sum
from polytask.tasks import Loss


@final
class Summed(Balancer):
    """The sum of the rows."""

    def needs(self) -> Needs:
        return Jacobian()

    def weigh(self, statistic: Statistic) -> Direction:
        return Direction(statistic.jacobian().sum(dim=0))


@final
class Divided(Balancer):
    """w_t = 1 / T over the tasks present: known before the losses, but not from one task alone."""

    def needs(self) -> Needs:
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        tasks = len(statistic.names)
        return Weights(torch.full((tasks,), 1 / tasks, dtype=torch.float64), heads=True)


def leaf(value: float = 1.0) -> Tensor:
    return torch.tensor([value], requires_grad=True)


def test_one_task_alone_gets_the_plain_gradient_by_rows() -> None:
    """It shares nothing with anyone, so its Jacobian has no column."""
    weight = leaf(2.0)
    Backward(Summed(), tasks=("a",))({"a": (3 * weight**2).sum()})
    assert weight.grad.tolist() == [12.0]


def test_a_shared_parameter_that_nobody_present_reaches_stays_without_gradient() -> None:
    """Zeros would let weight decay and momentum move it."""
    trunk, other, head = leaf(), leaf(), leaf()
    Backward(Summed(), tasks=("a", "b"), shared=[trunk, other])({"a": (trunk * head).sum()})
    assert other.grad is None
    assert trunk.grad.tolist() == [1.0]


def test_a_private_parameter_that_comes_later_is_not_forgotten() -> None:
    """A task may reach one part of the network in this step and another in the next, or have a part unfrozen."""
    trunk, early, late = leaf(), leaf(), leaf()
    step = Backward(Summed(), tasks=("a",), shared=[trunk])
    step({"a": (trunk * early).sum()})
    step({"a": (2 * trunk * late).sum()})
    assert (early.grad.tolist(), late.grad.tolist()) == ([1.0], [2.0])


def test_micro_batches_may_reach_different_private_parameters() -> None:
    trunk, early, late = leaf(), leaf(), leaf()
    step = Backward(Summed(), tasks=("a",), shared=[trunk])
    step({"a": Loss((trunk * early).sum(), 1)}, counts={"a": 2})
    step({"a": Loss((2 * trunk * late).sum(), 1)}, counts={"a": 2})
    assert (trunk.grad.tolist(), early.grad.tolist(), late.grad.tolist()) == ([1.5], [0.5], [1.0])


@pytest.mark.parametrize("balancer", [Summed(), Divided()], ids=["rows", "direct"])
def test_a_loss_without_a_graph_is_an_absent_task(balancer: Balancer) -> None:
    """Loops pass torch.tensor(0.0) for a task without labels."""
    trunk = leaf()
    report = Backward(balancer, tasks=("a", "b"), shared=[trunk])({"a": (4 * trunk).sum(), "b": torch.tensor(0.0)})
    assert trunk.grad.tolist() == [4.0]
    assert list(report.losses) == ["a"]


def test_weights_are_those_of_the_whole_step_when_a_micro_batch_lacks_a_task() -> None:
    whole, cut = leaf(), leaf()
    step = Backward(Divided(), tasks=("a", "b", "c"))
    step({task: Loss((2 * whole).sum(), 1) for task in ("a", "b")})
    micro = Backward(Divided(), tasks=("a", "b", "c"))
    micro({"a": Loss((2 * cut).sum(), 1)}, counts={"a": 1, "b": 1, "c": 0})
    report = micro({"b": Loss((2 * cut).sum(), 1)}, counts={"a": 1, "b": 1, "c": 0})
    assert torch.equal(cut.grad, whole.grad)
    assert report.weights == {"a": 0.5, "b": 0.5}
    assert micro.step == 1


def test_counts_of_an_unknown_task_are_refused() -> None:
    """The step would wait for it for ever."""
    with pytest.raises(ConfigError, match="unknown task among the counts") as caught:
        Backward(Summed(), tasks=("a",))({"a": Loss(leaf().sum(), 1)}, counts={"a": 1, "z": 1})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
@pytest.mark.parametrize("scaled", [True, False])
def test_a_loss_that_is_no_number_teaches_nothing(bad: float, scaled: bool) -> None:
    weight, balancer = leaf(), Uncertainty()
    step = Backward(balancer, tasks=("a", "b"), scaler=torch.amp.GradScaler("cpu") if scaled else None, non_finite="skip")
    step({"a": weight.sum(), "b": weight.sum()})
    before = balancer.state_dict()
    assert step({"a": weight.sum() * bad, "b": weight.sum()}).dropped == ("a",)
    assert balancer.state_dict() == before
    assert bool(torch.isfinite(weight.grad).all()) is not scaled  # a scaler must find it there; nobody else may


def test_a_balancer_that_weighs_losses_does_not_see_a_bad_scaled_step() -> None:
    @final
    class MustNotSee(Balancer):
        def needs(self) -> Needs:
            return Losses()

        def weigh(self, statistic: Statistic) -> Weights:
            raise AssertionError("the balancer saw a bad step")

    weight = leaf()
    Backward(MustNotSee(), tasks=("a",), scaler=torch.amp.GradScaler("cpu"))({"a": weight.sum() * float("inf")})
    assert not torch.isfinite(weight.grad).all()


def test_gradients_that_overflow_teach_nothing() -> None:
    """The loss is a number, but its scaled gradient is none: the scaler skips the step, and so does the balancer."""

    @final
    class Counting(Balancer):
        taught = 0

        def needs(self) -> Needs:
            return Jacobian()

        def weigh(self, statistic: Statistic) -> Direction:
            return Direction(statistic.jacobian().sum(dim=0))

        def update_state(self, statistic: Statistic) -> None:
            self.taught += 1

    balancer, trunk = Counting(), leaf(0.0)
    step = Backward(balancer, tasks=("a",), shared=[trunk], scaler=torch.amp.GradScaler("cpu"))
    step({"a": torch.sqrt(trunk).sum()})  # its slope at 0 is infinite
    assert balancer.taught == 0
    step({"a": trunk.sum()})
    assert balancer.taught == 1


def test_an_optimizer_takes_the_rescaled_direction_as_if_there_were_no_scaler() -> None:
    plain, scaled = leaf(3.0), leaf(3.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    optimizers = [torch.optim.SGD([weight], lr=0.25) for weight in (plain, scaled)]
    Backward(Summed(), tasks=("a", "b"), shared=[plain])({"a": (plain**2).sum(), "b": plain.sum()})
    Backward(Summed(), tasks=("a", "b"), shared=[scaled], scaler=scaler)({"a": (scaled**2).sum(), "b": scaled.sum()})
    optimizers[0].step()
    scaler.step(optimizers[1])
    assert torch.equal(plain, scaled)
    assert plain.tolist() == [3.0 - 0.25 * 7.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_many_losses_are_backpropagated_from_one_tensor_bit_for_bit(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    x, number = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).to(dtype), weighted_sum.FEWEST_STACKED
    weights = {f"t{task}": 0.1 + task / 7 for task in range(number)}

    def gradients() -> list[Tensor]:
        torch.manual_seed(1)
        trunk, heads = nn.Linear(3, 4).to(dtype), [nn.Linear(4, 1).to(dtype) for _ in weights]
        z = trunk(x).tanh()
        losses = {task: head(z).square().mean() for task, head in zip(weights, heads, strict=True)}
        Backward(Fixed(weights), tasks=tuple(weights))(losses)
        return [parameter.grad for module in (trunk, *heads) for parameter in module.parameters() if parameter.grad is not None]

    together = gradients()
    monkeypatch.setattr(weighted_sum, "FEWEST_STACKED", number + 1)
    one_by_one = gradients()
    assert len(together) == 2 + 2 * number
    assert all(torch.equal(first, second) for first, second in zip(together, one_by_one, strict=True))
