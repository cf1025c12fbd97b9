"""Layers that every task has for itself: named, or chosen where gradients conflict."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from polytask import fit
from polytask.architectures import MultiTaskModel, NetworkPlan, Recon, TaskLayers, parametrized_layers
from polytask.data import Source
from polytask.encoders import MLP, Conv, Encoder, ResNet, TabularEncoder, TextEncoder
from polytask.errors import ConfigError
from polytask.tasks import Regression
from polytask.training import TrainingProgress
from polytask.training.trained_network import load_network, save_network

TASKS = (Regression(name="a"), Regression(name="b"))
QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 20, "threads": 1, "precision": "float32", "patience": None}
ENCODERS = {
    "mlp": lambda: MLP((4,), hidden=(8, 6)),
    "conv": lambda: Conv((1, 12, 12)),
    "resnet": lambda: ResNet((1, 8, 8), width=2, blocks=(1, 1)),
    "tabular": lambda: TabularEncoder((4,), hidden=(8, 6)),
    "text": lambda: TextEncoder((5,), words=9, embedding=4, width=4),
}
every = pytest.mark.parametrize("encoder", ENCODERS)


def network(encoder: Encoder, spelled: str) -> MultiTaskModel:
    return MultiTaskModel(encoder, TASKS, architecture=spelled, hidden=(3,), initialization="framework", seed=1)


def opposed(rows: int = 80) -> Source:
    x = np.random.default_rng(0).normal(size=(rows, 4)).astype("float32")
    return Source("table", x, {"a": x.sum(1).astype(float), "b": -x.sum(1).astype(float)})


@every
def test_all_layers_of_one_s_own_are_separate_networks(encoder: str) -> None:
    """To round-off, in features and in gradients."""
    paths = ", ".join(parametrized_layers(ENCODERS[encoder]()))
    own, separate = network(ENCODERS[encoder](), f"task-layers(paths=[{paths}])").eval(), network(ENCODERS[encoder](), "separate").eval()
    x = own.architecture.example
    assert all(torch.equal(own(x)[task], separate(x)[task]) for task in ("a", "b"))
    assert own.shared_parameters() == {}
    for model in (own, separate):
        sum(z.square().sum() for z in model(x).values()).backward()  # type: ignore[union-attr]
    total = [sum(float(p.grad.square().sum()) for p in m.architecture.parameters() if p.grad is not None) for m in (own, separate)]
    assert total[0] == pytest.approx(total[1], rel=1e-5)
    assert sum(p.numel() for p in own.parameters()) == sum(p.numel() for p in separate.parameters())


@every
def test_an_own_layer_belongs_to_one_task_and_the_rest_to_all(encoder: str) -> None:
    last = list(parametrized_layers(ENCODERS[encoder]()))[-1]
    sharing = cast("TaskLayers", network(ENCODERS[encoder](), f"task-layers(paths=[{last}])").architecture)
    for name, _ in sharing.named_parameters():
        inside = name.startswith(f"encoder.{last}.")
        assert sharing.tasks_reaching(name) == (("b",) if name.startswith("copies") else ("a",) if inside else ("a", "b"))


def test_statistics_of_a_split_normalization_are_each_task_s_own() -> None:
    model = network(ENCODERS["resnet"](), "task-layers(paths=[first.0, first.1])")
    model.train()(torch.randn(6, 1, 8, 8))
    sharing = cast("TaskLayers", model.architecture)
    with torch.no_grad():
        sharing.copies["head_b"][0].weight += 1.0  # type: ignore[index, operator]
    model(torch.randn(6, 1, 8, 8))
    first = sharing.encoder.get_submodule("first.1").running_mean
    assert not torch.allclose(first, sharing.copies["head_b"][1].running_mean)  # type: ignore[index, arg-type]


@pytest.mark.parametrize(
    ("spelled", "text"),
    [
        ("task-layers(paths=[layers.0.1])", "no such layer.*Did you mean"),
        ("recon(conflict_threshold=0.1)", "`conflict_threshold` must be a cosine from -1 to 0"),
        ("recon(split_fraction=0)", "`split_fraction` must be above 0"),
        ("recon(epochs=0)", "`epochs` must be at least 1"),
    ],
)
def test_what_cannot_be_is_one_line(spelled: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        network(MLP((4,), hidden=(8, 6)), spelled)


def test_a_single_layer_leaves_nothing_to_choose() -> None:
    with pytest.raises(ConfigError, match="chooses among layers"):
        network(MLP((4,), hidden=(8,)), "recon")


def test_scores_are_those_of_a_slow_count() -> None:
    """One epoch of plain SGD, gradients per task and layer by autograd, on the batches that the loop draws."""
    model, seen = (
        network(MLP((4,), hidden=(8, 6)), "recon(conflict_threshold=-0.3, split_fraction=1.0)"),
        network(MLP((4,), hidden=(8, 6)), "hard"),
    )
    run = fit(model, [opposed()], optimizer="SGD", lr=0.05, **QUICK)
    scores = cast("Recon", run.model.architecture).scores
    counted = slow_count(seen, conflict_threshold=-0.3, lr=0.05)
    assert scores == pytest.approx(counted)
    assert max(scores.values()) > 0


def slow_count(model: MultiTaskModel, conflict_threshold: float, lr: float) -> dict[str, float]:
    from polytask.data import ProportionalSampler
    from polytask.training import prepare_data

    data = prepare_data([opposed()], TASKS, validation_fraction=None, seed=0)
    rows = data.training["table"].rows
    layers = parametrized_layers(model.architecture.encoder)  # type: ignore[arg-type]
    counts, steps = dict.fromkeys(layers, 0), 0
    for step in ProportionalSampler({"table": len(rows)}, {"table": 20}).epoch(0, seed=0):
        batch = rows.take(step["table"])
        outputs = model(batch.normalization(batch.inputs))
        losses = [(outputs[task].squeeze(1) - batch.targets[task]).square().mean() for task in ("a", "b")]
        for path, layer in layers.items():
            first, second = (
                torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True)]) for loss in losses
            )
            counts[path] += bool(torch.cosine_similarity(first, second, dim=0) < conflict_threshold)
        steps += 1
        model.zero_grad()
        sum(losses).backward()  # type: ignore[union-attr]
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= lr * (0 if parameter.grad is None else parameter.grad)
    return {path: count / steps for path, count in counts.items()}


def test_the_second_phase_begins_where_the_first_did() -> None:
    """The first phase leaves no trace in the numbers: the network is that which has these layers from the beginning."""
    run = fit(network(MLP((4,), hidden=(8, 6)), "recon(conflict_threshold=0.0)"), [opposed()], **QUICK)
    own = cast("Recon", run.model.architecture).own
    assert own
    assert run.model.architecture_spec == f"recon(chosen_layers=[{', '.join(own)}])"
    again = fit(network(MLP((4,), hidden=(8, 6)), run.model.architecture_spec), [opposed()], **QUICK)
    assert all(torch.equal(a, b) for a, b in zip(run.model.state_dict().values(), again.model.state_dict().values(), strict=True))


def test_a_trained_network_has_its_layers_when_it_is_loaded(tmp_path: Path) -> None:
    plan = NetworkPlan("mlp", (4,), {"hidden": (8, 6)}, architecture="recon(conflict_threshold=0.0)", hidden=(3,))
    run = fit(plan.build(TASKS, 1), [opposed()], **QUICK)
    save_network(tmp_path / "network", plan, run, {})
    loaded = load_network(tmp_path / "network")
    x = torch.randn(3, 4)
    assert all(torch.equal(loaded.model(x)[task], run.model.eval()(x)[task]) for task in ("a", "b"))


def test_an_interrupted_run_keeps_its_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(progress: TrainingProgress) -> None:
        if progress.epoch == 2:
            raise KeyboardInterrupt

    choices = QUICK | {"checkpoint_seconds": 0}
    spelled = "recon(conflict_threshold=0.0)"
    whole = fit(network(MLP((4,), hidden=(8, 6)), spelled), [opposed()], **choices)
    with pytest.raises(KeyboardInterrupt):
        fit(network(MLP((4,), hidden=(8, 6)), spelled), [opposed()], checkpoint=tmp_path / "state", progress=stopped, **choices)
    monkeypatch.setattr("polytask.training.optimization.layer_conflicts.layer_conflict_rates", lambda *_: pytest.fail("chosen twice"))
    again = fit(network(MLP((4,), hidden=(8, 6)), spelled), [opposed()], checkpoint=tmp_path / "state", **choices)
    assert whole.model.architecture_spec == again.model.architecture_spec
    assert all(torch.equal(a, b) for a, b in zip(whole.model.state_dict().values(), again.model.state_dict().values(), strict=True))


def test_agreeing_tasks_split_nothing() -> None:
    source = opposed()
    agreeing = Source("table", source.inputs, {"a": source.labels["a"], "b": source.labels["a"]})
    model = network(MLP((4,), hidden=(8, 6)), "recon(conflict_threshold=-0.99)")
    assert cast("Recon", fit(model, [agreeing], **QUICK).model.architecture).own == ()
