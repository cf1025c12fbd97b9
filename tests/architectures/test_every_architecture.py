"""What every way of sharing does, on every encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from polytask import fit
from polytask.architectures import NetworkPlan
from polytask.balancing import UPGrad
from polytask.data import Source
from polytask.encoders import MLP
from polytask.errors import ConfigError
from polytask.gradients import Backward
from polytask.registry import names
from polytask.tasks import Binary, Regression, Tagging
from polytask.training import TrainingProgress

pytestmark = pytest.mark.sampled(4, drawn=True)

QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 24, "lr": 0.01, "threads": 1, "precision": "float32", "patience": None}


def inputs_of(encoder: str, inputs: Any) -> Tensor:
    """As a network sees them."""
    found = torch.from_numpy(inputs(encoder, 7, 1))
    return found if encoder == "text" else found.float() / (255 if encoder in ("conv", "lenet") else 1)


def source(encoder: str, inputs: Any, encoders: Any, rows: int = 60, gaps: float = 0.2) -> Source:
    random = np.random.default_rng(3)
    drawn = inputs(encoder, rows)
    level = np.nan_to_num(drawn.reshape(rows, -1)[:, :3].astype(float)).mean(1)
    plan = np.where(level > np.median(level), "a", "b").astype(object)
    churn = np.where(level > np.quantile(level, 0.7), "leaves", "stays").astype(object)
    plan[::9] = "c"
    price = level.copy()
    for number, labels in enumerate((price, churn, plan)):
        labels[random.random(rows) < gaps * (number + 1) / 3] = np.nan if labels.dtype == float else None
    return Source("table", drawn, {"price": price, "churn": churn, "plan": plan}, preprocessor=encoders.coding(encoder))


def features_of(model: Any, encoder: str, inputs: Any, tasks: tuple[str, ...] = ("price", "churn", "plan")) -> dict[str, Tensor]:
    model.eval()
    with torch.no_grad():
        found: dict[str, Tensor] = model.architecture(inputs_of(encoder, inputs), tasks)
    return found


def test_every_architecture_has_a_row(rows: Any) -> None:
    assert {row.name for row in rows} == set(names("architecture"))


def test_every_architecture_is_something_simpler_somewhere(rows: Any) -> None:
    """A reduction each, here or in test_reductions.py."""
    reduced = {row.name for row in rows if row.at_start} | {row.at_start.partition("(")[0] for row in rows}
    assert set(names("architecture")) - reduced <= {"dselect-k", "mtan", "aitm"}


def test_features_have_the_width_that_heads_expect(row: Any, encoder: str, build: Any, inputs: Any) -> None:
    model = build(row.spelled, encoder)
    features = features_of(model, encoder, inputs)
    places = (7, 7) if encoder == "text" else (7,)  # a summary and six words
    assert {task: z.shape for task, z in features.items()} == {task: (*places, model.architecture.width(task)) for task in features}
    assert all(bool(torch.isfinite(z).all()) for z in features.values())


def test_a_task_s_features_do_not_depend_on_who_else_is_asked(row: Any, encoder: str, build: Any, inputs: Any) -> None:
    model = build(row.spelled, encoder)
    together, alone = features_of(model, encoder, inputs), features_of(model, encoder, inputs, ("churn",))
    assert torch.equal(together["churn"], alone["churn"])


@pytest.mark.sampled(4, drawn=True)
def test_it_begins_as_what_it_is_said_to_be(row: Any, encoder: str, build: Any, inputs: Any) -> None:
    if not row.at_start:
        pytest.skip("like nothing simpler")
    for initialization in ("framework", "glorot", "he"):
        own = features_of(build(row.spelled, encoder, initialization=initialization, seed=4), encoder, inputs)
        simple = features_of(build(row.at_start, encoder, initialization=initialization, seed=4), encoder, inputs)
        for task in own:
            assert torch.allclose(own[task], simple[task], rtol=1e-5, atol=1e-6), (initialization, task)


@pytest.mark.sampled(4, drawn=True)
def test_who_reaches_a_parameter_is_what_autograd_says(row: Any, encoder: str, build: Any, inputs: Any) -> None:
    model = build(row.spelled, encoder)
    model.eval()
    features = model.architecture(inputs_of(encoder, inputs), ("price", "churn", "plan"))
    named = dict(model.architecture.named_parameters())
    reached: dict[str, list[str]] = {name: [] for name in named}
    for task, z in features.items():
        found = torch.autograd.grad(z.sum(), list(named.values()), retain_graph=True, allow_unused=True)
        for name, gradient in zip(named, found, strict=True):
            if gradient is not None:
                reached[name].append(task)
    assert {name: model.architecture.tasks_reaching(name) for name in named} == {name: tuple(tasks) for name, tasks in reached.items()}
    assert bool(model.shared_parameters()) == row.shares


def test_a_frozen_encoder_stays_frozen_when_its_reach_is_asked(row: Any, build: Any) -> None:
    model = build(row.spelled)
    model.requires_grad_(requires_grad=False)
    assert model.shared_parameters() == {}
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert any(model.architecture.tasks_reaching(name) for name, _ in model.architecture.named_parameters())


@pytest.mark.sampled(4, drawn=True)
def test_seeds_decide_the_start(row: Any, encoder: str, build: Any) -> None:
    first, second, other = (build(row.spelled, encoder, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.sampled(16, sweep=4)
def test_it_trains_with_gaps_and_goes_on_as_if_nothing_had_happened(
    row: Any, encoder: str, build: Any, tmp_path: Path, inputs: Any, encoders: Any
) -> None:
    def stopped(progress: TrainingProgress) -> None:
        if progress.epoch == 2:
            raise KeyboardInterrupt

    choices = QUICK | {"checkpoint_seconds": 0}
    whole = fit(build(row.spelled, encoder), [source(encoder, inputs, encoders)], "equal", **choices)
    with pytest.raises(KeyboardInterrupt):
        fit(
            build(row.spelled, encoder),
            [source(encoder, inputs, encoders)],
            "equal",
            checkpoint=tmp_path / "state",
            progress=stopped,
            **choices,
        )
    again = fit(build(row.spelled, encoder), [source(encoder, inputs, encoders)], "equal", checkpoint=tmp_path / "state", **choices)
    assert all(torch.equal(a, b) for a, b in zip(whole.model.state_dict().values(), again.model.state_dict().values(), strict=True))
    assert whole.history.equals(again.history)
    assert all(bool(torch.isfinite(value).all()) for value in whole.model.state_dict().values())
    shared = whole.history[whole.history["split"] == "sharing"]
    assert shared["value"].between(-1e6, 1e6).all()
    assert set(shared["name"]) == set(whole.model.architecture.describe_sharing())


def test_it_can_be_built_again_from_plain_data(row: Any, build: Any) -> None:
    plan = NetworkPlan("mlp", (5,), {"hidden": (8, 6)}, architecture=row.spelled, hidden=(4,))
    again = NetworkPlan.from_dict(plan.to_dict()).build(build("hard").tasks, seed=2)
    first = plan.build(build("hard").tasks, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))


def test_gradient_methods_see_what_is_shared(row: Any, build: Any, inputs: Any) -> None:
    """Rows are zero where a task does not reach, and penalties stand beside the balancer."""
    model = build(row.spelled)
    backward = Backward(UPGrad(), tasks=("price", "churn", "plan"), shared=model.shared_parameters(), model=model)
    z = model.architecture(inputs_of("mlp", inputs), ("price", "churn", "plan"))
    outputs = model.outputs(z)
    report = backward({task: output.square().mean() for task, output in outputs.items()}, penalty=model.architecture.penalty)
    assert set(report.losses) == {"price", "churn", "plan"}
    shared = model.shared_parameters()
    assert all(parameter.grad is not None for parameter in shared.values())


@pytest.mark.sampled(12, sweep=2)
@pytest.mark.parametrize("balancer", ["uncertainty", "pcgrad", "famo", "moco", "graddrop", "modo"])
def test_any_balancer_goes_with_it(row: Any, build: Any, balancer: str, inputs: Any, encoders: Any) -> None:
    run = fit(build(row.spelled), [source("mlp", inputs, encoders)], balancer, **(QUICK | {"epochs": 1}))
    assert all(bool(torch.isfinite(value).all()) for value in run.model.state_dict().values())


def test_several_sources_go_with_it(row: Any, build: Any, inputs: Any) -> None:
    tasks = (Binary(name="first"), Regression(name="second"))
    random = np.random.default_rng(0)
    inputs = {name: random.normal(size=(60, 5)).astype("float32") for name in ("first", "second")}
    labels = {"first": (inputs["first"][:, 0] > 0).astype(int), "second": inputs["second"][:, 0].astype(float)}
    sources = [Source(name, values, {name: labels[name]}) for name, values in inputs.items()]
    run = fit(build(row.spelled, tasks=tasks), sources, "equal", batch_sizes={"first": 20, "second": 10}, **(QUICK | {"epochs": 1}))
    assert set(run.validation) == {"first", "second"}


@pytest.mark.parametrize(
    ("spelled", "text"),
    [
        ("mmoe(experts=0)", "`experts` must be at least 1"),
        ("mmoe(expert=3)", "these options do not fit"),
        ("ple(shared=0, private=0)", "every task needs at least one expert"),
        ("ple(levels=3)", "each level needs a stage of the encoder"),
        ("ple(levels=2, shared=0)", "several levels need shared experts"),
        ("hard(split=9)", "`split` must be between 0 and the number of stages .found 9.. Choose from 0 to 2"),
        ("lora(rank=-1)", "`rank` must be at least 0"),
        ("adapters(size=0)", "`size` must be at least 1"),
        ("constrained(strength=-1)", "`strength` must be finite and at least 0"),
        ("constrained(distance=cosine)", "unknown distance"),
        ("cross-stitch(self_weight=2)", "`self_weight` must be between 0 and 1"),
        ("nddr(self_weight=-1)", "`self_weight` must be between 0 and 1"),
        ("sluice(orthogonality=-1)", "`orthogonality` must be finite and at least 0"),
        ("branching(nodes=0)", "`nodes` must be at least 1"),
        ("branching(decay=0)", "`decay` must be above 0 and at most 1"),
        ("dselect-k(top_k=9)", "`top_k` must be between 1 and `experts`"),
        ("sparse-experts(top_k=9)", "`top_k` must be between 1 and `experts`"),
        ("crossstitch", "Did you mean 'cross-stitch'"),
    ],
)
def test_what_cannot_be_is_one_line(spelled: str, text: str, build: Any) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        build(spelled)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spelled", ["cross-stitch", "nddr", "sluice", "mtan", "branching"])
def test_an_encoder_without_stages_is_told_what_it_lacks(spelled: str, build: Any) -> None:
    with pytest.raises(ConfigError, match="MLP with one stage"):
        from polytask.architectures import MultiTaskModel

        MultiTaskModel(MLP((5,), hidden=(8,)), build("hard").tasks, architecture=spelled)


def test_what_does_not_fit_is_told_what_the_encoder_lacks(unknown_option_error: tuple[str, str], build: Any) -> None:
    with pytest.raises(ConfigError, match=r"works between the stages|each level needs a stage of the encoder") as caught:
        build(*unknown_option_error)
    assert "\n" not in str(caught.value)


@pytest.mark.sampled(3)
def test_words_and_sentences_are_learned_together(row: Any, build: Any, tmp_path: Path, inputs: Any, encoders: Any) -> None:
    """Two kinds of task on two levels, with gaps in both, from one encoder of sequences."""
    if row.stages > 1:
        pytest.skip("needs stages")
    codes = inputs("text", 60, 5)
    tags = np.where(codes == 0, None, np.where(codes % 2 == 0, "B-even", "O")).astype(object)
    tags[3], tags[4, 0] = None, None
    mood = np.where((codes == 2).any(1), "good", "bad").astype(object)
    mood[::7] = None
    tasks = (Binary(name="mood", classes=("bad", "good")), Tagging(name="slots", classes=("O", "B-even")))
    source = Source("notes", codes, {"mood": mood, "slots": tags}, preprocessor=encoders.coding("text"))
    run = fit(build(row.spelled, "text", tasks=tasks), [source], "pcgrad" if row.shares else "equal", **QUICK)
    assert set(run.validation) == {"mood", "slots"}
    assert all(bool(torch.isfinite(value).all()) for value in run.model.state_dict().values())
