"""Looking on leaves no trace, survives a stop, and counts what it should."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import polytask.training.loop.training_loop as loop_module
from polytask.architectures import MultiTaskModel
from polytask.data import Source
from polytask.encoders import MLP, Encoder, ResNet
from polytask.errors import ConfigError
from polytask.registry import names
from polytask.relatedness import AffinityCallback
from polytask.relatedness.affinity_callback import default_interval, sample_rows
from polytask.relatedness.lookahead_losses import StepSnapshot
from polytask.relatedness.pair_means import PairMeans
from polytask.tasks import Binary, Regression, Task
from polytask.training import FitResult, fit
from polytask.training.fit_model import build_loop

Table = Callable[..., Source]
CHOICES: dict[str, Any] = {"epochs": 2, "batch_size": 24, "threads": 1, "patience": None, "checkpoint_seconds": 0, "lr": 0.01}
NAMES = ("price", "churn", "plan")
BALANCERS = ("equal", "uncertainty", "upgrad", "gradnorm", "famo", "modo", "pcgrad", "smooth-weights:cagrad", "random")


class Dropped(Encoder):
    """Dropout and batch normalization."""

    def __init__(self) -> None:
        super().__init__()
        self.input_shape, self.features = (4,), 8
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5))

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """One."""
        return (self.layers,)

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs to features."""
        return self.layers(inputs)


def beside(rows: int = 50) -> Source:
    random = np.random.default_rng(5)
    return Source("beside", random.normal(size=(rows, 4)).astype("float32"), {"size": random.normal(size=rows)})


def watched(tasks: tuple[Task, ...], every: int = 1, **options: Any) -> AffinityCallback:
    return AffinityCallback([task.name for task in tasks], every=every, **options)


def same(first: FitResult, second: FitResult) -> bool:
    """Whether two runs have the same weights, buffers and history, bit for bit, but for what was observed."""
    state = zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True)
    histories = [run.history[run.history["split"] != "observed"].reset_index(drop=True) for run in (first, second)]
    return all(torch.equal(a, b) for a, b in state) and histories[0].equals(histories[1]) and first.validation == second.validation


@pytest.mark.slow
@pytest.mark.parametrize("balancer", BALANCERS)
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_an_observed_run_is_the_same_to_the_last_bit(
    table: Table, three_tasks: tuple[Task, ...], balancer: str, micro_batches: int
) -> None:
    """With dropout, batch normalization, gaps, two sources, and a source that has fewer steps than the other."""
    tasks = (*three_tasks, Regression(name="size"))
    sources = [table(gaps=0.4), beside()]
    runs = [
        fit(MultiTaskModel(Dropped(), tasks, hidden=(4,), initialization="framework"), sources, balancer, callbacks=callbacks,
            batch_sizes={"table": 16, "beside": 16}, micro_batches=micro_batches, **CHOICES)
        for callbacks in ([], [watched(tasks)], [watched(tasks, rows=30)])
    ]  # fmt: skip
    assert same(runs[0], runs[1])
    assert same(runs[0], runs[2])
    assert runs[1].callback_results["affinity"]["steps"] == runs[0].steps


@pytest.mark.sampled(4, drawn=True)
@pytest.mark.parametrize("architecture", [name for name in names("architecture") if name not in ("separate", "constrained")])
def test_whatever_the_way_of_sharing(table: Table, three_tasks: tuple[Task, ...], architecture: str) -> None:
    runs = [
        fit(MultiTaskModel(MLP((4,), hidden=(8, 6)), three_tasks, architecture=architecture, hidden=(4,), initialization="framework"),
            [table(gaps=0.2)], callbacks=callbacks, **CHOICES)
        for callbacks in ([], [watched(three_tasks, every=2)])
    ]  # fmt: skip
    assert same(*runs)
    assert runs[1].callback_results["affinity"]["means"]["lookahead"]["steps"][0][0] == runs[0].steps // 2


def test_a_residual_network_of_images_knows_nothing_of_it() -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 1, 16, 16), dtype=np.uint8)
    labels = images.mean(axis=(1, 2, 3)) > 127
    source = Source("images", images, {"dark": ~labels, "light": labels})
    tasks = tuple(Binary(name=name, classes=(False, True)) for name in ("dark", "light"))
    runs = [
        fit(
            MultiTaskModel(ResNet((1, 16, 16), width=4, blocks=(1, 1)), tasks, initialization="framework"),
            [source],
            callbacks=callbacks,
            **CHOICES,
        )
        for callbacks in ([], [watched(tasks)])
    ]
    assert same(*runs)


def test_one_look_changes_neither_gradients_nor_generators_nor_buffers(table: Table, three_tasks: tuple[Task, ...]) -> None:
    loop, _ = build_loop(MultiTaskModel(Dropped(), three_tasks, initialization="framework"), [table(gaps=0.3)], **CHOICES)
    loop.state.model.train()
    for parameter in loop.state.model.parameters():
        parameter.grad = torch.randn_like(parameter)
    batches = {"table": loop.data.training["table"].rows.take(torch.arange(24))}
    tensors = {**dict(loop.state.model.named_parameters()), **dict(loop.state.model.named_buffers())}
    grads = {name: (p.grad, p.grad.clone()) for name, p in loop.state.model.named_parameters() if p.grad is not None}
    storages, before = {name: t.data_ptr() for name, t in tensors.items()}, {name: t.clone() for name, t in tensors.items()}
    torch.manual_seed(7)
    generator = torch.get_rng_state()
    watched(three_tasks).on_step_begin(loop, batches)
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(tensors[name], value) and tensors[name].data_ptr() == storages[name] for name, value in before.items())
    assert all(loop.state.model.get_parameter(name).grad is grad for name, (grad, _) in grads.items())
    assert all(torch.equal(grad, value) for grad, value in grads.values())
    assert loop.state.model.training


def test_every_look_of_a_step_sees_the_same_masks_and_buffers(table: Table, three_tasks: tuple[Task, ...]) -> None:
    """With an offset of zero the losses are those of the step itself, to the last bit."""
    loop, _ = build_loop(MultiTaskModel(Dropped(), three_tasks, initialization="framework"), [table()], **CHOICES)
    loop.state.model.train()
    batches = {"table": loop.data.training["table"].rows.take(torch.arange(24))}
    glance = StepSnapshot(loop, batches)
    zero = torch.zeros_like(glance.sgd_step(0))
    assert torch.equal(glance.losses_at(zero), glance.losses)
    taken = loop.step(batches).losses
    assert glance.losses.tolist() == [float(taken[name]) for name in glance.names]


def test_it_is_measured_in_float32_whatever_the_training_is_in(table: Table, three_tasks: tuple[Task, ...]) -> None:
    glances = []
    for precision in ("float32", "bfloat16"):
        model = MultiTaskModel(MLP((4,)), three_tasks, initialization="framework")
        loop, _ = build_loop(model, [table()], **(CHOICES | {"precision": precision}))
        assert loop.precision.name == precision
        glances.append(StepSnapshot(loop, {"table": loop.data.training["table"].rows.take(torch.arange(24))}))
    assert torch.equal(glances[0].losses, glances[1].losses)
    assert torch.equal(glances[0].gradients, glances[1].gradients)


def test_of_a_step_in_parts_the_first_is_seen(table: Table, three_tasks: tuple[Task, ...]) -> None:
    loop, _ = build_loop(MultiTaskModel(MLP((4,)), three_tasks, initialization="framework"), [table()], **(CHOICES | {"micro_batches": 3}))
    rows = loop.data.training["table"].rows
    whole, first = (StepSnapshot(loop, {"table": rows.take(torch.arange(count))}) for count in (24, 24 // 3))
    loop.options = loop.options.model_copy(update={"micro_batches": 1})
    alone = StepSnapshot(loop, {"table": rows.take(torch.arange(8))})
    assert torch.equal(whole.losses, alone.losses)
    assert not torch.equal(first.losses, alone.losses)


def test_tasks_that_are_absent_do_not_count(three_tasks: tuple[Task, ...], table: Table) -> None:
    """Sources that take turns are never in one step; rows that are drawn anew are of all of them."""
    tasks = (*three_tasks, Regression(name="size"))
    choices = CHOICES | {"sampling": "round-robin"}
    models = [MultiTaskModel(MLP((4,)), tasks, initialization="framework") for _ in range(2)]
    turns = fit(models[0], [table(), beside()], callbacks=[watched(tasks)], **choices).callback_results["affinity"]["means"]["lookahead"]
    assert turns["mean"][0][3] is None
    assert turns["steps"][0][3] == 0 < turns["steps"][3][3]
    assert turns["steps"][0][0] > 0
    again = fit(models[1], [table(), beside()], callbacks=[watched(tasks, rows=40)], **choices)
    anew = again.callback_results["affinity"]["means"]["lookahead"]
    assert anew["steps"][0][3] == anew["steps"][3][3] > 0


def test_rows_that_are_drawn_depend_on_seed_and_step_alone(table: Table, three_tasks: tuple[Task, ...]) -> None:
    tasks = (*three_tasks, Regression(name="size"))

    def rows(seed: int, step: int) -> Mapping[str, Tensor]:
        model = MultiTaskModel(MLP((4,)), tasks, initialization="framework")
        loop, _ = build_loop(model, [table(), beside()], seed=seed, **CHOICES)
        loop.state.step = step
        return {name: batch.inputs for name, batch in sample_rows(loop, 30).items()}

    first = rows(0, 3)
    assert {name: len(own) for name, own in first.items()} == {"table": 30 * 96 // 136, "beside": 30 * 40 // 136}
    assert all(torch.equal(own, rows(0, 3)[name]) for name, own in first.items())
    assert not any(torch.equal(own, rows(0, 4)[name]) for name, own in first.items())
    assert len(first["table"].unique(dim=0)) == len(first["table"])


def test_parts_that_join_later_are_seen_from_then_on(table: Table, three_tasks: tuple[Task, ...]) -> None:
    model = MultiTaskModel(MLP((4,), hidden=(8,)), three_tasks, initialization="framework")
    frozen = {"freeze": ("architecture",), "unfreeze": {2: ("architecture",)}}
    run = fit(model, [table()], callbacks=[watched(three_tasks)], **(CHOICES | frozen))
    cosine = run.callback_results["affinity"]["means"]["cosine"]
    assert cosine["steps"][0][1] == run.steps // 2
    assert run.callback_results["affinity"]["means"]["lookahead"]["steps"][0][1] == run.steps


@pytest.mark.sampled(6)
@pytest.mark.parametrize("stopped_in", [1, 2, 3])
@pytest.mark.parametrize("rows", [None, 30])
def test_a_stopped_run_goes_on_with_what_it_had_seen(
    table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_in: int, rows: int | None
) -> None:
    def trained(checkpoint: Path | None = None) -> FitResult:
        model = MultiTaskModel(Dropped(), three_tasks, initialization="framework")
        observer = watched(three_tasks, every=2, rows=rows)
        return fit(model, [table(gaps=0.3)], callbacks=[observer], checkpoint=checkpoint, **(CHOICES | {"epochs": 4}))

    whole = trained()
    step, steps = loop_module.TrainingLoop.step, [0]

    def killed(self: loop_module.TrainingLoop, batches: Any) -> Any:
        steps[0] += 1
        if self.state.epoch == stopped_in and steps[0] % 4 == 2:
            raise KeyboardInterrupt
        return step(self, batches)

    with monkeypatch.context() as context:
        context.setattr(loop_module.TrainingLoop, "step", killed)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "state")
    again = trained(tmp_path / "state")
    assert same(whole, again)
    assert again.history.equals(whole.history)
    assert {name: value for name, value in again.callback_results["affinity"].items() if name != "seconds"} == {
        name: value for name, value in whole.callback_results["affinity"].items() if name != "seconds"
    }
    assert trained(tmp_path / "state").callback_results["affinity"]["means"] == whole.callback_results["affinity"]["means"], (
        "a finished run keeps what it had seen"
    )


@pytest.mark.parametrize("other", [{"every": 3}, {"measures": ("cosine",)}, {"rows": 20}, None])
def test_a_run_goes_on_with_the_observer_that_it_was_begun_with(
    table: Table, three_tasks: tuple[Task, ...], tmp_path: Path, other: dict[str, Any] | None
) -> None:
    def trained(observer: AffinityCallback | None) -> FitResult:
        model = MultiTaskModel(MLP((4,)), three_tasks, initialization="framework")
        return fit(model, [table()], callbacks=[] if observer is None else [observer], checkpoint=tmp_path / "state", **CHOICES)

    trained(watched(three_tasks))
    with pytest.raises(ConfigError, match="other callbacks"):
        trained(None if other is None else AffinityCallback(NAMES, **({"every": 1} | other)))


def test_means_per_epoch_stand_in_the_history(table: Table, three_tasks: tuple[Task, ...]) -> None:
    run = fit(MultiTaskModel(MLP((4,)), three_tasks, initialization="framework"), [table()], callbacks=[watched(three_tasks)], **CHOICES)
    seen = run.history[run.history["split"] == "observed"]
    assert len(seen) == 2 * (3 + 6)
    for name, task, row, column, measure in [
        ("cosine with churn", "price", 0, 1, "cosine"),
        ("affinity onto price", "plan", 2, 0, "lookahead"),
    ]:
        epochs = seen[(seen["name"] == name) & (seen["task"] == task)]["value"]
        assert epochs.mean() == pytest.approx(run.callback_results["affinity"]["means"][measure]["mean"][row][column], rel=1e-12)
    assert set(seen[seen["name"].str.startswith("cosine")]["task"]) == {"price", "churn"}, "once for every pair"


def test_the_middle_of_every_stretch_is_measured(table: Table, three_tasks: tuple[Task, ...]) -> None:
    observer, steps = watched(three_tasks, every=5), []
    loop, _ = build_loop(MultiTaskModel(MLP((4,)), three_tasks, initialization="framework"), [table()], callbacks=[observer], **CHOICES)
    batches = {"table": loop.data.training["table"].rows.take(torch.arange(24))}
    for _ in range(13):
        before = observer.steps
        loop.step(batches)
        steps += [loop.state.step - 1] if observer.steps > before else []
    assert steps == [2, 7, 12]


def test_nothing_to_measure_takes_no_look(table: Table, three_tasks: tuple[Task, ...]) -> None:
    run = fit(MultiTaskModel(MLP((4,)), three_tasks), [table()], callbacks=[watched(three_tasks, measures=())], **CHOICES)
    assert run.callback_results["affinity"]["steps"] == 0
    assert not (run.history["split"] == "observed").any()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"measures": ("cosines",)}, "Did you mean 'cosine'"),
        ({"every": 0}, "every: a number above 0"),
        ({"rows": 0}, "rows: a number above 0"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        AffinityCallback(NAMES, **options)


def test_stretches_grow_with_the_tasks() -> None:
    """A measured step costs (1 + 3 T) / 3 plain steps at most, which is a fifth of the time of so many steps at most."""
    for tasks in range(2, 41):
        assert (1 + 3 * tasks) / 3 / default_interval(tasks) <= 0.2
    assert default_interval(2, bfloat16=True) == 3 * default_interval(2)
    assert AffinityCallback(NAMES).every == default_interval(3)


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 6))
@settings(max_examples=settings.default.max_examples // 2)
def test_means_are_over_the_steps_that_have_a_number(seed: int, tasks: int, steps: int) -> None:
    random = np.random.default_rng(seed)
    means, seen = PairMeans.of(tasks), np.full((steps, tasks, tasks), np.nan)
    epochs: list[dict[tuple[int, int], float]] = []
    for number in range(steps):
        there = np.flatnonzero(random.random(tasks) < 0.7)
        values = random.choice([1.5, -2.0, np.nan, np.inf], size=(len(there), len(there)), p=[0.4, 0.3, 0.2, 0.1])
        means.add(torch.from_numpy(there), torch.from_numpy(values))
        seen[number][np.ix_(there, there)] = np.where(np.isfinite(values), values, np.nan)
        epochs += [means.end_epoch()] if random.random() < 0.5 else []
    kept = PairMeans.of(tasks)
    kept.load_state_dict(means.state_dict())
    counts = np.isfinite(seen).sum(axis=0)
    assert kept.to_dict()["steps"] == counts.tolist()
    assert kept.to_dict()["below"] == (seen < 0).sum(axis=0).tolist()
    expected = np.nansum(seen, axis=0)[counts > 0] / counts[counts > 0]
    assert kept.mean().numpy()[counts > 0] == pytest.approx(expected, rel=1e-12)
    assert kept.mean().isnan().numpy().tolist() == (counts == 0).tolist()
