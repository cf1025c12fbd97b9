"""Which sources a step sees is an option, and a run that stopped goes on with the rows that it had not seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polytask.architectures import MultiTaskModel
from polytask.data import Source
from polytask.encoders import MLP
from polytask.errors import ConfigError
from polytask.tasks import Regression, Task
from polytask.training import FitResult, TrainingProgress, fit
from polytask.training.fit_model import build_loop

Table = Callable[..., Source]
CHOICES: dict[str, Any] = {"epochs": 4, "batch_size": 16, "threads": 1, "patience": None, "checkpoint_seconds": 0}
SIZE = Regression(name="size")
MODES = ("proportional", "temperature", "uniform", "round-robin")


def beside() -> Source:
    random = np.random.default_rng(5)
    return Source("beside", random.normal(size=(35, 4)).astype("float32"), {"size": random.normal(size=35)})


def network(tasks: tuple[Task, ...]) -> MultiTaskModel:
    return MultiTaskModel(MLP((4,), hidden=(8,)), tasks, hidden=(4,), initialization="framework")


def trained(table: Table, tasks: tuple[Task, ...], **choices: Any) -> FitResult:
    return fit(network((*tasks, SIZE)), [table(), beside()], **(CHOICES | choices))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("steps", [None, 5])
@pytest.mark.parametrize("sampling", MODES)
def test_a_run_goes_on_where_it_stopped(
    table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, sampling: str, steps: int | None
) -> None:
    def stop(progress: TrainingProgress) -> None:
        if progress.epoch == 3:
            raise KeyboardInterrupt

    choices = {"sampling": sampling, "steps_per_epoch": steps}
    whole = trained(table, three_tasks, **choices)
    with pytest.raises(KeyboardInterrupt):
        trained(table, three_tasks, checkpoint=tmp_path / "state", progress=stop, **choices)
    again = trained(table, three_tasks, checkpoint=tmp_path / "state", **choices)
    assert again.history.equals(whole.history)
    assert (again.steps, again.rows) == (whole.steps, whole.rows)
    assert all(torch.equal(value, again.model.state_dict()[name]) for name, value in whole.model.state_dict().items())


@pytest.mark.parametrize(
    ("choices", "steps"),
    # 96 and 28 rows in training; a batch of 16 is 12 and 4 of them.
    [
        ({}, 8),
        ({"sampling": "temperature"}, -(-(96 + round((96 * 28) ** 0.5)) // 16)),
        ({"sampling": "uniform"}, 12),
        ({"sampling": "round-robin"}, 12),
        ({"steps_per_epoch": 3}, 3),
        ({"sampling": "round-robin", "steps_per_epoch": 3}, 3),
    ],
)
def test_an_epoch_is_until_the_largest_source_is_through(
    table: Table, three_tasks: tuple[Task, ...], choices: dict[str, Any], steps: int
) -> None:
    run = trained(table, three_tasks, epochs=2, **choices)
    assert run.steps == 2 * steps


def test_temperature_reaches_the_sampler(table: Table, three_tasks: tuple[Task, ...]) -> None:
    loop, _ = build_loop(
        network((*three_tasks, SIZE)), [table(), beside()], sampling="temperature", temperature=7.0, steps_per_epoch=9, **CHOICES
    )
    assert (loop.sampler.temperature, loop.sampler.steps_per_epoch, loop.sampler.batch_size) == (7.0, 9, 16)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ({"sampling": "temprature"}, "training, sampling"),
        ({"sampling": "temperature", "temperature": 0.0}, "training, temperature"),
        ({"steps_per_epoch": 0}, "training, steps_per_epoch"),
        *(({"sampling": mode, "batch_sizes": {"table": 8, "beside": 8}}, "batch_sizes: .*proportional") for mode in MODES[1:]),
    ],
)
def test_sampling_that_cannot_be_is_one_line(table: Table, three_tasks: tuple[Task, ...], choices: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        trained(table, three_tasks, **choices)
    assert "\n" not in str(caught.value)


def test_other_sampling_is_another_run(table: Table, three_tasks: tuple[Task, ...], tmp_path: Path) -> None:
    trained(table, three_tasks, epochs=1, checkpoint=tmp_path / "state", sampling="uniform")
    with pytest.raises(ConfigError, match=r"found other sampling, steps_per_epoch\)"):
        trained(table, three_tasks, epochs=1, checkpoint=tmp_path / "state", sampling="round-robin", steps_per_epoch=4)
