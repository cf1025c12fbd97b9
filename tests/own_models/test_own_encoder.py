"""Any module, or a class or function that makes one, is an encoder."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import polytask as pt
from polytask.architectures import MultiTaskModel, NetworkPlan
from polytask.errors import ConfigError

TASKS = (pt.tasks.Regression(name="sum"), pt.tasks.Regression(name="first"))


def table(rows: int = 60, seed: int = 0) -> pt.Source:
    x = np.random.default_rng(seed).normal(size=(rows, 3)).astype("float32")
    return pt.Source("toy", x, {"sum": x.sum(1), "first": x[:, 0]})


def test_a_module_is_trained_with_the_weights_that_it_has(trunks: ModuleType) -> None:
    module = trunks.trunk((3,), width=6)
    start = module[0].weight.detach().clone()
    model = MultiTaskModel(module, TASKS, input_shape=(3,), architecture="mmoe(experts=2)")
    assert model.architecture.width("sum") == 6
    run = pt.fit(TASKS, [table()], encoder=module, epochs=1, threads=1, averaging=None, freeze=("architecture.encoder.module.0",))
    assert torch.equal(module[0].weight, start)
    assert run.model.shared_parameters()["encoder.module.1.weight"] is module[1].weight


@pytest.mark.parametrize("name", ["trunk", "Trunk"])
def test_what_makes_a_module_is_an_encoder_in_a_run(trunks: ModuleType, tmp_path: Path, name: str) -> None:
    few: dict[str, Any] = {"encoder_options": {"width": 5}, "epochs": 1, "threads": 1, "batch_size": 16}
    given = {"encoder": getattr(trunks, name), **few}
    run = pt.train([table()], TASKS, out=tmp_path / "run", **given)
    with pytest.raises(ConfigError, match=rf"import paths that a file names are not followed \(found own_package.trunks:{name}\)"):
        pt.load(run.folder)
    model = pt.load(run.folder, components=[getattr(trunks, name)])
    assert model.predict(table(5, 1).inputs).columns.tolist() == ["sum", "first"]
    assert model.networks[0].plan.encoder == f"own_package.trunks:{name}"  # type: ignore[union-attr]


def test_the_values_that_a_function_gives_are_kept_and_drawn_from_the_seed(trunks: ModuleType) -> None:
    pt.MultiTaskModel(trunks.trunk, TASKS, input_shape=(3,))
    first, second, other = (
        NetworkPlan("own_package.trunks:trunk", (3,)).build(TASKS, seed).architecture.encoder.stages[0][0].weight for seed in (0, 0, 1)
    )
    assert float(first.detach().mean()) > 2
    assert torch.equal(first, second) and not torch.equal(first, other)


@pytest.mark.parametrize(
    ("encoder", "options", "text"),
    [
        (nn.Linear(3, 2), {}, "an encoder is needed (found the PyTorch module Linear). Give its class, or a function that makes it"),
        ("Trunk", {"wide": 3}, "Trunk"),
        (
            "flat_trunk",
            {},
            "the function has no import path that names can be told from (found own_nets:flat_trunk). Move it into a package",
        ),
        ("nothing_at_all", {}, "must return a torch.nn.Module (found None)"),
    ],
)
def test_what_is_no_encoder(trunks: ModuleType, nets: ModuleType, encoder: Any, options: dict[str, Any], text: str) -> None:
    given = getattr(trunks, encoder, None) or getattr(nets, encoder) if isinstance(encoder, str) else encoder
    with pytest.raises(ConfigError, match=re.escape(text)) as caught:
        pt.train([table()], TASKS, encoder=given, encoder_options=options, epochs=1)
    assert "\n" not in str(caught.value)


def test_a_module_takes_inputs_of_one_shape(trunks: ModuleType) -> None:
    wide = pt.Source("wide", np.zeros((9, 4), "float32"), {"sum": np.zeros(9)})
    with pytest.raises(ConfigError, match=r"encoder: a module as an encoder takes inputs of one shape \(found \(3,\), \(4,\)\)"):
        pt.fit(TASKS, [table(), wide], encoder=trunks.Trunk())
