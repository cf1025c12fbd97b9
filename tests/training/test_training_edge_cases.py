"""Training at its edges: what is measured, resumed, refused, or has no label in a step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from polytask.architectures import MultiTaskModel
from polytask.data import Source
from polytask.encoders import MLP, Encoder
from polytask.errors import ConfigError, DataError, PolytaskError
from polytask.tasks import Multiclass, Regression, Task
from polytask.training import FitResult, TrainingProgress, fit, hardware, prepare_data
from polytask.training.fit_model import build_loop

Table = Callable[..., Source]
CHOICES: dict[str, Any] = {"epochs": 3, "batch_size": 16, "threads": 1, "patience": None, "checkpoint_seconds": 0}


class Dropped(Encoder):
    """An MLP with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.input_shape, self.features = (4,), 8
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5))

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """One."""
        return (self.layers,)

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs to features."""
        return self.layers(inputs)


def network(tasks: tuple[Task, ...]) -> MultiTaskModel:
    return MultiTaskModel(Dropped(), tasks, hidden=(8,), initialization="framework")


def same(first: FitResult, second: FitResult) -> bool:
    """Whether two runs have the same weights and history, bit for bit."""
    weights = zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights) and first.history.equals(second.history)


@pytest.fixture
def several_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads are measured, whatever the machine has."""
    monkeypatch.setattr(hardware, "available_cores", lambda: 2)


@pytest.mark.usefixtures("several_cores")
def test_measuring_threads_leaves_the_callers_random_numbers_alone(table: Table, three_tasks: tuple[Task, ...]) -> None:
    torch.manual_seed(3)
    model = network(three_tasks)
    before = torch.get_rng_state()
    run = fit(model, [table()], **(CHOICES | {"threads": None}))
    assert torch.equal(before, torch.get_rng_state())
    assert run.options.threads in (1, 2)


@pytest.mark.usefixtures("several_cores")
def test_measuring_threads_takes_a_batch_without_any_label(three_tasks: tuple[Task, ...]) -> None:
    x = np.random.default_rng(0).normal(size=(100, 4)).astype("float32")
    few = np.where(np.arange(100) < 12, x[:, 0].astype(float), np.nan)
    run = fit(network((Regression(name="few"),)), [Source("rare", x, {"few": few})], **(CHOICES | {"threads": None, "batch_size": 1}))
    assert run.steps == 3 * 80


@pytest.mark.usefixtures("several_cores")
def test_nothing_left_to_train_is_one_line_when_threads_are_measured(table: Table, three_tasks: tuple[Task, ...]) -> None:
    with pytest.raises(ConfigError, match="nothing is left to train"):
        fit(network(three_tasks), [table()], **(CHOICES | {"threads": None, "freeze": ("architecture", "heads")}))


def test_a_step_whose_last_micro_batch_has_no_label_still_tells_its_loss(table: Table) -> None:
    """Otherwise the history lacks it, and nobody notices that it is not finite."""
    loop, _ = build_loop(network((Regression(name="price"),)), [table(gaps=0.5)], **(CHOICES | {"micro_batches": 2}))
    rows = loop.data.training["table"].rows
    mask = rows.labeled["price"]
    assert mask is not None
    batch = rows.take(torch.cat([mask.nonzero().flatten()[:4], (~mask).nonzero().flatten()[:4]]))
    loop.state.model.eval()
    expected = build_loop(network((Regression(name="price"),)), [table(gaps=0.5)], **CHOICES)[0]
    expected.state.model.eval()
    ours, theirs = loop.step({"table": batch}), expected.step({"table": batch})
    assert ours.losses["price"].item() == pytest.approx(theirs.losses["price"].item(), rel=1e-6)
    assert ours.weights == theirs.weights == {"price": 1.0}


@pytest.mark.parametrize("micro_batches", [1, 3])
def test_a_step_without_any_label_moves_nothing(table: Table, micro_batches: int) -> None:
    choices = CHOICES | {"micro_batches": micro_batches, "max_grad_norm": 1.0, "optimizer": "AdamW"}
    loop, _ = build_loop(network((Regression(name="price"),)), [table(gaps=0.5)], **choices)
    rows = loop.data.training["table"].rows
    mask = rows.labeled["price"]
    assert mask is not None
    before = {name: value.clone() for name, value in loop.state.model.state_dict().items()}
    report = loop.step({"table": rows.take((~mask).nonzero().flatten()[:6])})
    assert report.losses == {}
    assert all(torch.equal(before[name], value) for name, value in loop.state.model.state_dict().items())
    assert loop.state.step == loop.state.backward.step == 1


SCHEDULES: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 2},
    "MultiStepLR": {"milestones": [2, 3]},
    "ConstantLR": {},
    "LinearLR": {},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {},
    "CosineAnnealingLR": {"T_max": 4},
    "CosineAnnealingWarmRestarts": {"T_0": 2},
    "CyclicLR": {"base_lr": 0.001, "max_lr": 0.01, "step_size_up": 2, "cycle_momentum": False},
    "OneCycleLR": {"max_lr": 0.01, "total_steps": 100},
    "ReduceLROnPlateau": {"patience": 0},
}
OPTIMIZERS = ("Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD")


def resumed_is_whole(folder: Path, table: Table, tasks: tuple[Task, ...], **choices: Any) -> bool:
    """Whether a run that its watcher stops in the second epoch ends as one that nobody stops."""

    def stop(progress: TrainingProgress) -> None:
        if progress.epoch == 2:
            raise KeyboardInterrupt

    whole = fit(network(tasks), [table(rows=60, gaps=0.3)], "uncertainty", **(CHOICES | choices))
    with pytest.raises(KeyboardInterrupt):
        fit(network(tasks), [table(rows=60, gaps=0.3)], "uncertainty", checkpoint=folder, progress=stop, **(CHOICES | choices))
    return same(whole, fit(network(tasks), [table(rows=60, gaps=0.3)], "uncertainty", checkpoint=folder, **(CHOICES | choices)))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("every", ["epoch", "step"])
def test_every_schedule_goes_on(table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, name: str, every: str) -> None:
    choices = {"scheduler": name, "scheduler_options": SCHEDULES[name], "scheduler_interval": every}
    assert resumed_is_whole(tmp_path / "state", table, three_tasks, **choices)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on(table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, name: str) -> None:
    assert resumed_is_whole(tmp_path / "state", table, three_tasks, optimizer=name)


def test_a_schedule_that_has_no_more_steps_is_one_line(table: Table, three_tasks: tuple[Task, ...]) -> None:
    choices = CHOICES | {"scheduler": "OneCycleLR", "scheduler_options": {"max_lr": 0.1, "total_steps": 2}}
    with pytest.raises(ConfigError, match="scheduler 'OneCycleLR'") as caught:
        fit(network(three_tasks), [table()], **choices)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_network_is_one_line(table: Table, three_tasks: tuple[Task, ...], tmp_path: Path) -> None:
    fit(network(three_tasks), [table()], checkpoint=tmp_path / "state", **CHOICES)
    other = MultiTaskModel(MLP((4,), hidden=(9,)), three_tasks, initialization="framework")
    with pytest.raises(ConfigError, match="another run") as caught:
        fit(other, [table()], checkpoint=tmp_path / "state", **CHOICES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ({"batch_sizes": {"tabel": 4}}, "source 'table'"),
        ({"batch_sizes": {"table": 0}}, "source 'table'"),
        ({"optimizer_options": {"differentiable": True}}, "optimizer 'Adam'"),
        ({"max_grad_norm": 0.0}, "training, max_grad_norm"),
        ({"validation_fraction": 1.0}, "training, validation_fraction"),
        ({"patience": 0}, "training, patience"),
        ({"micro_batches": 0}, "training, micro_batches"),
        ({"threads": 0}, "training, threads"),
        ({"precision": "float8"}, "training, precision"),
        ({"balancer": "uncertanty"}, "Did you mean 'uncertainty'"),
    ],
)
def test_what_cannot_be_is_one_line(table: Table, three_tasks: tuple[Task, ...], choices: dict[str, Any], text: str) -> None:
    with pytest.raises(PolytaskError, match=text) as caught:
        fit(network(three_tasks), [table()], **(CHOICES | choices))
    assert "\n" not in str(caught.value)


def test_two_sources_of_one_name_are_refused(table: Table) -> None:
    """The second would silently take the first one's place."""
    with pytest.raises(ConfigError, match="source 'table'"):
        prepare_data([table(seed=0), table(seed=1)], (Regression(name="price"),), validation_fraction=0.2, seed=0)


def test_classes_without_any_label_are_refused(table: Table) -> None:
    source = Source("table", table().inputs, {"plan": np.full(120, None, dtype=object)})
    with pytest.raises(DataError, match="task 'plan', training part"):
        prepare_data([source], (Multiclass(name="plan", classes=("a", "b")),), validation_fraction=0.2, seed=0)


def test_a_task_of_two_sources_has_the_mean_over_both(table: Table) -> None:
    """The loss is the sum over both sources' labeled rows by their number, not the mean of two means."""
    first, second = table(rows=80, seed=1), table(rows=40, seed=2, gaps=0.5)
    beside = Source("beside", second.inputs, second.labels)
    tasks = (Regression(name="price"),)
    loop, _ = build_loop(network(tasks), [first, beside], **CHOICES)
    loop.state.model.eval()
    batches = {source: part.rows for source, part in loop.data.training.items()}
    from polytask.training.inference import compute_losses

    parts = [compute_losses(loop.state.model, {"price": loop.data.tasks[0]}, batch, loop.precision)["price"] for batch in batches.values()]
    expected = sum(part.sum.item() for part in parts) / sum(part.count for part in parts)
    assert parts[0].count != parts[1].count
    assert loop.step(batches).losses["price"].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("poison", [1e30, np.nan])
def test_labels_of_validation_rows_teach_nothing(table: Table, poison: float) -> None:
    """Weights after each epoch are the same whatever the validation labels say; they only choose among them."""
    source, tasks = table(), (Regression(name="price"),)
    loop, _ = build_loop(network(tasks), [source], **CHOICES)
    clean = loop.data.validation["table"]
    loop.train_epoch()
    other, _ = build_loop(network(tasks), [source], **CHOICES)
    other.data.validation["table"].truths["price"][:] = poison
    other.data.validation["table"].rows.targets["price"].fill_(poison)
    other.train_epoch()
    assert len(clean) == 24
    weights = zip(loop.state.model.state_dict().values(), other.state.model.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)
