"""Joining the processes of a loop, tried with a process group of one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tests.bridges.bare_loop import TASKS, Net, backward_of, losses_of, rows
from torch import distributed as dist

import polytask as pt
from polytask.bridges.accumulated_step import AccumulatedStep
from polytask.bridges.loop_processes import check_same_weights, join_wrapped
from polytask.errors import ConfigError


@pytest.fixture
def group() -> Iterator[dist.ProcessGroup]:
    """The process group of one process."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    assert dist.group.WORLD is not None
    yield dist.group.WORLD
    dist.destroy_process_group()


def test_joining_keeps_the_state(group: dist.ProcessGroup) -> None:
    net = Net()
    alone, joined = backward_of("moco", net), backward_of("moco", net)
    for backward in (alone, joined):
        backward(losses_of(net, rows()[:8]))
    joined.join(group)
    gradients = []
    for backward in (alone, joined):
        net.zero_grad()
        backward({task: pt.Loss(loss, 1) for task, loss in losses_of(net, rows()[8:16]).items()})
        gradients.append([parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None])
    assert joined.step == alone.step == 2
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_what_is_needed_to_join_is_named(group: dist.ProcessGroup) -> None:
    net = Net()
    with pytest.raises(ConfigError, match="need the shared parameters and the model"):
        pt.Backward("upgrad", tasks=TASKS, model=net).join(group)
    backward = backward_of("upgrad", net)
    backward({task: pt.Loss(loss, 1) for task, loss in losses_of(net, rows()[:8]).items()}, counts=dict.fromkeys(TASKS, 2))
    with pytest.raises(ConfigError, match="the current step must be complete"):
        backward.join(group)
    with pytest.raises(ConfigError, match="in DistributedDataParallel"):
        join_wrapped(backward_of("upgrad", net), net, "Trainer")


def test_the_network_leaves_communication_to_backward(group: dist.ProcessGroup) -> None:
    net = Net()
    backward = backward_of("upgrad", net)
    check_same_weights(backward)  # a process alone has nothing to compare
    wrapped = torch.nn.parallel.DistributedDataParallel(net)
    join_wrapped(backward, wrapped, "Trainer")
    assert not wrapped.require_backward_grad_sync
    assert backward.group is wrapped.process_group
    check_same_weights(backward)


def test_a_process_without_labels_takes_part_once_a_step(group: dist.ProcessGroup) -> None:
    net = Net()
    backward = backward_of("upgrad", net)
    backward.join(group)
    step = AccumulatedStep(backward)
    for last in (False, True):
        step.take({}, parts=2, last=last)
    for last in (False, True):
        step.take({}, parts=2, last=last, counts=dict.fromkeys(TASKS, 0))
    assert backward.step == 2
    step.take({"up": torch.zeros(())}, parts=2, last=False)  # a constant, which is the loss of an absent task
    with pytest.raises(ConfigError, match="losses of the same tasks"):
        step.take(losses_of(net, rows()[:8]), parts=2, last=True)


def test_losses_with_counts_are_averaged_over_units(group: dist.ProcessGroup) -> None:
    net = Net()
    backward = backward_of("upgrad", net)
    backward.join(group)
    loss = losses_of(net, rows()[:8])["up"]
    report = AccumulatedStep(backward).take({"up": pt.Loss(loss * 8, 4)})
    assert float(report.losses["up"]) == pytest.approx(2 * float(loss.detach()), rel=1e-6)
