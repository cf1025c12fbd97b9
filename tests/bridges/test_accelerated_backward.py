"""Accelerate: the gradients of the bare loop to the bit, and its checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.bridges.bare_loop import (
    BALANCERS,
    TASKS,
    Net,
    Setting,
    Trace,
    backward_of,
    bare_loop,
    batches,
    losses_of,
    losses_with_gaps,
    rows,
)

import polytask as pt
from polytask.bridges import AcceleratedBackward
from polytask.errors import ConfigError

accelerate = pytest.importorskip("accelerate")


@pytest.fixture(autouse=True)
def _fresh_state() -> Iterator[None]:
    """Let every test choose the precision, which Accelerate keeps for the process."""
    yield
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    accelerate.state.GradientState._reset_state()


class Loop:
    """A loop of Accelerate on its own loader."""

    def __init__(self, setting: Setting, batch_size: int = 8, *, wrapped: bool = True) -> None:
        self.setting, self.model = setting, Net()
        self.accelerator = accelerate.Accelerator(
            cpu=True, gradient_accumulation_steps=setting.parts, mixed_precision="bf16" if setting.bf16 else "no"
        )
        self.balanced = AcceleratedBackward(self.accelerator, backward_of(setting.balancer, self.model))
        optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        loader = torch.utils.data.DataLoader(rows(), batch_size=batch_size)
        self.optimizer, self.loader = self.accelerator.prepare(optimizer, loader)
        self.prepared: Any = self.accelerator.prepare(self.model) if wrapped else self.model
        self.trace = Trace([], [])

    def epoch(self) -> None:
        for batch in self.loader:
            with self.accelerator.accumulate(self.prepared):
                with self.accelerator.autocast():
                    losses = losses_with_gaps(self.prepared, batch) if self.setting.gaps else losses_of(self.prepared, batch)
                self.balanced(losses)
                if self.accelerator.sync_gradients:
                    if self.setting.clip is not None:
                        self.accelerator.clip_grad_norm_(self.prepared.parameters(), self.setting.clip)
                    self.trace.note(self.model)
                self.optimizer.step()
                self.optimizer.zero_grad()


SETTINGS = {
    "plain": Setting(),
    "clipped": Setting(clip=0.5),
    "accumulated": Setting(parts=2),
    "bf16": Setting(bf16=True),
    "all": Setting("pcgrad", clip=0.5, parts=2, bf16=True),
    **{name: Setting(name) for name in BALANCERS if name != "upgrad"},
}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
def test_gradients_are_those_of_the_bare_loop(setting: Setting) -> None:
    loop = Loop(setting)
    for _ in range(setting.epochs):
        loop.epoch()
    assert loop.trace.end(loop.model).equals(bare_loop(setting))


def test_a_resumed_run_goes_on_to_the_bit(tmp_path: Path) -> None:
    setting = Setting("moco")  # remembers gradients
    first = Loop(setting)
    first.epoch()
    first.accelerator.save_state(str(tmp_path))
    resumed = Loop(setting)
    resumed.accelerator.load_state(str(tmp_path))
    resumed.epoch()
    first.trace.grads += resumed.trace.grads
    assert first.trace.end(resumed.model).equals(bare_loop(setting))


def test_units_are_counted_if_they_are_known() -> None:
    """With the labeled units of the step, it is that of the whole batch, up to the order of sums."""
    loop, whole = Loop(Setting(parts=2)), Net()
    parts = next(batches(2))
    for number, part in enumerate(parts):
        loop.accelerator.gradient_state._set_sync_gradients(number == 1)
        sums = {task: pt.Loss(loss * len(part), len(part)) for task, loss in losses_of(loop.model, part).items()}
        loop.balanced(sums, counts=dict.fromkeys(TASKS, 16))
    backward_of("upgrad", whole)(losses_of(whole, torch.cat(list(parts))))
    for ours, theirs in zip(loop.model.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


def test_micro_batches_of_different_tasks_are_refused() -> None:
    loop = Loop(Setting(parts=2))
    loop.accelerator.gradient_state._set_sync_gradients(sync_gradients=False)
    losses = losses_of(loop.model, rows()[:8])
    loop.balanced(losses)
    with pytest.raises(ConfigError, match="losses of the same tasks"):
        loop.balanced({"up": losses_of(loop.model, rows()[8:16])["up"]})


class Stand:
    """What a bridge reads of an accelerator."""

    num_processes, scaler, gradient_accumulation_steps, sync_gradients, distributed_type = 1, None, 1, True, "NO"

    def __init__(self, **changes: Any) -> None:
        vars(self).update(changes)

    def register_for_checkpointing(self, *objects: Any) -> None:
        del objects


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"num_processes": 2, "distributed_type": "FSDP"}, "a whole network each"), ({"scaler": object()}, "scales losses")],
)
def test_what_would_be_wrong_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        AcceleratedBackward(Stand(**changes), backward_of("upgrad", Net()))


def test_balancers_that_evaluate_losses_again_get_a_function() -> None:
    model, other = Net(), Net()
    balanced, backward = AcceleratedBackward(Stand(), backward_of("famo", model)), backward_of("famo", other)
    for net, call in ((model, balanced), (other, backward)):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for part in rows().split(8):
            optimizer.zero_grad()
            call(lambda batch, net=net: losses_of(net, batch), [part])  # type: ignore[misc]
            optimizer.step()
            call.after_step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
