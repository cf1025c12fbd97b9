"""A checkpoint belongs to one run: with other options, seeds, data or tasks it is refused, in one line that names them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from polytask.architectures import MultiTaskModel
from polytask.data import Source
from polytask.encoders import MLP
from polytask.errors import ConfigError
from polytask.tasks import Binary, Task
from polytask.training import FitResult, fit

fit_module = import_module("polytask.training.fit_model")
Table = Callable[..., Source]
Trainer = Callable[..., FitResult]
CHOICES: dict[str, Any] = {"epochs": 2, "batch_size": 16, "threads": 1, "checkpoint_seconds": 0}


@pytest.fixture
def train(table: Table, three_tasks: tuple[Task, ...], tmp_path: Path) -> Trainer:
    """Trains a small network with a checkpoint; a choice of None is not passed on."""

    def run(*, source: Source | None = None, tasks: tuple[Task, ...] = three_tasks, balancer: str = "equal", **choices: Any) -> FitResult:
        model = MultiTaskModel(MLP((4,), hidden=(4,)), tasks, hidden=(4,), initialization="framework")
        given = {name: value for name, value in (CHOICES | choices).items() if value is not None}
        return fit(model, [source or table()], balancer, checkpoint=tmp_path / "state", **given)

    return run


@pytest.mark.parametrize(
    ("choices", "names"),
    [
        ({"lr": 0.1}, "lr"),
        ({"epochs": 3, "max_grad_norm": 1.0}, "epochs, max_grad_norm"),
        ({"optimizer_options": {"betas": (0.8, 0.9)}}, "optimizer_options"),
        ({"seed": 1}, "seed, tasks"),  # another split, and so another mean of the prices
        ({"balancer": "uncertainty"}, "balancer"),
        ({"batch_sizes": {"table": 8}}, "batch_sizes"),
        ({"precision": "bfloat16"}, "precision"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(train: Trainer, choices: dict[str, Any], names: str) -> None:
    train()
    with pytest.raises(ConfigError, match=rf"the state belongs to another run \(found other {names}\)") as caught:
        train(**choices)
    assert "\n" not in str(caught.value)


def test_other_rows_and_other_classes_are_another_run(train: Trainer, table: Table, three_tasks: tuple[Task, ...]) -> None:
    train()
    with pytest.raises(ConfigError, match=r"found other tasks, sources\)"):  # a task knows the mean of its labels
        train(source=table(seed=1))
    inputs = table()
    with pytest.raises(ConfigError, match=r"found other sources\)"):
        train(source=Source("table", inputs.inputs + 1, inputs.labels))
    with pytest.raises(ConfigError, match=r"found other tasks\)"):
        train(tasks=(three_tasks[0], Binary(name="churn", classes=("leaves", "stays")), three_tasks[2]))


def test_what_was_left_open_is_as_it_was_measured(train: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_module, "choose_thread_count", lambda *_, **__: 2)
    monkeypatch.setattr("polytask.training.hardware.has_native_bfloat16", lambda: True)
    first = train(threads=None, precision=None)
    monkeypatch.setattr(fit_module, "choose_thread_count", lambda *_, **__: pytest.fail("measured anew"))
    again = train(threads=None, precision=None)
    assert (first.options.threads, again.options) == (2, first.options)


def test_what_has_no_influence_on_the_result_may_change(train: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train()
    monkeypatch.setattr("polytask.training.loop.training_loop.TrainingLoop.step", lambda *_: pytest.fail("a step was taken"))
    again = train(checkpoint_seconds=3.0, optimizer_options={})
    assert first.history.equals(again.history)


def test_options_that_are_functions_are_compared_by_name(train: Trainer) -> None:
    def halved(epoch: int) -> float:
        return 0.5**epoch

    def other(epoch: int) -> float:
        return 0.1**epoch

    train(scheduler="LambdaLR", scheduler_options={"lr_lambda": halved})
    train(scheduler="LambdaLR", scheduler_options={"lr_lambda": halved})
    with pytest.raises(ConfigError, match="scheduler_options"):
        train(scheduler="LambdaLR", scheduler_options={"lr_lambda": other})
