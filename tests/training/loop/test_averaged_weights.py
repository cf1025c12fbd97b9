"""The moving average of the weights: its recursion, what it holds, where it stands in, and that a stop does not change it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import polytask as pt
from polytask.encoders import MLP, ModuleEncoder
from polytask.training import Callback, TrainingProgress
from polytask.training.fit_model import build_loop
from polytask.training.loop.averaged_weights import AveragedWeights
from polytask.training.loop.training_loop import TrainingLoop

CHOICES: dict[str, Any] = {"epochs": 4, "batch_size": 16, "threads": 1, "patience": None, "checkpoint_seconds": 0, "lr": 0.03}
TASKS = (pt.tasks.Regression(name="a"), pt.tasks.Regression(name="b"))


def sources(names: tuple[str, ...] = ("table",)) -> list[pt.Source]:
    random = np.random.default_rng(5)
    found = []
    for place, name in enumerate(names):
        inputs = random.normal(size=(60, 4)).astype("float32") + 3 * place
        found.append(pt.Source(name, inputs, {"a": inputs[:, 0], "b": inputs[:, 1] ** 2}))
    return found


def network(*, normalized: bool = False) -> pt.MultiTaskModel:
    torch.manual_seed(0)
    layers = [nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU()]
    encoder = ModuleEncoder(nn.Sequential(*layers), (4,)) if normalized else MLP((4,), hidden=(8,))
    return pt.MultiTaskModel(encoder, TASKS, initialization="framework")


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def test_the_average_is_that_of_the_equation() -> None:
    loop, _ = build_loop(network(normalized=True), sources(("near", "far")), averaging=0.5, seed=3, **CHOICES)
    start, after = snapshot(loop.state.model), []
    for _ in range(3):
        loop.state.model.train()
        for batches in loop.epoch_batches():
            loop.step(batches)
            after.append(snapshot(loop.state.model))
        loop.state.epoch += 1
    expected = {name: value.double() for name, value in start.items() if value.is_floating_point()}
    for t, weights in enumerate(after, start=1):
        decay = min(math.exp(-1 / (0.5 * loop.sampler.steps)), t / (t + 10))
        expected = {name: decay * value + (1 - decay) * weights[name].double() for name, value in expected.items()}
    live = snapshot(loop.state.model)
    with loop.state.averaged():
        found = snapshot(loop.state.model)
    assert sum("running_mean" in name for name in expected) == 3  # those of two sources, and those from which a new one would start
    for name, value in expected.items():
        torch.testing.assert_close(found[name].double(), value, rtol=1e-5, atol=1e-6)
    assert not same(found, live)
    assert all(torch.equal(found[name], live[name]) for name in live.keys() - expected.keys())
    assert same(snapshot(loop.state.model), live)


@final
class Glances(Callback):
    """Keeps the weights that it sees before steps and after epochs."""

    def __init__(self) -> None:
        self.model: nn.Module = nn.Identity()
        self.before: list[dict[str, Tensor]] = []
        self.applied: list[dict[str, Tensor]] = []
        self.after: list[dict[str, Tensor]] = []

    def on_step_begin(self, loop: TrainingLoop, batches: Mapping[str, Any]) -> None:
        del batches
        self.model = loop.state.model
        self.before.append(snapshot(self.model))
        with loop.state.averaged():
            self.applied.append(snapshot(self.model))

    def epoch_values(self) -> Mapping[str, Mapping[str, float]]:
        self.after.append(snapshot(self.model))
        return {}


def test_averaged_weights_are_validated_kept_and_returned_and_do_not_change_training() -> None:
    plain, averaged = Glances(), Glances()
    pt.fit(network(), sources(), callbacks=[plain], averaging=None, **CHOICES)
    run = pt.fit(network(), sources(), callbacks=[averaged], **CHOICES)
    assert len(plain.before) == len(averaged.before)
    assert all(same(*pair) for pair in zip(plain.before, averaged.before, strict=True))
    assert all(same(*pair) for pair in zip(plain.before, plain.applied, strict=True))
    assert same(run.model.state_dict(), averaged.after[run.best_epoch - 1])
    steps = run.steps // run.epochs
    assert all(same(averaged.after[epoch], averaged.applied[(epoch + 1) * steps]) for epoch in range(3))
    assert not any(same(averaged.after[epoch], averaged.before[(epoch + 1) * steps]) for epoch in range(3))


@pytest.mark.parametrize("choices", [{}, {"freeze": ("architecture",), "unfreeze": {3: ("architecture",)}}], ids=["plain", "unfreezing"])
def test_a_stop_does_not_change_a_byte(tmp_path: Path, choices: dict[str, Any]) -> None:
    def stop(progress: TrainingProgress) -> None:
        if progress.epoch == 3 and progress.step > 1:
            raise KeyboardInterrupt

    given = {**CHOICES, **choices, "seed": 2}
    whole = pt.fit(network(normalized=True), sources(("near", "far")), **given)
    with pytest.raises(KeyboardInterrupt):
        pt.fit(network(normalized=True), sources(("near", "far")), checkpoint=tmp_path / "state", progress=stop, **given)
    again = pt.fit(network(normalized=True), sources(("near", "far")), checkpoint=tmp_path / "state", **given)
    assert same(whole.model.state_dict(), again.model.state_dict())
    assert whole.history.equals(again.history)
    with pytest.raises(pt.errors.ConfigError, match="averaging"):
        pt.fit(network(normalized=True), sources(("near", "far")), checkpoint=tmp_path / "state", **given, averaging=1.0)


def test_a_skipped_step_does_not_count() -> None:
    (good,) = sources()
    model = network()
    loop, _ = build_loop(model, [good], averaging=1.0, non_finite="skip", validation_fraction=0.2, **CHOICES)
    averages = loop.state.averages
    assert averages is not None
    for number, batches in enumerate(loop.epoch_batches()):
        spoiled = copy.deepcopy(batches)
        if number == 1:
            spoiled["table"].inputs[:] = torch.inf
        counted, values = averages.steps, {name: value.clone() for name, value in averages.values.items()}
        report = loop.step(spoiled)
        assert report.skipped == (number == 1)
        assert averages.steps == counted + (number != 1)
        assert same(averages.values, values) == (number == 1)


class Odd(nn.Module):
    """Holds what has no mean, or none that one would want, and a parameter of half precision."""

    source_independent_buffers = ("temperature",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
        self.fixed = nn.Parameter(torch.ones(2), requires_grad=False)
        for name, value in {"count": torch.tensor(0), "mask": torch.tensor([0.0, -torch.inf]), "temperature": torch.tensor(5.0)}.items():
            self.register_buffer(name, value)
        self.register_buffer("mean", torch.zeros(2), persistent=False)


def test_what_has_no_mean_is_that_of_the_network() -> None:
    model = Odd()
    averages = AveragedWeights(model, 3.0)
    assert averages.values.keys() == {"weight", "mean"}
    expected = torch.ones(3, dtype=torch.float64)
    for t in range(1, 400):
        with torch.no_grad():
            model.weight.add_(0.01)
            model.mean = torch.full((2,), float(t))  # another tensor, as some modules do
            model.temperature.mul_(0.9)
            model.count.add_(1)
        averages.update(steps_per_epoch=1_000)
        expected = (t * expected + 10 * model.weight.detach().double()) / (t + 10)
    live = snapshot(model)
    assert averages.values["weight"].dtype == torch.float32
    torch.testing.assert_close(averages.values["weight"].double(), expected, rtol=1e-5, atol=0)
    with averages.applied():
        assert torch.equal(model.weight, expected.to(torch.bfloat16))
        assert 0 < float(model.mean[0]) < 399
        assert int(model.count) == 399
        assert torch.equal(model.mask, torch.tensor([0.0, -torch.inf]))
        assert same({"temperature": model.temperature}, {"temperature": live["temperature"]})
    assert same(snapshot(model), live)


def moved(model: Odd, averages: AveragedWeights, values: list[float]) -> None:
    """Update the averages once for every value of the buffer."""
    for value in values:
        model.mean.fill_(value)
        averages.update(steps_per_epoch=1)


def test_a_buffer_that_has_become_finite_keeps_its_average_when_a_run_goes_on() -> None:
    model, other = Odd(), Odd()
    model.mean.fill_(torch.inf)
    other.mean.fill_(torch.inf)
    averages, again = AveragedWeights(model, 3.0), AveragedWeights(other, 3.0)
    model.mean.fill_(1.0)
    averages.track()
    moved(model, averages, [2.0, 4.0, 6.0])
    other.mean.copy_(model.mean)
    again.load_state_dict(copy.deepcopy(averages.state_dict()))
    assert same(again.values, averages.values)
    assert 1.0 < float(again.values["mean"][0]) < 6.0
    moved(model, averages, [8.0])
    moved(other, again, [8.0])
    assert same(again.values, averages.values)


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_a_step_with_a_buffer_that_is_not_finite_leaves_its_average(value: float) -> None:
    model = Odd()
    averages = AveragedWeights(model, 3.0)
    moved(model, averages, [3.0])
    before = {name: average.clone() for name, average in averages.values.items()}
    with torch.no_grad():
        model.weight.add_(1)
    model.mean[1] = value
    averages.update(steps_per_epoch=1)
    assert torch.equal(averages.values["mean"], before["mean"])
    assert not torch.equal(averages.values["weight"], before["weight"])
    moved(model, averages, [3.0])
    assert float(before["mean"][0]) < float(averages.values["mean"][1]) < 3.0


def test_weights_come_back_after_an_error() -> None:
    model = nn.Linear(2, 1)
    averages = AveragedWeights(model, 1.0)
    with torch.no_grad():
        model.weight.add_(1)
    live = snapshot(model)
    with pytest.raises(RuntimeError), averages.applied():
        raise RuntimeError
    assert same(snapshot(model), live)


@pytest.mark.parametrize("horizon", [0.0, -1.0, math.inf, math.nan])
def test_a_horizon_is_a_positive_number(horizon: float) -> None:
    with pytest.raises(pt.errors.ConfigError, match="averaging"):
        pt.fit(TASKS, sources(), averaging=horizon)
