"""Training a network: what it learns, that it repeats, and that it goes on from where it was stopped."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import polytask
import polytask.training.loop.training_loop as loop_module
from polytask.architectures import MultiTaskModel
from polytask.data import Source, train_validation_split
from polytask.encoders import MLP, Conv, Encoder
from polytask.errors import ConfigError, DataError, NonFiniteError, PolytaskError
from polytask.gradients import Backward
from polytask.registry import find, names
from polytask.seeds import derive_seed
from polytask.tasks import Multiclass, Regression, Task
from polytask.training import FitResult, TrainingProgress, fit
from polytask.training.fit_model import build_loop

Table = Callable[..., Source]
CHOICES: dict[str, Any] = {"epochs": 4, "batch_size": 16, "threads": 1, "patience": None, "checkpoint_seconds": 0}


class Dropped(Encoder):
    """An MLP with dropout, so that a second kind of random numbers is drawn."""

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


def network(tasks: tuple[Task, ...], seed: int = 0, **options: Any) -> MultiTaskModel:
    return MultiTaskModel(Dropped(), tasks, hidden=(8,), seed=seed, initialization="framework", **options)


def same(first: FitResult, second: FitResult) -> bool:
    """Whether two runs have the same weights and history, bit for bit."""
    weights = zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights) and first.history.equals(second.history)


def test_one_loop_and_one_balancer_are_made(table: Table, three_tasks: tuple[Task, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop measures trivial predictors: a second one would take its time before the first step."""
    made: list[type] = []
    for kind in (loop_module.RelativeMetrics, Backward):
        monkeypatch.setattr(kind, "__init__", _counted(kind.__init__, made, kind))
    build_loop(network(three_tasks), [table()], **CHOICES)
    assert made.count(loop_module.RelativeMetrics) == made.count(Backward) == 1


def _counted(real: Callable[..., None], made: list[type], kind: type) -> Callable[..., None]:
    def init(self: object, *given: Any, **named: Any) -> None:
        made.append(kind)
        real(self, *given, **named)

    return init


def test_it_learns_three_kinds_with_gaps(table: Table, three_tasks: tuple[Task, ...]) -> None:
    model = MultiTaskModel(MLP((4,), hidden=(32,)), three_tasks, initialization="framework")
    run = fit(model, [table(rows=600, gaps=0.3)], epochs=40, batch_size=32, lr=0.01, threads=1)
    assert run.validation["price"]["r2"] > 0.9
    assert run.validation["churn"]["auc"] > 0.95
    assert run.validation["plan"]["accuracy"] > 0.8
    assert 0 < run.relative_score < 1
    assert set(run.history["name"]) == {"loss", "weight", "rmse", "accuracy"}


EXTRA = {"micro_batches": 3, "max_grad_norm": 1.0, "scheduler": "StepLR", "scheduler_options": {"step_size": 2}}
# At representations, gradients are looked at for a whole step.
BALANCERS = [name for name in names("balancer") if name != "torchjd"]
IN_PARTS = [name if name != "graddrop" else "graddrop(at=parameters)" for name in BALANCERS if name != "rotograd"]


@pytest.mark.sampled(32, sweep=2)
@pytest.mark.parametrize(("balancer", "extra"), [(name, {}) for name in BALANCERS] + [(name, EXTRA) for name in IN_PARTS])
def test_two_runs_are_the_same(table: Table, three_tasks: tuple[Task, ...], balancer: str, extra: dict[str, Any]) -> None:
    sharing = {"architecture": "rotated"} if balancer == "rotograd" else {}
    choices = CHOICES | {"epochs": 2} | extra
    first, second = (fit(network(three_tasks, **sharing), [table(gaps=0.3)], balancer, **choices) for _ in range(2))
    assert same(first, second)
    other = fit(network(three_tasks, seed=1, **sharing), [table(gaps=0.3)], balancer, seed=1, **choices)
    assert not same(first, other)


def test_a_balancer_of_whole_steps_takes_no_parts(table: Table, three_tasks: tuple[Task, ...]) -> None:
    with pytest.raises(ConfigError, match="micro_batches: this balancer needs a whole step at once"):
        fit(network(three_tasks), [table()], "graddrop", **(CHOICES | {"micro_batches": 2}))


@pytest.mark.sampled(96, sweep=6)
@pytest.mark.parametrize("balancer", IN_PARTS)
@pytest.mark.parametrize("stopped_in", [1, 2, 3, 4])
@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
def test_a_stopped_run_goes_on_as_if_nothing_had_happened(
    table: Table,
    three_tasks: tuple[Task, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    balancer: str,
    stopped_in: int,
    optimizer: str,
) -> None:
    momentum = {"momentum": 0.9} if optimizer == "SGD" else {}
    schedule = (
        {"scheduler": "ReduceLROnPlateau", "scheduler_options": {"patience": 0}} if optimizer == "SGD" else {"scheduler": "ExponentialLR"}
    )
    options = {"scheduler_options": {"gamma": 0.9}} | schedule
    choices = CHOICES | {"optimizer": optimizer, "optimizer_options": momentum, "max_grad_norm": 1.0, "micro_batches": 2} | options
    whole = fit(network(three_tasks), [table(gaps=0.3)], balancer, **choices)
    step, steps = loop_module.TrainingLoop.step, [0]

    def killed(self: loop_module.TrainingLoop, batches: Any) -> Any:
        steps[0] += 1
        if self.state.epoch == stopped_in - 1 and steps[0] % 6 == 3:
            raise KeyboardInterrupt
        return step(self, batches)

    with monkeypatch.context() as context:
        context.setattr(loop_module.TrainingLoop, "step", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(network(three_tasks), [table(gaps=0.3)], balancer, checkpoint=tmp_path / "state", **choices)
    again = fit(network(three_tasks), [table(gaps=0.3)], balancer, checkpoint=tmp_path / "state", **choices)
    assert same(whole, again)


@pytest.mark.parametrize("balancer", ["uncertainty", "famo"])
def test_a_run_may_be_paused_and_goes_on_as_if_it_had_not_been(
    table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, balancer: str
) -> None:
    choices = CHOICES | {"checkpoint_seconds": 1e9, "scheduler": "CosineAnnealingLR", "scheduler_options": {"T_max": 4}}
    whole = fit(network(three_tasks), [table(gaps=0.3)], balancer, **choices)
    for epoch in (1, 3, 3, 4):
        run = fit(network(three_tasks), [table(gaps=0.3)], balancer, checkpoint=tmp_path / "state", stop_after_epoch=epoch, **choices)
        assert (run.epochs, run.finished, len(run.timeline)) == (epoch, epoch == 4, epoch)
    assert same(whole, run)
    assert [point[1] for point in whole.timeline] == [point[1] for point in run.timeline]
    assert max(point[1] for point in run.timeline) == run.relative_score


def test_a_finished_run_is_not_trained_again(
    table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fit(network(three_tasks), [table()], checkpoint=tmp_path / "state", **CHOICES)
    monkeypatch.setattr(loop_module.TrainingLoop, "step", lambda *_: pytest.fail("a step was taken"))
    assert same(first, fit(network(three_tasks), [table()], checkpoint=tmp_path / "state", **CHOICES))


def test_the_peak_memory_of_earlier_sessions_is_remembered(
    table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sampled(size: int, epochs: int) -> int:
        monkeypatch.setattr(loop_module.PeakMemory, "sample", lambda self: setattr(self, "bytes", size))
        stop = {"progress": interrupted} if epochs < CHOICES["epochs"] else {}
        return fit(network(three_tasks), [table()], checkpoint=tmp_path / "state", **(CHOICES | stop)).peak_memory

    def interrupted(progress: TrainingProgress) -> None:
        if progress.epoch > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sampled(7_000, epochs=2)
    assert sampled(5_000, epochs=4) == 7_000
    assert sampled(9_000, epochs=4) == 7_000, "nothing was trained"


def test_a_second_source_changes_nothing_for_the_first(table: Table, three_tasks: tuple[Task, ...]) -> None:
    """Order, dropout and start of the first source's tasks are theirs; a frozen encoder makes them independent."""
    beside = Source("beside", np.random.default_rng(5).normal(size=(120, 4)).astype("float32"), {"size": np.linspace(0, 1, 120)})
    choices = CHOICES | {"freeze": ("architecture",), "batch_size": 16}
    alone = fit(network(three_tasks), [table()], batch_sizes={"table": 16}, **choices)
    sizes = {"table": 16, "beside": 16}
    joint = fit(network((*three_tasks, Regression(name="size"))), [table(), beside], batch_sizes=sizes, **choices)
    assert alone.best_epoch
    alone_losses = alone.history.query("split == 'training' and name == 'loss'").set_index(["epoch", "task"])["value"]
    joint_losses = joint.history.query("split == 'training' and name == 'loss' and task != 'size'").set_index(["epoch", "task"])["value"]
    assert alone_losses.to_dict() == joint_losses.to_dict()


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "SGD"])
def test_an_absent_tasks_head_does_not_move(table: Table, three_tasks: tuple[Task, ...], optimizer: str) -> None:
    beside = Source("beside", np.zeros((120, 4), dtype="float32"), {"size": np.linspace(0, 1, 120)})
    model = network((*three_tasks, Regression(name="size")))
    options = {"weight_decay": 0.1} | ({"momentum": 0.9} if optimizer == "SGD" else {})
    choices = CHOICES | {"optimizer": optimizer, "optimizer_options": options}
    loop, _ = build_loop(model, [table(), beside], **choices)
    everything = {source: rows.rows.take(torch.arange(16)) for source, rows in loop.data.training.items()}
    model.train()
    loop.step(everything)
    before = {name: p.detach().clone() for name, p in model.head("size").named_parameters()}
    loop.step({"table": everything["table"]})
    assert all(torch.equal(before[name], p.detach()) for name, p in model.head("size").named_parameters())


@pytest.mark.parametrize("parts", [2, 5])
def test_micro_batches_change_nothing_but_round_off(table: Table, three_tasks: tuple[Task, ...], parts: int) -> None:
    def trained(micro_batches: int) -> FitResult:
        model = MultiTaskModel(MLP((4,), hidden=(8,)), three_tasks, initialization="framework")
        choices = CHOICES | {"optimizer": "SGD", "lr": 0.05, "micro_batches": micro_batches}
        return fit(model, [table(gaps=0.4)], "uncertainty", **choices)

    whole, cut = trained(1), trained(parts)
    for (name, a), b in zip(whole.model.state_dict().items(), cut.model.state_dict().values(), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize("policy", ["first", "any", "all", "mean"])
def test_the_best_weights_by_the_mean_are_restored(table: Table, three_tasks: tuple[Task, ...], policy: str) -> None:
    run = fit(network(three_tasks), [table()], epochs=30, batch_size=16, lr=0.05, threads=1, monitor=policy, patience=2)
    history = run.history.query("split == 'validation'").set_index(["epoch", "task"])["value"]
    for task, metric in (("price", "rmse"), ("churn", "accuracy"), ("plan", "accuracy")):
        assert run.validation[task][metric] == history[run.best_epoch, task]
    assert run.best_epoch <= run.epochs


def test_statistics_come_from_training_rows_alone(table: Table, three_tasks: tuple[Task, ...]) -> None:
    """Validation inputs are poisoned, which must change nothing; the target's mean is that of the training part."""
    source = table()
    loop, _ = build_loop(network(three_tasks), [source], **CHOICES)
    training, held_out = train_validation_split(source, 0.2, derive_seed(0, "split", "table"))
    inputs = source.inputs.copy()
    inputs[held_out.units] = 1e6
    poisoned, _ = build_loop(network(three_tasks), [Source("table", inputs, source.labels)], **CHOICES)
    ours, theirs = (found.data.training["table"].rows for found in (loop, poisoned))
    assert ours.normalization == theirs.normalization
    assert torch.equal(ours.inputs, theirs.inputs)
    price = loop.data.tasks[0]
    assert isinstance(price, Regression)
    assert price.mean == pytest.approx(training.labels["price"].mean(), rel=1e-12)


def test_the_split_does_not_depend_on_the_tasks_wanted(table: Table, three_tasks: tuple[Task, ...]) -> None:
    alone, _ = build_loop(network(three_tasks[:1]), [table(gaps=0.3)], **CHOICES)
    joint, _ = build_loop(network(three_tasks), [table(gaps=0.3)], **CHOICES)
    assert torch.equal(alone.data.training["table"].rows.inputs, joint.data.training["table"].rows.inputs)


@pytest.mark.parametrize("policy", [{"lr": 1e20, "optimizer": "SGD"}])
def test_a_loss_that_is_no_number_names_task_and_step(table: Table, three_tasks: tuple[Task, ...], policy: dict[str, Any]) -> None:
    with pytest.raises(NonFiniteError, match=r"task 'price', epoch 1, step \d+: the loss is no longer a finite number") as caught:
        fit(network(three_tasks), [table()], **(CHOICES | policy))
    assert "\n" not in str(caught.value)


def test_the_callers_random_numbers_are_left_alone(table: Table, three_tasks: tuple[Task, ...]) -> None:
    torch.manual_seed(3)
    model = network(three_tasks)
    before = torch.get_rng_state()
    threads = torch.get_num_threads()
    fit(model, [table()], **CHOICES)
    assert torch.equal(before, torch.get_rng_state())
    assert threads == torch.get_num_threads()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_images_in_either_precision_give_the_same_bytes_twice(precision: str) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 96)
    images = (random.random((96, 1, 12, 12)) * 60 + 60 * labels[:, None, None, None]).astype(np.uint8)
    source, task = Source("images", images, {"shade": labels}), Multiclass(name="shade", classes=(0, 1, 2))

    def trained() -> FitResult:
        model = MultiTaskModel(Conv((1, 12, 12)), (task,), initialization="framework")
        return fit(model, [source], epochs=6, batch_size=16, threads=1, precision=precision, lr=0.003)

    first, second = trained(), trained()
    assert same(first, second)
    assert first.options.precision == precision
    assert first.validation["shade"]["accuracy"] > 0.8


def test_it_starts_from_a_weights_file_and_leaves_frozen_parts(table: Table, three_tasks: tuple[Task, ...], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    start = {"architecture.encoder.layers.0.weight": torch.full((8, 4), 0.25), "elsewhere": torch.zeros(1)}
    save_file(start, tmp_path / "start.safetensors")
    choices = CHOICES | {"initial_weights": str(tmp_path / "start.safetensors"), "freeze": ("architecture.encoder.layers.0",)}
    run = fit(network(three_tasks), [table()], **choices)
    assert bool((run.model.state_dict()["architecture.encoder.layers.0.weight"] == 0.25).all())
    assert run.loaded_weights is not None
    assert run.loaded_weights.loaded == ("architecture.encoder.layers.0.weight",)
    assert run.loaded_weights.unexpected == ("elsewhere",)


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ({"optimizer": "Adm"}, "Did you mean 'Adam'"),
        ({"optimizer": "LBFGS"}, "unknown optimizer"),
        ({"optimizer_options": {"speed": 1}}, "optimizer 'Adam'"),
        ({"scheduler": "CosineAnnealing"}, "Did you mean 'CosineAnnealing"),
        ({"scheduler": "StepLR"}, "scheduler 'StepLR'"),
        ({"freeze": ("trunk",)}, "no parameter has that name"),
        ({"freeze": ("architecture", "heads")}, "nothing is left to train"),
        ({"initial_weights": "nowhere.safetensors"}, "nowhere.safetensors"),
        ({"epochs": 0}, "training, epochs"),
        ({"lr": float("nan")}, "training, lr"),
        ({"learning_rate": 0.1}, "unknown option"),
        ({"initialization": "he"}, "unknown option"),  # the network's, which is there already
        ({"monitor": "median"}, "training, monitor"),
        ({"batch_size": 0}, "training, batch_size"),
    ],
)
def test_what_cannot_be_is_one_line(table: Table, three_tasks: tuple[Task, ...], choices: dict[str, Any], text: str) -> None:
    with pytest.raises(PolytaskError, match=text) as caught:
        fit(network(three_tasks), [table()], **(CHOICES | choices))
    assert "\n" not in str(caught.value)


def test_a_task_that_nobody_labels(table: Table, three_tasks: tuple[Task, ...]) -> None:
    with pytest.raises(ConfigError, match="no source labels this task"):
        fit(network((*three_tasks, Regression(name="weight"))), [table()], **CHOICES)
    few = np.full(120, np.nan)
    few[:2] = [1.0, 2.0]
    source = Source("table", table().inputs, {"weight": few})
    with pytest.raises(DataError, match="task 'weight'"):
        fit(network((Regression(name="weight"),)), [source], **CHOICES)


@pytest.mark.parametrize("folder", ["training", "gradients"])
def test_the_engine_names_no_method(folder: str) -> None:
    """Neither training nor gradients import a balancer."""
    methods = {find("balancer", name).target.rpartition(":")[2] for name in names("balancer")}
    for path in (Path(polytask.__file__).parent / folder).glob("*.py"):
        nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)]
        assert not methods & {alias.name for node in nodes for alias in node.names}, path


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_that_are_not_finite_are_named(table: Table, three_tasks: tuple[Task, ...], bad: float) -> None:
    source = table()
    source.inputs[7, 2] = bad
    with pytest.raises(DataError, match="source 'table', row 7: inputs must be finite numbers"):
        fit(network(three_tasks), [source], **CHOICES)
    words = Source("table", np.array([["a"]] * 120), source.labels)
    with pytest.raises(DataError, match="inputs must be numbers"):
        fit(network(three_tasks), [words], **CHOICES)
