"""Convolutions keep their weights with channels last: what is resumed or written beside the balancer must not mix them up."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import final

import numpy as np
import pytest
import torch
from torch import nn

import polytask.training.loop.training_loop as loop_module
from polytask.architectures import MultiTaskModel
from polytask.balancing import Balancer, Direction, Equal, Jacobian, Needs, Statistic
from polytask.data import Source
from polytask.encoders import Conv, ResNet
from polytask.studies import Study
from polytask.studies.execution.job_training import load_job_network, make_jobs, train_job
from polytask.studies.setup.resolve_config import make_job_context, resolve_config
from polytask.tasks import Multiclass, Task
from polytask.training import FitResult, fit
from polytask.training.hardware import Precision, choose_precision

TASKS = tuple(Multiclass(name=name, classes=(0, 1, 2)) for name in ("shade", "side"))


def pictures() -> Source:
    random = np.random.default_rng(0)
    shade, side = random.integers(0, 3, (2, 90))
    images = random.integers(0, 60, (90, 3, 12, 12)) + 60 * shade[:, None, None, None]
    return Source("pictures", images.astype(np.uint8), {"shade": shade, "side": side})


def trained(balancer: str | Balancer = "equal", checkpoint: Path | None = None, precision: str = "float32") -> FitResult:
    model = MultiTaskModel(Conv((3, 12, 12)), TASKS, hidden=(8,), initialization="framework")
    choices = {"epochs": 4, "batch_size": 16, "threads": 1, "patience": None, "checkpoint_seconds": 0, "precision": precision}
    return fit(model, [pictures()], balancer, checkpoint=checkpoint, **choices)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_stopped_convolutional_run_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    whole = trained(precision=precision)
    step = loop_module.TrainingLoop.step

    def killed(self: loop_module.TrainingLoop, batches: loop_module.StepBatches) -> object:
        if self.state.epoch == 2:
            raise KeyboardInterrupt
        return step(self, batches)

    with monkeypatch.context() as context:
        context.setattr(loop_module.TrainingLoop, "step", killed)
        with pytest.raises(KeyboardInterrupt):
            trained(checkpoint=tmp_path / "state", precision=precision)
    again = trained(checkpoint=tmp_path / "state", precision=precision)
    assert whole.history.equals(again.history)
    for ours, theirs in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("convolution", "channels_last"),
    [
        (nn.Conv2d(1, 4, 3), True),
        (nn.Conv2d(4, 8, 3, stride=2), True),
        (nn.Conv2d(4, 8, 1), True),
        (nn.Conv2d(4, 8, 1, stride=2), False),
        (nn.Conv2d(15, 30, 1, stride=(1, 2)), False),
        (nn.Conv2d(16, 32, 1, stride=2), True),
        (nn.Conv2d(32, 32, 1, stride=2, groups=4), False),
    ],
    ids=str,
)
def test_channels_are_last_where_gradients_stay_within_their_memory(convolution: nn.Conv2d, channels_last: bool) -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 3), convolution)
    assert choose_precision(model, "float32") == Precision("float32", channels_last=channels_last)


@pytest.mark.parametrize("width", [4, 16])
def test_residual_networks_of_any_width_have_the_gradients_of_channels_first(width: int) -> None:
    """A gradient written beyond its memory would be a wrong one, or end the process."""
    torch.manual_seed(0)
    plain, images = ResNet((1, 16, 16), width=width, blocks=(1, 1)).eval(), torch.rand(24, 1, 16, 16)
    precision = choose_precision(plain, "float32")
    assert precision.channels_last == (width == 16)
    format_inputs = precision.format_model(copy.deepcopy(plain))
    for model, inputs in ((plain, images), (format_inputs, precision.format_inputs(images))):
        model(inputs).square().sum().backward()
    for ours, theirs in zip(format_inputs.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4 * float(theirs.grad.abs().max()))


@final
class SumOfRows(Balancer):
    """Equal weights, said as a direction."""

    def needs(self) -> Needs:
        return Jacobian()

    def weigh(self, statistic: Statistic) -> Direction:
        return Direction(statistic.jacobian().sum(dim=0))


def test_a_direction_is_what_its_weights_would_be() -> None:
    direct, through = trained(Equal()), trained(SumOfRows())
    for ours, theirs in zip(direct.model.parameters(), through.model.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_single_and_joint_arms_are_chosen_on_the_same_rows(
    tmp_path: Path, table: Callable[..., Source], three_tasks: tuple[Task, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[int]] = []
    import polytask.training.preparation.prepared_data as preparation

    divide = preparation.train_validation_rows

    def watched(*arguments: object) -> tuple[np.ndarray, np.ndarray]:
        training, validation = divide(*arguments)  # type: ignore[arg-type]
        seen.append(set(validation.tolist()))
        return training, validation

    options = {"epochs": 1, "threads": 1}
    study = Study(
        [table(gaps=0.3)], three_tasks, test=lambda: (table(seed=1),), arms=["single", "equal"], seeds=2, workers=1, training=options
    )
    config = resolve_config(study.config, study.sources, study.tasks, networks=1)
    monkeypatch.setattr(preparation, "train_validation_rows", watched)
    for job in make_jobs(study.arms, [0], tmp_path):
        train_job(job, make_job_context(config, study.sources, study.tasks))
        assert load_job_network(job).tasks
    assert len(seen) == 4
    assert all(rows == seen[0] for rows in seen)
