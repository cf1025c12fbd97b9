"""One step of everything on a device on which mixing with the CPU fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import LABELS, SHORT, TASKS, X, source
from stand_in import StandInDevice, StandInTensor

import polytask as pt
from polytask.data import WordTokenizer
from polytask.datasets.tables import make_task
from polytask.registry import names
from polytask.registry.resolve import resolve
from polytask.tasks import Task
from polytask.training.loop.training_loop import TrainingLoop

WRAPPED = {"rotograd": "rotated"}
BALANCERS = [
    *(name for name in names("balancer") if name != "torchjd"),
    "smooth-weights:cagrad",
    "clip-weights:nash-mtl",
    "update-every:mgda",
    "preference:cagrad",
    "log:cagrad",
    "per-group:upgrad",
]
Y = X[:, 0]
KINDS: dict[str, Any] = {
    "binary": LABELS["b"],
    "multiclass": np.array(["u", "v", "w"])[np.digitize(Y, (-0.5, 0.5))],
    "ordinal": np.digitize(Y, (-0.5, 0.5)),
    "regression": Y,
    "count": np.abs(3 * Y).astype("int64"),
    "quantile": Y,
    "survival": np.where(Y > 0, np.abs(Y) + 0.1, -np.abs(Y) - 0.1),
    "multilabel": np.array(["u|v" if value > 0 else "v" for value in Y]),
}
ENCODERS = {
    "conv(channels=(2, 3))": (2, 13, 11),
    "lenet(features=5, channels=(2, 3))": (1, 17, 16),
    "resnet(width=2, blocks=(1, 1))": (2, 9, 8),
    "mlp(hidden=(6, 3))": (4,),
    "residual-mlp(width=5, blocks=2, dropout=0.1)": (4,),
    "tabular(number_encoding=piecewise, number_width=3, hidden=(6,))": (3,),
    "tabular(number_encoding=periodic, number_width=3, hidden=(6,), dropout=0.1)": (3,),
    "gru(width=4)": (5, 3),
    "tcn(width=3)": (9, 2),
    "transformer(width=4)": (5, 3),
    "text(embedding=5, width=4, dropout=0.1)": (6,),
    "text(variant=transformer, embedding=5, width=4)": (6,),
}
STEP: dict[str, Any] = {**SHORT, "device": "meta", "steps_per_epoch": 1, "optimizer_options": {"fused": False}}


def test_the_device_keeps_its_tensors_and_gives_copies(stand_in: StandInDevice) -> None:
    tensor = torch.ones(2, 3).to("meta")
    assert isinstance(tensor @ tensor.T, StandInTensor)
    assert (tensor @ tensor.T).cpu().tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert stand_in.waits == {"blocking copy to the device": 1, "copy to the CPU": 1}


@pytest.mark.sampled(6, drawn=True)
@pytest.mark.parametrize("balancer", BALANCERS)
def test_a_step_of_every_balancer(stand_in: StandInDevice, loop_on: Callable[..., TrainingLoop], balancer: str) -> None:
    loop = loop_on("meta", balancer, WRAPPED.get(balancer, "hard"))
    for batches in loop.epoch_batches():
        loop.step(batches)
    assert all(isinstance(parameter, StandInTensor) for parameter in loop.state.model.parameters())


@pytest.mark.sampled(6, drawn=True)
@pytest.mark.parametrize("architecture", names("architecture"))
def test_a_run_of_every_architecture(stand_in: StandInDevice, architecture: str) -> None:
    run = pt.fit(TASKS, [source()], "cagrad", architecture=architecture, encoder="mlp(hidden=(8, 6))", **STEP)
    assert run.steps == 1
    assert {parameter.device for parameter in run.model.parameters()} == {torch.device("cpu")}


@pytest.mark.sampled(4, drawn=True)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_run_of_every_encoder(stand_in: StandInDevice, encoder: str) -> None:
    random = np.random.default_rng(1)
    text, facts = encoder.startswith("text"), {"words": 9} if encoder.startswith("text") else {}
    inputs = random.integers(0, 9, (48, *ENCODERS[encoder])) if text else random.normal(size=(48, *ENCODERS[encoder])).astype("float32")
    made = resolve("encoder", encoder).build(ENCODERS[encoder], **facts)
    model = pt.MultiTaskModel(made, TASKS[:2])
    words = WordTokenizer(tuple("abcdefg")) if text else None
    data = pt.Source("rows", inputs, {name: LABELS[name] for name in "ab"}, preprocessor=words)
    assert pt.fit(model, [data], "equal", **STEP).steps == 1


@pytest.mark.sampled(4, drawn=True)
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_every_kind(stand_in: StandInDevice, kind: str) -> None:
    given = pt.tasks.Quantile(name="a", levels=(0.1, 0.5)) if kind == "quantile" else kind
    tasks: tuple[Task, ...] = (make_task("a", KINDS[kind], given), TASKS[1])
    data = pt.Source("rows", X, {"a": KINDS[kind], "b": LABELS["b"]}, weights={"a": np.arange(1.0, 49.0)})
    assert pt.fit(tasks, [data], "mgda", encoder="mlp(hidden=(8,))", **STEP).steps == 1


def test_labels_of_tokens(stand_in: StandInDevice) -> None:
    tagging = pt.tasks.Tagging(name="tag", classes=("x", "y"))
    codes = np.random.default_rng(0).integers(1, 9, (48, 5))
    codes[::2, 3:] = 0
    tags = np.where(codes > 0, np.array(["x", "y"], dtype=object)[codes % 2], None)
    model = pt.MultiTaskModel(pt.encoders.TextEncoder((5,), words=9, embedding=4, width=6), (tagging, TASKS[1]))
    data = pt.Source("rows", codes, {"tag": tags, "b": LABELS["b"]}, preprocessor=WordTokenizer(tuple("abcdefg")))
    assert pt.fit(model, [data], "cagrad", **STEP).steps == 1


@pytest.mark.sampled(3, drawn=True)
@pytest.mark.parametrize(
    "choices",
    [
        {"gradient_route": "batched"},
        {"gradient_route": "representation"},
        {"micro_batches": 2},
        {"max_grad_norm": 1.0, "optimizer": "Adam", "scheduler": "ReduceLROnPlateau"},
        {"callbacks": [pt.relatedness.AffinityCallback(["a", "b", "c"], every=1)]},
        {"encoder": torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8))},
    ],
    ids=lambda choices: next(iter(choices)),
)
def test_a_run_with_every_kind_of_option(stand_in: StandInDevice, choices: dict[str, Any]) -> None:
    assert pt.fit(TASKS, [source()], "cagrad", **{"encoder": "mlp(hidden=(8,))", **STEP, **choices}).steps == 1


@pytest.mark.sampled(3)
@pytest.mark.parametrize("balancer", ["moco", "db-mtl", "excess-mtl", "momentum-conflict-free", "rotograd", "famo"])
def test_a_run_goes_on_on_another_device(stand_in: StandInDevice, balancer: str, tmp_path: Path) -> None:
    def run(folder: str, device: str, stop: int | None = None) -> pt.training.FitResult:
        chosen: dict[str, Any] = {**STEP, "device": device, "epochs": 2, "steps_per_epoch": None}
        parts = {"encoder": "mlp(hidden=(8,))", "architecture": WRAPPED.get(balancer, "hard")}
        return pt.fit(TASKS, [source()], balancer, checkpoint=tmp_path / folder, stop_after_epoch=stop, **parts, **chosen)

    whole = run("whole", "cpu")
    for first, second in (("cpu", "meta"), ("meta", "cpu")):
        run(f"{first}-{second}", first, 1)
        rest = run(f"{first}-{second}", second)
        for one, other in zip(whole.model.parameters(), rest.model.parameters(), strict=True):
            torch.testing.assert_close(one.detach(), other.detach(), rtol=1e-4, atol=1e-6)
