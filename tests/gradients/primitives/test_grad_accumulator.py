"""Gradients on their way into `.grad`: at once in a process alone, after a sum in one of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.gradients.primitives.communicator import SingleProcess
from polytask.gradients.primitives.grad_accumulator import GradAccumulator, add_to_grad, all_finite


class Twins(SingleProcess):  # type: ignore[misc]
    """Two processes that hold the same, of which the other one may fail."""

    distributed, processes = True, 2

    def __init__(self, *, other_fails: bool = False) -> None:
        self.other_fails = other_fails

    def all_reduce(self, values: Tensor) -> Tensor:
        """Twice the same."""
        return 2 * values

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """The first flag says that a process has failed."""
        return [flags[0] or self.other_fails, *flags[1:]]


def weight(value: float = 1.0) -> Tensor:
    return torch.tensor([value, value], requires_grad=True)


def accumulator_of(*parameters: Tensor, **options: Any) -> GradAccumulator:
    return GradAccumulator(Twins(**options), {id(parameter): parameter for parameter in parameters})


def test_nothing_is_added_before_the_step_is_complete() -> None:
    first, second = weight(), weight()
    accumulator = GradAccumulator(SingleProcess())
    accumulator.add([first, second], [torch.ones(2), None])
    accumulator.add([first, second], [torch.ones(2), None])
    assert first.grad is None
    accumulator.flush()
    assert first.grad is not None
    assert first.grad.tolist() == [2.0, 2.0]
    assert second.grad is None


@pytest.mark.parametrize("keep", [True, False])
def test_a_weighted_backward_is_pytorchs(keep: bool) -> None:
    alone, twin = weight(3.0), weight(3.0)
    GradAccumulator(SingleProcess()).backward([(alone**2).sum()], [torch.tensor(0.5)], keep=keep)
    accumulator = accumulator_of(twin)
    accumulator.backward([(twin**2).sum()], [torch.tensor(0.5)], keep=keep)
    assert twin.grad is None
    accumulator.flush()
    assert (alone.grad.tolist(), twin.grad.tolist()) == ([3.0, 3.0], [6.0, 6.0])  # type: ignore[union-attr]


def test_private_gradients_wait_for_their_weight() -> None:
    own, other = weight(), weight()
    accumulator = GradAccumulator(SingleProcess())
    accumulator.hold_private("a", [own], [torch.ones(2)])
    accumulator.hold_private("a", [own], [torch.ones(2)])
    accumulator.hold_private("b", [other], [torch.ones(2)])
    assert own.grad is None
    accumulator.release_private(("a", "c"), (0.25, 1.0))
    assert own.grad is None
    accumulator.flush()
    assert own.grad is not None
    assert own.grad.tolist() == [0.5, 0.5]
    assert other.grad is None


def test_several_processes_sum_what_they_hold() -> None:
    first, second = weight(), weight()
    accumulator = accumulator_of(first, second)
    accumulator.add([first], [torch.ones(2)])
    accumulator.flush()
    accumulator.flush()  # nothing is left
    assert first.grad is not None
    assert first.grad.tolist() == [2.0, 2.0]
    assert second.grad is None


def test_a_failure_here_or_elsewhere_leaves_grad_as_it_was() -> None:
    trained = weight()
    here = accumulator_of(trained)
    here.add([trained], [torch.ones(2)])
    here.flush(failed=True)
    elsewhere = accumulator_of(trained, other_fails=True)
    elsewhere.add([trained], [torch.ones(2)])
    with pytest.raises(ConfigError, match="another process failed in this step"):
        elsewhere.flush()
    assert trained.grad is None


def test_a_tensor_that_is_no_parameter_is_refused_by_several_processes() -> None:
    accumulator = accumulator_of(weight())
    with pytest.raises(ConfigError, match="must be a parameter of the model"):
        accumulator.add([weight()], [torch.ones(2)])


def test_grad_has_the_memory_order_of_its_parameter() -> None:
    parameter = torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    add_to_grad([parameter], [torch.ones(2, 3, 4, 4)], owned=True)
    assert parameter.grad is not None
    assert parameter.grad.stride() == parameter.stride()


def test_an_owned_gradient_becomes_grad_itself() -> None:
    parameter, gradient = weight(), torch.ones(2)
    add_to_grad([parameter], [gradient], owned=True)
    assert parameter.grad is gradient


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_check_does_not_depend_on_the_default_dtype(dtype: torch.dtype) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert all_finite([torch.ones(2, dtype=dtype)])
        assert not all_finite([torch.full((2,), torch.inf, dtype=dtype)])
    finally:
        torch.set_default_dtype(before)
