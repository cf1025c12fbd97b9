"""What a bridge refuses, with stand-ins for what it reads of its library."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.bridges.bare_loop import Net, backward_of, losses_of, rows

from polytask.bridges import BalancedModule, BalancedTrainer
from polytask.bridges.accumulated_step import AccumulatedStep
from polytask.errors import ConfigError

SCALER = SimpleNamespace()


class Module(BalancedModule):
    """A module whose trainer is a stand-in."""

    def __init__(self, **trainer: Any) -> None:
        given = {"world_size": 1, "strategy": SimpleNamespace(model=Net()), "precision_plugin": SimpleNamespace(scaler=None), **trainer}
        self.trainer = SimpleNamespace(**given)
        self.balance(backward_of("upgrad", Net()))


class Trainer(BalancedTrainer):
    """A trainer of stand-ins."""

    def __init__(self, processes: int = 1, devices: int = 1, scaler: Any = None) -> None:
        self.accelerator = SimpleNamespace(num_processes=processes, scaler=scaler)
        self.args = SimpleNamespace(n_gpu=devices)
        self.balance(backward_of("upgrad", Net()))


@pytest.mark.parametrize(
    ("trainer", "text"),
    [({"world_size": 2}, "a whole network each"), ({"precision_plugin": SimpleNamespace(scaler=SCALER)}, "scales losses")],
)
def test_lightning_trainers_that_would_be_wrong(trainer: dict[str, Any], text: str) -> None:
    Module().on_fit_start()
    with pytest.raises(ConfigError, match=text):
        Module(**trainer).on_fit_start()


@pytest.mark.parametrize(
    ("given", "text"),
    [({"processes": 2}, "a whole network each"), ({"devices": 2}, "on one device"), ({"scaler": SCALER}, "scales losses")],
)
def test_hugging_face_trainers_that_would_be_wrong(given: dict[str, Any], text: str) -> None:
    Trainer()._check(Net())
    with pytest.raises(ConfigError, match=text):
        Trainer(**given)._check(Net())


@pytest.mark.parametrize("kind", [BalancedModule, BalancedTrainer])
def test_a_balancer_that_was_forgotten_is_named(kind: Any) -> None:
    with pytest.raises(ConfigError, match="there is no balancer"):
        kind().balanced  # noqa: B018 - the look-up is the test


def test_a_checkpoint_without_a_balancer_leaves_it_alone() -> None:
    module = Module()
    module.balanced(losses_of(module.balanced.model, rows()[:8]))
    module.on_load_checkpoint({})
    assert module.balanced.step == 1
    checkpoint: dict[str, Any] = {}
    module.on_save_checkpoint(checkpoint)
    other = Module()
    other.on_load_checkpoint(checkpoint)
    assert other.balanced.step == 1


def test_a_step_of_more_parts_than_announced_is_refused() -> None:
    net = Net()
    step = AccumulatedStep(backward_of("upgrad", net))
    first, second = rows()[:16].split(8)
    step.take(losses_of(net, first), parts=2, last=False)
    with pytest.raises(ConfigError, match="more micro-batches than announced"):
        step.take(losses_of(net, second), parts=2, last=False)
