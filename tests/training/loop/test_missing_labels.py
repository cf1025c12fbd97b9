"""Rows without a label of a task: the gradient is exactly that of the rows that have one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from polytask.architectures import MultiTaskModel
from polytask.balancing import Balancer, Equal, Fixed
from polytask.data import Normalization, Source
from polytask.encoders import MLP
from polytask.gradients import Backward
from polytask.tasks import Binary, Count, Loss, Multiclass, Multilabel, Ordinal, Quantile, Regression, Survival, Task
from polytask.training import fit
from polytask.training.fit_model import build_loop
from polytask.training.hardware import Precision
from polytask.training.inference import compute_losses
from polytask.training.preparation.batch import Batch
from polytask.training.preparation.prepared_data import prepare_source

ROWS, WIDTH = 12, 3
EXACT = Precision("float64", channels_last=False)


def drawn_times(random: np.random.Generator) -> np.ndarray:
    return random.uniform(0.5, 5, ROWS) * random.choice([-1, 1], ROWS)


def words(random: np.random.Generator, *choices: str) -> np.ndarray:
    return random.choice(choices, ROWS).astype(object)


KINDS: tuple[tuple[Callable[[str], Task], Callable[[np.random.Generator], np.ndarray]], ...] = (
    (lambda name: Regression(name=name), lambda random: random.normal(5, 3, ROWS)),
    (lambda name: Binary(name=name, classes=("no", "yes"), positive_weight=2.0), lambda random: words(random, "no", "yes")),
    (lambda name: Multiclass(name=name, classes=("a", "b", "c")), lambda random: words(random, "a", "b", "c")),
    (lambda name: Ordinal(name=name, classes=("S", "M", "L")), lambda random: words(random, "S", "M", "L")),
    (lambda name: Count(name=name), lambda random: random.poisson(3, ROWS).astype(float)),
    (lambda name: Quantile(name=name, levels=(0.1, 0.5)), lambda random: random.normal(size=ROWS)),
    (lambda name: Survival(name=name, intervals=2, edges=(1.0, 3.0)), drawn_times),
    (lambda name: Multilabel(name=name, classes=("x", "y")), lambda random: words(random, "x", "x|y", "-")),
)  # fmt: skip


@st.composite
def problems(draw: st.DrawFn) -> tuple[Source, tuple[Task, ...]]:
    """A source of a few rows with three to five tasks, of which any set of labels is missing."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    chosen = draw(st.lists(st.sampled_from(range(len(KINDS))), min_size=3, max_size=5))
    share = draw(st.sampled_from([0.0, 0.3, 0.8, 0.95]))
    labels, tasks = {}, []
    for number, kind in enumerate(chosen):
        make, draws = KINDS[kind]
        own = draws(random)
        gaps = random.random(ROWS) < share
        own[gaps] = np.nan if own.dtype.kind == "f" else None
        labels[f"t{number}"] = own
        tasks.append(make(f"t{number}"))
    return Source("toy", random.normal(size=(ROWS, WIDTH)).astype("float32"), labels), tuple(tasks)


def network(tasks: tuple[Task, ...]) -> MultiTaskModel:
    torch.manual_seed(0)
    return MultiTaskModel(MLP((WIDTH,), hidden=(7,)), tasks, initialization="framework")


def gradients(model: MultiTaskModel) -> dict[str, Tensor | None]:
    found = {name: None if own.grad is None else own.grad.clone() for name, own in model.named_parameters()}
    model.zero_grad()
    return found


def expected(model: MultiTaskModel, source: Source, tasks: Mapping[str, Task], weights: Mapping[str, float]) -> dict[str, Tensor | None]:
    """Of Σ αₜ (the mean over the rows with a label of task t), those rows alone having been seen."""
    total = torch.zeros((), dtype=torch.float64)
    for name, task in tasks.items():
        rows = np.flatnonzero(task.labeled_rows(source.labels[name]))
        if len(rows):
            values = task.encode(source.labels[name][rows]).values
            outputs = model(torch.from_numpy(source.inputs[rows]).double(), (name,), "toy")[name]
            total = total + weights[name] * task.loss_per_unit(outputs, torch.from_numpy(values)).mean()
    if total.requires_grad:
        total.backward()
    return gradients(model)


def close(found: Mapping[str, Tensor | None], wanted: Mapping[str, Tensor | None]) -> None:
    assert {name for name, own in found.items() if own is not None} == {name for name, own in wanted.items() if own is not None}
    scale = max((float(own.abs().max()) for own in wanted.values() if own is not None), default=0.0)
    for name, own in wanted.items():
        other = found[name]
        if own is not None and other is not None:
            assert float((own - other).abs().max()) <= 1e-12 * scale, name


@given(problem=problems(), fixed=st.booleans())
def test_the_gradient_is_that_of_the_rows_with_a_label(problem: tuple[Source, tuple[Task, ...]], fixed: bool) -> None:
    source, tasks = problem
    model = network(tasks).double()
    weights = {task.name: 0.25 + number if fixed else 1.0 for number, task in enumerate(tasks)}
    balancer: Balancer = Fixed(weights) if fixed else Equal()
    named = {task.name: task for task in tasks}
    batch = prepare_source(source, tasks, Normalization((), ())).rows
    losses = compute_losses(model, named, batch, EXACT)
    assert {name: loss.count for name, loss in losses.items()} == {name: count for name, count in batch.counts().items() if count}
    if losses:
        Backward(balancer, tasks=tuple(named), model=model)(losses)
    close(gradients(model), expected(model, source, named, weights))


@given(problem=problems(), parts=st.integers(2, 5))
def test_so_is_that_of_micro_batches(problem: tuple[Source, tuple[Task, ...]], parts: int) -> None:
    """Whose counts differ: the mean of their means would be another."""
    source, tasks = problem
    model, named = network(tasks).double(), {task.name: task for task in tasks}
    batch = prepare_source(source, tasks, Normalization((), ())).rows
    counts = {name: count for name, count in batch.counts().items() if count}
    backward = Backward(Equal(), tasks=tuple(named), model=model)
    for rows in torch.arange(ROWS).tensor_split(parts) if counts else ():
        backward(compute_losses(model, named, batch.take(rows), EXACT), counts=counts)
    close(gradients(model), expected(model, source, named, dict.fromkeys(named, 1.0)))


SIZE, LEAVES, PLAN = (
    Regression(name="size"),
    Binary(name="leaves", classes=("no", "yes"), weight=3.0),
    Multiclass(name="plan", classes=("a", "b")),
)


def toy(rows: int = 80) -> Source:
    """Three tasks; the last has no label in the last ten rows that are trained on."""
    random = np.random.default_rng(1)
    x = random.normal(size=(rows, WIDTH)).astype("float32")
    held_out = np.arange(rows) < 20
    plan = np.where(x[:, 2] > 0, "a", "b").astype(object)
    plan[-10:] = None
    labels = {"size": x[:, 0] + x[:, 1].astype(float), "leaves": np.where(x[:, 1] > 0, "yes", "no"), "plan": plan}
    return Source("toy", x, labels, held_out=held_out)


def without(batch: Batch, task: str) -> Batch:
    """The batch as if the task were not labeled there at all."""
    targets, labeled = ({name: own for name, own in each.items() if name != task} for each in (batch.targets, batch.labeled))
    return Batch(batch.source, batch.inputs, targets, labeled, batch.normalization)


@pytest.mark.parametrize("balancer", ["equal", "fixed"])
@pytest.mark.parametrize("optimizer", ["Adam", "AdamW"])
def test_an_absent_task_moves_nothing_and_stays_where_it_is(balancer: str, optimizer: str) -> None:
    """Not by a bit, though Adam has momentum of its head, and AdamW would shrink it."""
    after: list[dict[str, Tensor]] = []
    for absent in (True, False):
        loop, _ = build_loop(network((SIZE, LEAVES, PLAN)), [toy()], balancer, threads=1, optimizer=optimizer, lr=0.01)
        rows = loop.data.training["toy"].rows
        for start in range(0, 50, 10):
            loop.step({"toy": rows.take(torch.arange(start, start + 10))})
        before = copy.deepcopy(loop.state.model.state_dict())
        last = rows.take(torch.arange(50, 60))
        assert last.counts() == {"size": 10, "leaves": 10, "plan": 0}
        report = loop.step({"toy": last if absent else without(last, "plan")})
        assert set(report.losses) == {"size", "leaves"}
        after.append(copy.deepcopy(loop.state.model.state_dict()))
    moved = {name for name, own in before.items() if not torch.equal(own, after[0][name])}
    heads = {task: {name for name in before if f".head_{task}." in name} for task in ("size", "leaves", "plan")}
    assert all(heads.values())
    assert not moved & heads["plan"]
    assert moved == set(before) - heads["plan"]
    assert all(torch.equal(own, after[1][name]) for name, own in after[0].items())


@pytest.mark.parametrize("balancer", ["equal", "fixed"])
def test_whoever_has_labels_elsewhere_learns_the_same(balancer: str) -> None:
    """What a third task predicts of which rows is nothing to the heads of the others in one step from the same weights."""
    updates = []
    for labeled in (slice(0, 30), slice(30, 60)):
        source = toy()
        plan = source.labels["plan"].copy()
        plan[20:][[row for row in range(60) if row not in range(*labeled.indices(60))]] = None
        labels = {**source.labels, "plan": plan}
        loop, _ = build_loop(
            network((SIZE, LEAVES, PLAN)), [Source("toy", source.inputs, labels, held_out=source.held_out)], balancer, threads=1
        )
        loop.step({"toy": loop.data.training["toy"].rows.take(torch.arange(60))})
        updates.append(
            {name: own for name, own in loop.state.model.state_dict().items() if ".head_size." in name or ".head_leaves." in name}
        )
    assert updates[0]
    assert all(torch.equal(own, updates[1][name]) for name, own in updates[0].items())


def loss_with(weights: np.ndarray | None, labels: np.ndarray, name: str = "size") -> tuple[Loss, dict[str, Tensor | None]]:
    source = toy()
    task = SIZE
    model = network((task,)).double()
    given = None if weights is None else {name: weights}
    batch = prepare_source(Source("toy", source.inputs, {name: labels}, weights=given), (task,), Normalization((), ())).rows
    loss = compute_losses(model, {name: task}, batch, EXACT)[name]
    loss.sum.backward()
    return loss, gradients(model)


def test_a_row_of_weight_0_is_a_row_without_a_label_that_is_counted() -> None:
    """The weights of the others have mean 1 with it, and would be larger without: so the mean loss is the same."""
    labels = np.asarray(toy().labels["size"]).copy()
    gaps = labels.copy()
    gaps[::4] = np.nan
    weights = np.where(np.isnan(gaps), 0.0, 1.0)
    weighed, own = loss_with(weights, labels)
    bare, other = loss_with(None, gaps)
    assert (weighed.count, bare.count) == (80, 60)
    assert weighed.mean.item() == pytest.approx(bare.mean.item(), rel=1e-6)
    # Weights are float32: 80 / 60 is not exact there.
    factor = float(np.float32(80 / 60))
    close(own, {name: None if each is None else each * factor for name, each in other.items()})


def fitted(**changes: Any) -> dict[str, Tensor]:
    source = toy()
    model = network((SIZE, LEAVES, PLAN))
    fit(model, [Source("toy", source.inputs, source.labels, held_out=source.held_out, **changes)], epochs=3, batch_size=16, threads=1)
    return dict(model.state_dict())


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(own, second[name]) for name, own in first.items())


def test_weights_that_are_all_doubled_change_nothing() -> None:
    weights = np.random.default_rng(2).uniform(0.5, 2, 80)
    once, twice = (fitted(weights={"size": factor * weights, "plan": factor * weights}) for factor in (1, 2))
    assert same(once, twice)
    plain = fitted()
    assert not same(once, plain)
    assert same(plain, fitted(weights={"size": np.full(80, 0.7), "plan": np.full(80, 3.0)})), "all alike is none"


def test_weights_of_one_task_are_nothing_to_another_head() -> None:
    """In one step from the same weights."""
    updates = []
    for weights in (None, {"plan": np.linspace(0, 2, 80)}):
        source = toy()
        given = Source("toy", source.inputs, source.labels, held_out=source.held_out, weights=weights)
        loop, _ = build_loop(network((SIZE, LEAVES, PLAN)), [given], threads=1)
        loop.step({"toy": loop.data.training["toy"].rows.take(torch.arange(40))})
        updates.append(loop.state.model.state_dict())
    different = {name for name, own in updates[0].items() if not torch.equal(own, updates[1][name])}
    assert any(".head_plan." in name for name in different)
    assert not any(".head_size." in name or ".head_leaves." in name for name in different)
