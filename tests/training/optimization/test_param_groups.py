"""Learning rates part by part, and parts that join later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polytask import fit
from polytask.architectures import MultiTaskModel
from polytask.data import Source
from polytask.encoders import MLP, Encoder, TabularEncoder, TextEncoder
from polytask.errors import ConfigError
from polytask.gradients import Backward
from polytask.options import make_training_options
from polytask.registry import names
from polytask.tasks import Binary, Regression, Task
from polytask.training import TrainingProgress
from polytask.training.optimization.param_groups import make_param_groups

TASKS = (Regression(name="a"), Regression(name="b"))
QUICK: dict[str, Any] = {"epochs": 4, "batch_size": 20, "threads": 1, "precision": "float32", "patience": None, "lr": 0.01}
SECOND = "architecture.encoder.layers.1"


def network(architecture: str = "hard", encoder: Encoder | None = None, tasks: Sequence[Task] = TASKS) -> MultiTaskModel:
    chosen = encoder or MLP((4,), hidden=(8, 6, 4))
    return MultiTaskModel(chosen, tasks, architecture=architecture, hidden=(3,), initialization="framework", seed=1)


def source() -> Source:
    x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    return Source("table", x, {"a": x.sum(1).astype(float), "b": (x[:, 0] - x[:, 1]).astype(float)})


def rates(model: MultiTaskModel, **options: Any) -> dict[str, float]:
    groups = make_param_groups(model, make_training_options(lr=1.0, **options))
    by_id = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    return {name: by_id[id(parameter)] for name, parameter in model.named_parameters() if id(parameter) in by_id}


def same(first: MultiTaskModel, second: MultiTaskModel) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))


@pytest.mark.parametrize("options", [{"layer_decay": 1.0}, {"lr_multipliers": {"trunk": 1.0, "task:a": 1.0, "heads": 1.0}}])
def test_factors_of_one_change_no_bit(options: dict[str, Any]) -> None:
    assert same(fit(network(), [source()], **QUICK).model, fit(network(), [source()], **QUICK, **options).model)


def test_the_most_specific_factor_counts() -> None:
    found = rates(network(), lr_multipliers={"trunk": 0.5, "task:a": 2.0, "architecture.encoder.layers.1": 0.1, "heads.head_a.2": 7.0})
    assert found["architecture.encoder.layers.0.0.weight"] == 0.5
    assert found[f"{SECOND}.0.weight"] == 0.1
    assert found["heads.head_a.0.weight"] == 2.0
    assert found["heads.head_a.2.bias"] == 7.0
    assert found["heads.head_b.0.weight"] == 1.0


@pytest.mark.parametrize("architecture", sorted(names("architecture")))
def test_decay_follows_pieces_into_every_copy(architecture: str) -> None:
    """Every parameter that has the shape of a piece of the encoder, and is one, has the rate of that piece."""
    model = network(architecture, tasks=(Binary(name="a"), Binary(name="b")))
    found = rates(model, layer_decay=0.5)
    weights = {(8, 4): 0.25, (6, 8): 0.5, (4, 6): 1.0}
    seen = set()
    for name, parameter in model.architecture.named_parameters():
        if ".layers." in f".{name}" or "levels" in name:
            expected = weights.get(tuple(parameter.shape)) if "gate" not in name else None
            if expected is not None and "updates" not in name and ".own." not in name and "masks" not in name:
                assert found[f"architecture.{name}"] == expected, name
                seen.add(expected)
    assert seen == {0.25, 0.5, 1.0}
    assert all(rate == 1.0 for name, rate in found.items() if name.startswith("heads"))


def test_a_stem_is_the_first_piece() -> None:
    found = rates(network(encoder=TabularEncoder((4,), cardinalities=(0, 0, 3, 3), hidden=(5, 4))), layer_decay=0.1)
    assert found["architecture.encoder.cells.table.weight"] == pytest.approx(0.01)
    assert found["architecture.encoder.layers.0.0.weight"] == pytest.approx(0.1)
    assert found["architecture.encoder.layers.1.0.weight"] == 1.0


@pytest.mark.parametrize("architecture", ["hard", "mmoe(experts=2)", "separate"])
def test_blocks_of_a_transformer_are_pieces(architecture: str) -> None:
    text = TextEncoder((5,), words=9, variant="transformer", embedding=4, width=8, layers=3)
    found = rates(network(architecture, text), layer_decay=0.5)
    parts = {
        "table.weight": 1 / 16,
        "first.weight": 1 / 8,
        "layers.0.norm1.weight": 1 / 4,
        "layers.1.linear2.bias": 1 / 2,
        "layers.2.norm2.bias": 1,
    }
    for part, expected in (parts | {"context.layers.norm.weight": 1}).items():
        own = [rate for name, rate in found.items() if name.endswith(part)]
        assert own and set(own) == {expected}, part


def test_a_step_is_as_long_as_its_rate_says() -> None:
    model, again = network(), network()
    options = {"optimizer": "SGD", "layer_decay": 0.5, "lr_multipliers": {"task:b": 3.0}}
    run = fit(model, [source()], **{**QUICK, "epochs": 1, "batch_size": 48, "averaging": None}, **options)
    losses = first_losses(again)
    walk(again, losses)
    expected_rates = {name: rate * 0.01 for name, rate in rates(again, **{k: v for k, v in options.items() if k != "optimizer"}).items()}
    moved = dict(run.model.named_parameters())
    for name, parameter in again.named_parameters():
        assert torch.allclose(moved[name], parameter - expected_rates[name] * parameter.grad, atol=1e-7), name  # type: ignore[operator]


def first_losses(model: MultiTaskModel) -> dict[str, torch.Tensor]:
    from polytask.training import prepare_data

    data = prepare_data([source()], TASKS, validation_fraction=None, seed=0)
    rows = data.training["table"].rows
    outputs = model(rows.normalization(rows.inputs))
    return {task: (outputs[task].squeeze(1) - rows.targets[task]).square().mean() for task in ("a", "b")}


def walk(model: MultiTaskModel, losses: dict[str, torch.Tensor]) -> None:
    from polytask.balancing import Equal

    Backward(Equal(), tasks=("a", "b"), shared=model.shared_parameters())(losses)


@pytest.mark.parametrize("balancer", ["equal", "pcgrad", "uncertainty", "nash-mtl", "famo"])
def test_a_part_joins_at_its_epoch(balancer: str) -> None:
    def at_end_of(epochs: int) -> torch.Tensor:
        options = {"freeze": (SECOND,), "unfreeze": {3: (SECOND,)}}
        return fit(network(), [source()], balancer, **{**QUICK, "epochs": epochs}, **options).model.get_parameter(f"{SECOND}.0.weight")

    start = network().get_parameter(f"{SECOND}.0.weight")
    assert torch.equal(at_end_of(2), start)
    assert not torch.equal(at_end_of(4), start)


def test_an_interrupted_run_knows_what_is_frozen(tmp_path: Path) -> None:
    def stopped(progress: TrainingProgress) -> None:
        if progress.epoch == 4:
            raise KeyboardInterrupt

    options = QUICK | {"checkpoint_seconds": 0, "freeze": ("architecture",), "unfreeze": {2: (SECOND,), 3: ("architecture",)}}
    whole = fit(network(), [source()], "uncertainty", **options)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), [source()], "uncertainty", checkpoint=tmp_path / "state", progress=stopped, **options)
    again = fit(network(), [source()], "uncertainty", checkpoint=tmp_path / "state", **options)
    assert same(whole.model, again.model)
    assert whole.history.equals(again.history)


def test_schedules_work_on_all_groups() -> None:
    options = {"layer_decay": 0.5, "scheduler": "CosineAnnealingLR", "scheduler_options": {"T_max": 4}}
    assert fit(network(), [source()], **QUICK, **options).epochs == 4


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lr_multipliers": {"trunks": 1.0}}, "trunks: no parameter has that name"),
        ({"lr_multipliers": {"task:c": 1.0}}, "no such task"),
        ({"unfreeze": {2: ("nothing",)}}, "nothing: no parameter has that name"),
        ({"freeze": ("architecture",), "unfreeze": {2: ("architecture",)}, "balancer": "moco"}, "remembers the gradients"),
        ({"freeze": ("architecture",), "unfreeze": {2: ("architecture",)}, "balancer": "smooth-weights:moco"}, "remembers the gradients"),
        ({"layer_decay": 0.0}, "layer_decay"),
        ({"lr_multipliers": {"trunk": -1.0}}, "lr_multipliers"),
        ({"unfreeze": {0: ("architecture",)}}, "unfreeze"),
    ],
)
def test_what_cannot_be_is_one_line(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        fit(network(), [source()], options.pop("balancer", "equal"), **QUICK, **options)
    assert "\n" not in str(caught.value)
