"""A run that is stopped within an epoch goes on bit by bit as if it had not been."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from polytask.architectures import MultiTaskModel
from polytask.data import Source
from polytask.encoders.mlp import MLP
from polytask.errors import StorageError
from polytask.loggers import CsvLogger
from polytask.relatedness import AffinityCallback
from polytask.storage import load_state
from polytask.tasks import Task
from polytask.training import FitResult, fit
from polytask.training.callback import Callback
from polytask.training.loop.stop_requests import TrainingStoppedError, request_stop
from polytask.training.loop.training_loop import TrainingLoop

Table = Callable[..., Source]
CHOICES: dict[str, Any] = {"epochs": 3, "batch_size": 16, "threads": 1, "patience": None, "checkpoint_seconds": 1000.0}
STATEFUL = ("famo", "gradvac", "dwa", "uncertainty", "moco", "smooth-weights:nash-mtl")


def network(tasks: tuple[Task, ...]) -> MultiTaskModel:
    model = MultiTaskModel(MLP((4,), hidden=(8,)), tasks, hidden=(8,), initialization="framework")
    for head in model.heads.values():
        assert isinstance(head, nn.Sequential)
        head.append(nn.Dropout(0.3))
    return model


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    whole = TrainingLoop.step

    def asked(self: TrainingLoop, batches: Any) -> Any:
        report = whole(self, batches)
        if self.state.step == step:
            assert request_stop()
        return report

    monkeypatch.setattr(TrainingLoop, "step", asked)


def same(first: FitResult, second: FitResult) -> bool:
    weights = zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights) and first.history.equals(second.history)


class Rising(Callback):
    """Callback that keeps sums of the epoch, and says so."""

    def __init__(self) -> None:
        self.losses: dict[str, list[float]] = {}

    def on_step_end(self, loop: Any, report: Any) -> None:
        del loop
        for task, loss in report.losses.items():
            self.losses.setdefault(task, []).append(float(loss))

    def epoch_values(self) -> dict[str, dict[str, float]]:
        found, self.losses = {task: max(own) for task, own in self.losses.items()}, {}
        return {"largest loss": found}

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self.losses}

    def load_state_dict(self, state: Any) -> None:
        self.losses = {task: list(own) for task, own in state["losses"].items()}


class Silent(Rising):
    """Callback that keeps sums of the epoch to itself."""

    state_dict, load_state_dict = Callback.state_dict, Callback.load_state_dict


def observers(tasks: tuple[Task, ...]) -> list[Callback]:
    return [AffinityCallback([task.name for task in tasks], every=2), Rising()]


@pytest.mark.parametrize("balancer", ["famo", "cagrad"])
@pytest.mark.parametrize(
    "changes", [{}, {"sampling": "temperature", "steps_per_epoch": 6, "task_patience": {"price": 1}, "task_starts": {"plan": 2}}]
)
def test_it_goes_on_from_any_step_with_callbacks(
    table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, balancer: str, changes: dict[str, Any]
) -> None:
    def run(folder: Path | None, log: str) -> FitResult:
        logger = CsvLogger(tmp_path / log)
        model = network(three_tasks)
        return fit(model, data, balancer, checkpoint=folder, callbacks=observers(three_tasks), logger=logger, **(CHOICES | changes))

    data = [table(gaps=0.3)]
    whole = run(None, "whole")
    for step in random.Random(f"{balancer}{changes}").sample(range(1, whole.steps), 3):
        folder = tmp_path / str(step) / "state"
        with monkeypatch.context() as context:
            stop_at(context, step)
            with pytest.raises(TrainingStoppedError):
                run(folder, f"log-{step}")
        assert load_state(folder)["counters"]["step"] == step
        again = run(folder, f"log-{step}")
        assert same(whole, again), step
        for results in (whole.callback_results, again.callback_results):
            results["affinity"].pop("seconds", None)
        assert again.callback_results["affinity"] == whole.callback_results["affinity"]
        assert set(again.history["name"]) >= {"largest loss"}


def test_a_part_that_was_unfrozen_goes_on_from_within_its_epoch(
    table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = CHOICES | {
        "epochs": 4,
        "freeze": ("architecture", "heads.head_plan"),
        "unfreeze": {2: ("architecture",), 3: ("heads.head_plan",)},
    }
    whole = fit(network(three_tasks), [table()], "uncertainty", **choices)
    for step in (7, 8, 12, 16):  # an epoch has six steps
        for again in (False, True):
            with monkeypatch.context() as context:
                if not again:
                    stop_at(context, step)
                with nullcontext() if again else pytest.raises(TrainingStoppedError):
                    found = fit(network(three_tasks), [table()], "uncertainty", checkpoint=tmp_path / str(step) / "state", **choices)
        assert same(whole, found), step


def test_a_callback_without_a_state_is_saved_between_epochs(
    table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = CHOICES | {"checkpoint_seconds": 1e-9}
    assert (Rising().saved_within_epochs, Silent().saved_within_epochs) == (True, False)
    whole = fit(network(three_tasks), [table()], "famo", callbacks=[Silent()], **choices)
    with monkeypatch.context() as context:
        stop_at(context, 9)
        with pytest.raises(TrainingStoppedError):
            fit(network(three_tasks), [table()], "famo", checkpoint=tmp_path / "state", callbacks=[Silent()], **choices)
    assert load_state(tmp_path / "state")["counters"]["step"] == 6
    again = fit(network(three_tasks), [table()], "famo", checkpoint=tmp_path / "state", callbacks=[Silent()], **choices)
    assert same(whole, again)


@pytest.mark.parametrize(
    ("balancer", "changes"),
    [
        *((balancer, {}) for balancer in STATEFUL),
        ("equal", {"micro_batches": 2, "max_grad_norm": 1.0, "scheduler": "ExponentialLR", "scheduler_options": {"gamma": 0.9}}),
        ("equal", {"averaging": None, "scheduler": "StepLR", "scheduler_options": {"step_size": 2}, "scheduler_interval": "step"}),
    ],
)
def test_it_goes_on_from_within_an_epoch(
    table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, balancer: str, changes: dict[str, Any]
) -> None:
    choices = CHOICES | changes
    data = [table(gaps=0.3)]
    whole = fit(network(three_tasks), data, balancer, **choices)
    for step in (1, 8, 12):  # an epoch has six steps
        with monkeypatch.context() as context:
            stop_at(context, step)
            with pytest.raises(TrainingStoppedError):
                fit(network(three_tasks), data, balancer, checkpoint=tmp_path / str(step) / "state", **choices)
        again = fit(network(three_tasks), data, balancer, checkpoint=tmp_path / str(step) / "state", **choices)
        assert same(whole, again), step
        assert again.steps == whole.steps


def test_it_is_saved_within_an_epoch_after_some_time(
    table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed without warning at the 17th step of 18, having saved at every step."""
    monkeypatch.setattr("polytask.training.loop.checkpoint_writer.LONGEST_SHARE", float("inf"))
    choices = CHOICES | {"checkpoint_seconds": 1e-9}
    whole = fit(network(three_tasks), [table()], "famo", **choices)
    step = TrainingLoop.step

    def killed(self: TrainingLoop, batches: Any) -> Any:
        if self.state.step == 16:
            raise MemoryError
        return step(self, batches)

    with monkeypatch.context() as context:
        context.setattr(TrainingLoop, "step", killed)
        with pytest.raises(MemoryError):
            fit(network(three_tasks), [table()], "famo", checkpoint=tmp_path / "state", **choices)
    seen: list[int] = []

    def counted(self: TrainingLoop, batches: Any) -> Any:
        seen.append(self.state.step)
        return step(self, batches)

    monkeypatch.setattr(TrainingLoop, "step", counted)
    assert same(whole, fit(network(three_tasks), [table()], "famo", checkpoint=tmp_path / "state", **choices))
    assert seen == [16, 17, *([18, 19, 20, 21, 22, 23] if whole.steps == 24 else [])]


def test_a_folder_that_is_removed_stops_the_run(
    table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = TrainingLoop.step

    def removing(self: TrainingLoop, batches: Any) -> Any:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        return step(self, batches)

    (tmp_path / "run").mkdir()
    monkeypatch.setattr(TrainingLoop, "step", removing)
    with pytest.raises(StorageError, match="was removed while it was running"):
        fit(network(three_tasks), [table()], "equal", checkpoint=tmp_path / "run" / "state", **(CHOICES | {"checkpoint_seconds": 0}))
    assert not (tmp_path / "run").exists()
