"""A run that starts from the weights of another one, if they fit and mean the same."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import polytask as pt
from polytask.data import TablePreprocessor
from polytask.data.preprocessing.columns import Column, DateColumn
from polytask.errors import ConfigError, PolytaskError, StorageError
from polytask.options import TrainConfig, checked
from polytask.storage import load_state, read_yaml, state_digest
from polytask.studies.spec.starting_network import StartingNetwork

FEW: dict[str, Any] = {"targets": ["sum", "first"], "epochs": 1, "threads": 1}


def rows(other: str = "Rome", seed: int = 0) -> dict[str, NDArray[Any]]:
    x = np.random.default_rng(seed).normal(size=(150, 2))
    return {"a": x[:, 0], "b": x[:, 1], "town": np.where(x[:, 1] > 0, "Oslo", other), "sum": x.sum(1), "first": x[:, 0] > 0}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished run."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    pt.train(rows(), **FEW, out=folder)
    return folder


@pytest.mark.parametrize("inner", ["", "model"])
def test_the_first_weights_are_those_of_the_model(begun: Path, tmp_path: Path, inner: str) -> None:
    pt.train(rows(seed=1), **FEW, out=tmp_path / "run", init_from=begun / inner, freeze=("architecture", "heads.head_sum"))
    before, after = (load_state(folder / "model" / "network-1")["weights"] for folder in (begun, tmp_path / "run"))
    kept = [name for name in before if name.startswith(("architecture", "heads.head_sum")) and "weight" in name]
    assert kept
    assert all(torch.equal(before[name], after[name]) for name in kept)
    assert not torch.equal(before["heads.head_first.0.weight"], after["heads.head_first.0.weight"])
    written = read_yaml(tmp_path / "run" / "run.yaml")
    assert (written["init_from"], written["init_digest"]) == (str(begun / inner), state_digest(begun / "model" / "network-1"))


def test_a_run_is_repeated_to_the_same_weights_and_not_from_others(begun: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(begun / "model", model)
    digests = []
    for name in ("one", "two"):
        pt.train(rows(seed=1), **FEW, out=tmp_path / name, init_from=model)
        digests.append(state_digest(tmp_path / name / "model" / "network-1"))
    assert digests[0] == digests[1]
    written = read_yaml(tmp_path / "one" / "run.yaml")
    shutil.rmtree(model)
    shutil.copytree(tmp_path / "one" / "model", model)
    with pytest.raises(StorageError, match="the weights are not those that this run started from"):
        pt.train(rows(seed=1), **FEW, out=tmp_path / "three", init_from=model, init_digest=written["init_digest"])


def test_sources_of_images_keep_their_own_statistics(tmp_path: Path) -> None:
    few: dict[str, Any] = {"epochs": 1, "steps_per_epoch": 2, "batch_size": 16, "threads": 1, "encoder": "resnet(width=8)"}
    pt.train("mnist-fashion", **few, out=tmp_path / "one")
    pt.train("mnist-fashion", **few, out=tmp_path / "two", init_from=tmp_path / "one")
    assert (tmp_path / "two" / "model" / "model.json").exists()


@pytest.mark.parametrize(
    ("data", "options", "text"),
    [
        (rows(), {"targets": ["sum"]}, "the tasks must be those of the model (found binary of '[False, True]', now no such task)"),
        (rows(), {"targets": {"sum": None, "first": "multiclass"}}, "now multiclass of '[False, True]')"),
        (rows(), {"hidden": (8,)}, "the weights do not fit this network (found Missing key(s)"),
        (rows(), {"architecture": "mmoe"}, "the weights do not fit this network"),
        (
            rows("Lima"),
            {},
            "the columns, categories and words of the inputs must be those of the model (found source 'table', column 'town')",
        ),
        (rows(), {"drop": ["town"]}, "categories and words of the inputs must be those of the model (found source 'table', column 'town')"),
        (rows(), {"drop": ["a"]}, "(found source 'table', column 'a')"),
        (rows(), {"model": "auto"}, "only a network starts from the weights of another run"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    begun: Path, tmp_path: Path, data: dict[str, Any], options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)) as caught:
        pt.train(data, **{**FEW, **options}, out=tmp_path / "run", init_from=begun)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "run.yaml").exists()


def test_the_written_form_of_dates_does_not_count() -> None:
    def source(kind: type[Column] = DateColumn, **options: Any) -> pt.Source:
        coding = TablePreprocessor((DateColumn("day"), kind("sold", **options)))
        return pt.Source("shop", np.zeros((2, 2)), {}, preprocessor=coding)

    begun = source().preprocessor
    assert begun is not None
    start = StartingNetwork("run", {}, (), {"shop": begun.to_dict()}, "")
    start.check([source(form="%d/%m/%Y", center=3.0)], ())
    with pytest.raises(ConfigError, match=re.escape("(found source 'shop', column 'sold')")):
        start.check([source(hours=True)], ())


def test_two_sets_of_first_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"init_from: a network starts from one set of weights \(found initial_weights 'w.safetensors'"):
        checked(TrainConfig, {"init_from": "run", "training": {"initial_weights": "w.safetensors"}}, where="train")


def test_what_is_no_network_is_refused(begun: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="this folder has no model"):
        pt.train(rows(), **FEW, out=tmp_path / "run", init_from=tmp_path / "none")
    edited = tmp_path / "edited"
    shutil.copytree(begun / "model", edited)
    (edited / "network-1" / "tensors.safetensors").write_bytes(b"x")
    with pytest.raises(PolytaskError, match="the file is damaged"):
        pt.train(rows(), **FEW, out=tmp_path / "run", init_from=edited)
