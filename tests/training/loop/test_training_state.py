"""The state of a run: what a checkpoint holds beside the weights of the last epoch, and seeds that reach the balancer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from polytask.architectures import MultiTaskModel
from polytask.balancing import Balancer, Needs, Nothing, Statistic, Weights
from polytask.data import Source
from polytask.encoders import MLP, ModuleEncoder
from polytask.seeds import derive_seed
from polytask.storage import load_state
from polytask.tasks import Regression
from polytask.training import TrainingProgress, fit, make_balancer
from polytask.training.fit_model import build_loop

TASKS = (Regression(name="noise"),)
CHOICES: dict[str, Any] = {"epochs": 8, "batch_size": 16, "threads": 1, "patience": None, "checkpoint_seconds": 0, "lr": 0.03}


def noise() -> Source:
    """Nothing to learn, so that the network soon gets worse on the validation part."""
    random = np.random.default_rng(2)
    return Source("noise", random.normal(size=(60, 4)).astype("float32"), {"noise": random.normal(size=60)})


def network() -> MultiTaskModel:
    return MultiTaskModel(MLP((4,), hidden=(32,)), TASKS, initialization="framework")


def test_the_best_weights_of_an_epoch_long_past_survive_a_stop(tmp_path: Path) -> None:
    def stop(progress: TrainingProgress) -> None:
        if progress.epoch == 8:
            raise KeyboardInterrupt

    whole = fit(network(), [noise()], **CHOICES)
    assert whole.best_epoch < 6
    with pytest.raises(KeyboardInterrupt):
        fit(network(), [noise()], checkpoint=tmp_path / "state", progress=stop, **CHOICES)
    stored = load_state(tmp_path / "state")
    assert not all(torch.equal(stored["best"][name], stored["model"][name]) for name in stored["best"])
    again = fit(network(), [noise()], checkpoint=tmp_path / "state", **CHOICES)
    assert again.best_epoch == whole.best_epoch
    assert again.validation == whole.validation
    assert all(torch.equal(value, again.model.state_dict()[name]) for name, value in whole.model.state_dict().items())


def test_the_restored_weights_are_those_of_a_run_that_ends_at_the_best_epoch() -> None:
    whole = fit(network(), [noise()], **CHOICES)
    short = fit(network(), [noise()], **(CHOICES | {"epochs": whole.best_epoch}))
    assert whole.best_epoch == short.best_epoch < whole.epochs
    assert all(torch.equal(value, short.model.state_dict()[name]) for name, value in whole.model.state_dict().items())


def test_a_state_says_all_of_itself_again() -> None:
    first, _ = build_loop(
        network(), [noise()], "uncertainty", **(CHOICES | {"scheduler": "ExponentialLR", "scheduler_options": {"gamma": 0.5}})
    )
    first.run()
    second, _ = build_loop(
        network(), [noise()], "uncertainty", **(CHOICES | {"scheduler": "ExponentialLR", "scheduler_options": {"gamma": 0.5}})
    )
    second.state.load_state_dict(first.state.state_dict())
    ours, theirs = first.state.state_dict(), second.state.state_dict()
    assert ours.keys() == theirs.keys()
    for part in ("scheduler", "backward", "stopping", "counters", "history"):
        assert ours[part] == theirs[part], part
    for part in ("model", "best"):
        assert all(torch.equal(value, theirs[part][name]) for name, value in ours[part].items())


class Drifting(nn.Module):
    """Adds a buffer that grows in training and is not saved."""

    drift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("drift", torch.zeros(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.drift += 0.5
        return x + self.drift


def drifting() -> MultiTaskModel:
    torch.manual_seed(0)
    encoder = ModuleEncoder(nn.Sequential(nn.Linear(4, 8), Drifting(), nn.Tanh()), (4,))
    return MultiTaskModel(encoder, TASKS, initialization="framework")


@pytest.mark.parametrize("averaging", [None, 1.0])
def test_what_is_validated_is_what_is_returned(tmp_path: Path, averaging: float | None) -> None:
    """Non-persistent buffers count, also those of an epoch before a stop."""

    def stop(progress: TrainingProgress) -> None:
        if progress.epoch == 8:
            raise KeyboardInterrupt

    given = CHOICES | {"averaging": averaging}
    whole = fit(drifting(), [noise()], **given)
    assert whole.best_epoch < 8
    rows = whole.history[(whole.history["split"] == "validation") & (whole.history["epoch"] == whole.best_epoch)]
    assert len(rows)
    assert all(whole.validation["noise"][name] == value for name, value in zip(rows["name"], rows["value"], strict=True))
    with pytest.raises(KeyboardInterrupt):
        fit(drifting(), [noise()], checkpoint=tmp_path / "state", progress=stop, **given)
    again = fit(drifting(), [noise()], checkpoint=tmp_path / "state", **given)
    assert again.history.equals(whole.history)
    assert again.validation == whole.validation


@final
class Drawn(Balancer):
    """Remembers the seed that it was given."""

    given = -1

    def needs(self) -> Needs:
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        return Weights(torch.ones(len(statistic.names), dtype=torch.float64), heads=True)

    def seed(self, seed: int) -> None:
        self.given = seed


@pytest.mark.parametrize("seed", [0, 7])
def test_the_balancers_draws_grow_from_the_root_seed(seed: int) -> None:
    balancer = Drawn()
    assert make_balancer(balancer, TASKS, seed) is balancer
    assert balancer.given == derive_seed(seed, "balancer")
