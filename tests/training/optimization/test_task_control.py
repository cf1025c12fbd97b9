"""Tasks that start later, are frozen when they have converged, and have a weight schedule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import polytask as pt
from polytask.architectures import Network
from polytask.cli.app import SEVERAL, app
from polytask.cli.table_source import spread
from polytask.data import Source
from polytask.errors import ConfigError
from polytask.options import TrainingOptions
from polytask.options.values.weight_schedule import weight_at
from polytask.registry import names
from polytask.storage import read_yaml
from polytask.tasks import Binary, Regression, Task
from polytask.training import fit
from polytask.training.fit_model import build_loop
from polytask.training.hardware import torch_threads
from polytask.training.optimization.task_control import TaskControl, options_for
from polytask.training.preparation.batch import Batch

TASKS: tuple[Task, ...] = (Regression(name="a"), Binary(name="b", classes=(0, 1)), Regression(name="c"))
PLAIN: dict[str, Any] = {"batch_size": 16, "threads": 1, "averaging": None, "patience": None, "keep": "last", "lr": 0.01}


def table(rows: int = 80, seed: int = 3) -> Source:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)).astype("float32")
    return Source("t", x, {"a": x[:, 0] + x[:, 1], "b": (x[:, 1] > 0).astype(int), "c": x[:, 2] ** 2})


def network(architecture: str = "hard") -> Network:
    found: Network = fit(TASKS, [table()], architecture=architecture, epochs=1, progress=pt.training.ignore_progress, **PLAIN).model
    return found


def same(first: Network, second: Network) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))


def without_labels(batch: Batch, tasks: tuple[str, ...]) -> Batch:
    labeled = {task: torch.zeros(len(batch), dtype=torch.bool) if task in tasks else mask for task, mask in batch.labeled.items()}
    return Batch(**{**vars(batch), "labeled": labeled})


def by_hand(model: Network, balancer: str, absent: Callable[[int], tuple[str, ...]], epochs: int, **choices: Any) -> Network:
    """Train a copy of the network on batches in which some labels are missing in some epochs."""
    loop, _ = build_loop(model, [table()], balancer, seed=1, epochs=epochs, **{**PLAIN, **choices})
    with torch_threads(1):
        for epoch in range(1, epochs + 1):
            loop.state.model.train()
            for batches in loop.epoch_batches():
                loop.step({name: without_labels(batch, absent(epoch)) for name, batch in batches.items()})
            loop.state.epoch += 1
    return loop.state.model


def started(architecture: str = "hard") -> Network:
    torch.manual_seed(0)
    return network(architecture)


@pytest.mark.parametrize("balancer", sorted(set(names("balancer")) - {"rotograd", "torchjd"}))  # these need other parts
@pytest.mark.sampled(4, drawn=True)
def test_a_run_before_the_start_is_a_run_without_the_labels(balancer: str) -> None:
    chosen = "fixed(weights={a: 1.0, b: 0.5, c: 2.0})" if balancer == "fixed" else balancer
    late = fit(started(), [table()], chosen, seed=1, epochs=4, task_starts={"c": 3}, **PLAIN)
    assert same(late.model, by_hand(started(), chosen, lambda epoch: ("c",) if epoch < 3 else (), 4))
    assert set(late.history.query("task == 'c' and name == 'loss'").epoch) == {3, 4}


@pytest.mark.parametrize("architecture", ["cross-stitch", "mmoe", "mtan", "constrained", "sluice", "adapters"])
def test_architectures_treat_a_task_without_a_start_as_one_without_labels(architecture: str) -> None:
    late = fit(started(architecture), [table()], "pcgrad", seed=1, epochs=3, task_weights={"a": {2: 0.0, 3: 1.0}}, **PLAIN)
    assert same(late.model, by_hand(started(architecture), "pcgrad", lambda epoch: ("a",) if epoch < 3 else (), 3))


@pytest.mark.parametrize("choices", [{"micro_batches": 2}, {"max_grad_norm": 0.1, "optimizer": "AdamW"}])
def test_micro_batches_and_clipping_know_no_more_of_a_late_task(choices: dict[str, Any]) -> None:
    late = fit(started(), [table()], "upgrad", seed=1, epochs=3, task_starts={"c": 3}, **PLAIN, **choices)
    assert same(late.model, by_hand(started(), "upgrad", lambda epoch: ("c",) if epoch < 3 else (), 3, **choices))


def parameters(model: Network, task: str) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.private_parameters(task)]


@pytest.mark.parametrize("architecture", ["hard", "constrained"])
@pytest.mark.parametrize("averaging", [None, 3.0])
def test_a_frozen_task_stands_still_and_acts_on_nothing(architecture: str, averaging: float | None) -> None:
    choices = {**PLAIN, "averaging": averaging, "optimizer": "AdamW", "optimizer_options": {"weight_decay": 0.5}, "min_delta": 10.0}
    frozen = {"task_patience": {"a": 2}, "patience_share": 0.0}
    early, late = (fit(started(architecture), [table()], "equal", seed=1, epochs=n, **choices, **frozen) for n in (3, 6))
    assert (early.frozen, late.frozen) == ({"a": 3}, {"a": 3})
    assert "frozen: a after epoch 3" in str(late)
    assert all(torch.equal(*pair) for pair in zip(parameters(early.model, "a"), parameters(late.model, "a"), strict=True))
    assert not same(early.model, late.model)
    if averaging is None and architecture == "hard":  # otherwise its weights become the averages, or a penalty moves them by hand
        rest = by_hand(started(), "equal", lambda epoch: ("a",) if epoch > 3 else (), 6, **choices)
        assert same(late.model, rest)


def test_a_run_ends_when_all_its_tasks_are_frozen() -> None:
    choices = {**PLAIN, "min_delta": 10.0, "patience_share": 0.0}
    run = fit(started(), [table()], epochs=9, task_patience={"a": 1, "b": 2, "c": 3}, **choices)
    assert (run.frozen, run.epochs, run.finished) == ({"a": 2, "b": 3, "c": 4}, 4, True)


def test_a_factor_of_all_losses_is_one_of_the_learning_rate() -> None:
    sgd = {**PLAIN, "optimizer": "SGD"}
    halved = fit(started(), [table()], epochs=2, task_weights=dict.fromkeys("abc", 0.5), **sgd)
    slow = fit(started(), [table()], epochs=2, **{**sgd, "lr": 0.005})
    for one, other in zip(halved.model.parameters(), slow.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert set(halved.history.query("name == 'weight'").value) == {0.5}
    told = [run.history.query("name == 'loss'").value.to_numpy() for run in (halved, slow)]
    np.testing.assert_allclose(*told, rtol=1e-5)  # of the losses themselves


def test_a_schedule_gives_every_epoch_its_weight() -> None:
    run = fit(started(), [table()], epochs=5, task_weights={"a": {1: 1.0, 3: 0.5}}, **PLAIN)
    weights = run.history.query("task == 'a' and name == 'weight'").value
    assert weights.tolist() == [1.0, 0.75, 0.5, 0.5, 0.5]
    fixed = fit(started(), [table()], "fixed(weights={a: 2.0, b: 1.0, c: 1.0})", epochs=1, task_weights={"a": 0.5}, **PLAIN)
    plain = fit(started(), [table()], epochs=1, **PLAIN)
    assert same(fixed.model, plain.model)  # 0.5 · 2 = 1, exactly


def test_no_epoch_is_chosen_and_nothing_stops_before_the_last_start() -> None:
    stop = {**PLAIN, "keep": "best", "patience": 1, "min_delta": 10.0, "patience_share": 0.0}
    assert fit(started(), [table()], epochs=12, **stop).epochs == 2
    late = fit(started(), [table()], epochs=12, task_starts={"c": 6}, **stop)
    assert (late.epochs, late.best_epoch) >= (7, 6)
    assert late.epochs == 7


def test_a_run_resumes_bit_for_bit(tmp_path: Path) -> None:
    choices = {"batch_size": 16, "threads": 1, "patience": None, "lr": 0.02, "min_delta": 0.05, "patience_share": 0.0, "epochs": 7}
    control = {"task_starts": {"c": 3}, "task_patience": {"a": 1}, "task_weights": {"b": {1: 0.2, 6: 1.0}}}
    whole = fit(started(), [table()], "uncertainty", seed=1, **choices, **control)
    assert whole.frozen
    for pause in range(1, 8):
        found = fit(started(), [table()], "uncertainty", seed=1, checkpoint=tmp_path, stop_after_epoch=pause, **choices, **control)
    assert same(found.model, whole.model)
    assert found.history.equals(whole.history)
    assert found.frozen == whole.frozen


def test_a_late_task_is_no_forgotten_one(caplog: pytest.LogCaptureFixture) -> None:
    fit(started(), [table(1000)], epochs=4, task_starts={"c": 4}, **PLAIN)
    assert "No loss of" not in caplog.text


def test_a_network_of_one_task_does_not_wait() -> None:
    alone = TaskControl.of(TrainingOptions(task_starts={"c": 5}), ("c",))
    assert (alone.active(1), alone.last_start, alone.late) == (("c",), 1, frozenset())
    rising = TaskControl.of(TrainingOptions(task_weights={"c": {1: 0.0, 3: 0.0, 5: 1.0}}), ("c",))
    assert (rising.last_start, rising.late) == (1, frozenset())
    assert [rising.factors(epoch).get("c", 1.0) for epoch in range(1, 7)] == [0.5, 0.5, 0.5, 0.5, 1.0, 1.0]
    assert all(rising.active(epoch) for epoch in range(1, 7))
    known = options_for(TrainingOptions(task_starts={"c": 5}, task_weights={"a": 0.5}, lr_multipliers={"task:a": 2.0}), ["c"], "abc")
    assert (known.task_starts, known.task_weights, known.lr_multipliers) == ({"c": 5}, {}, {})


def test_epochs_without_any_label_move_nothing() -> None:
    off = {task: {1: 1.0, 2: 0.0} for task in "abc"}
    one, more = (fit(started(), [table()], "dwa", seed=1, epochs=n, task_weights=off, **PLAIN) for n in (1, 3))
    assert same(one.model, more.model)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"task_starts": {"d": 2}}, r"^task_starts: there is no such task \(found 'd'\)"),
        ({"task_patience": {"d": 2}}, r"^task_patience: there is no such task"),
        ({"task_weights": {"d": 2}}, r"^task_weights: there is no such task"),
        ({"task_starts": {"c": 9}}, r"^task_starts: every task must start within the 3 epochs \(found 'c' starts in epoch 9\)"),
        ({"task_weights": {"c": 0}}, r"^task_weights: every task must start .* the weight of 'c' is 0 in all of them"),
        ({"task_starts": {"c": 0}}, r"task_starts"),
        ({"task_weights": {"c": {}}}, r"at least one epoch"),
        ({"task_weights": {"c": "1:2/1:3"}}, r"an epoch has one weight"),
        ({"task_weights": {"c": -1}}, r"task_weights"),
    ],
)
def test_what_cannot_be_meant_is_named(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(TASKS, [table()], epochs=3, **choices)


def test_schedules_are_linear_between_their_points() -> None:
    options = TrainingOptions(task_weights={"a": "2:0/6:1", "b": 0.5})
    assert options.task_weights == {"a": {2: 0.0, 6: 1.0}, "b": {1: 0.5}}
    assert [weight_at(options.task_weights["a"], epoch) for epoch in (1, 2, 4, 6, 7)] == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_studies_and_estimators_have_the_same_options(tmp_path: Path) -> None:
    training = {"epochs": 4, "task_starts": {"c": 2}, "task_patience": {"a": 1}, "lr_multipliers": {"task:c": 0.5}}
    result = pt.Study(
        [table()], TASKS, arms=["single", "equal"], seeds=2, test=lambda: (table(60, seed=4),), training=training, workers=1
    ).run(tmp_path / "study")
    assert "c" in str(result)
    with pytest.raises(ConfigError, match=r"^task_starts: there is no such task \(found 'd'\)"):
        pt.Study([table()], TASKS, seeds=2, test=lambda: (table(60, seed=4),), training={"task_starts": {"d": 2}}).run(tmp_path / "wrong")
    found = pt.MultiTaskEstimator({"a": "regression", "c": "regression"}, training=training)
    source = table()
    found.fit(pd.DataFrame(source.inputs), pd.DataFrame({task: source.labels[task] for task in "ac"}))
    assert set(found.history_.query("task == 'c' and name == 'loss'").epoch) <= {2, 3, 4}


def test_the_command_line_writes_them_as_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lines = [f"{x:.3f},{y:.3f},{x + y:.3f},{x - y:.3f}" for x, y in rng.normal(size=(80, 2))]
    Path("t.csv").write_text("\n".join(["x,y,a,c", *lines]))
    words = [
        "train",
        "t.csv",
        "--targets",
        "a",
        "c",
        "--epochs",
        "3",
        "--task-starts",
        "c=2",
        "--task-weights",
        "a=1:1/3:0.5",
        "--task-patience",
        "a=2",
        "--out",
        "run",
    ]
    app(spread(words, SEVERAL), standalone_mode=False)
    written = TrainingOptions(**read_yaml(Path("run/run.yaml"))["training"])
    assert (written.task_starts, written.task_weights) == ({"c": 2}, {"a": {1: 1.0, 3: 0.5}})
