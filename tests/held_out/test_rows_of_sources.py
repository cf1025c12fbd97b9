"""Nothing of the test rows of arrays, data sets and image folders decides anything, with networks and training of ours and of a user."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

import polytask as pt
from polytask.studies.execution import function_fit
from polytask.studies.execution.function_watch import FunctionAnswer
from polytask.studies.setup.run_folder import RunFolder
from polytask.train_functions.function_process import FunctionCall, make_request
from polytask.train_functions.returned_predictions import read_returned

TASKS = (
    pt.tasks.Regression(name="sum"),
    pt.tasks.Multiclass(name="kind", classes=("a", "b", "c")),
    pt.tasks.Binary(name="sign", classes=("minus", "plus")),
)
FEW: dict[str, Any] = {"arms": ["single", "equal"], "seeds": 2, "workers": 1, "epochs": 1, "threads": 1}
OF_NETWORKS = {"batch_size": 32}


@dataclass(frozen=True)
class Rows:
    """Rows that become a source in the way of a door."""

    x: NDArray[Any]
    labels: Mapping[str, NDArray[Any]]
    fields: Mapping[str, Any] = field(default_factory=dict)

    def take(self, rows: Any) -> Rows:
        return Rows(self.x[rows], {name: own[rows] for name, own in self.labels.items()})


def rows(count: int, seed: int) -> Rows:
    x = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    kind = np.array(["a", "b", "c"], dtype=object)[np.argmax(x, axis=1)]
    return Rows(x, {"sum": x.sum(1).astype(np.float64), "kind": kind, "sign": np.where(x[:, 0] > 0, "plus", "minus").astype(object)})


TRAINING, TEST = rows(60, 0), rows(20, 1)


def inputs(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Rows:
    return replace(TEST, x=change(TEST.x))


def first(value: object) -> Rows:
    changed = TEST.x.copy()
    changed[0, 1] = value
    return replace(TEST, x=changed)


def label(task: str, row: Any, value: object) -> Rows:
    changed = TEST.labels[task].copy()
    changed[row] = value
    return replace(TEST, labels={**TEST.labels, task: changed})


def both(one: Rows, other: Rows) -> Rows:
    labels = {name: np.concatenate([one.labels[name], other.labels[name]]) for name in one.labels}
    return Rows(np.concatenate([one.x, other.x]), labels)


CHANGES: dict[str, Rows] = {
    "another number": first(0.5),
    "an extreme number": first(3e38),
    "a tiny number": first(1e-44),
    "a gap": first(np.nan),
    "an infinite number": first(-np.inf),
    "zeros": inputs(np.zeros_like),
    "large numbers": inputs(lambda x: 1e20 * x),
    "another type of number": inputs(lambda x: x.astype(np.float64)),
    "whole numbers": inputs(lambda x: x.astype(np.int64)),
    "another width": inputs(lambda x: x[:, :2]),
    "a memory order of its own": inputs(np.asfortranarray),
    "another order": TEST.take(np.arange(20)[::-1]),
    "rows that stand twice": both(TEST, TEST),
    "some copies of training rows": both(TEST, TRAINING.take(np.arange(10))),
    "nothing but copies of training rows": TRAINING.take(np.arange(20)),
    "one row": TEST.take([0]),
    "no row": TEST.take(np.arange(0)),
    "another label": label("sum", 0, 2.5),
    "an extreme label": label("sum", 0, 1e300),
    "an infinite label": label("sum", 0, np.inf),
    "whole labels": label("sum", slice(None), 3.0),
    "a gap among labels": label("sum", 0, np.nan),
    "no labels": label("sum", slice(None), np.nan),
    "another class": label("kind", 0, "a"),
    "a gap among classes": label("kind", 0, None),
    "an unknown class": label("kind", 0, "zebra"),
    "a number as a class": label("kind", 0, 7),
    "one class": label("sign", slice(None), "plus"),
    "a third answer": label("sign", 0, "neither"),
    "names of rows": replace(TEST, fields={"units": np.array([f"=row {row}" for row in range(20)], dtype=object)}),
    "groups": replace(TEST, fields={"groups": np.repeat(np.arange(5), 4)}),
    "weights": replace(TEST, fields={"weights": {"sum": np.linspace(0, 9, 20)}}),
    "rows held out": replace(TEST, fields={"held_out": np.arange(20) < 5}),
    "a target of its own": replace(TEST, labels={**TEST.labels, "more": np.arange(20.0)}),
    "a target less": replace(TEST, labels={"sum": TEST.labels["sum"], "kind": TEST.labels["kind"]}),
}


def as_arrays(name: str, part: Rows, folder: Path) -> pt.Source:
    return pt.Source(name, part.x, dict(part.labels), **part.fields)


def as_dataset(name: str, part: Rows, folder: Path, *, lazy: bool) -> pt.Source:
    items = [(x, {name: own[row] for name, own in part.labels.items()}) for row, x in enumerate(part.x)]
    return pt.Source.from_dataset(name, items, lazy=lazy, **part.fields)


def as_images(name: str, part: Rows, folder: Path) -> pt.Source:
    """Write rows as images of a pixel per input, whose values an image can have."""
    at = folder / f"images-{len(list(folder.iterdir()))}"
    at.mkdir()
    for row, x in enumerate(np.clip(np.nan_to_num(40 * part.x.astype(np.float64) + 128, posinf=255, neginf=0), 0, 255).astype(np.uint8)):
        Image.fromarray(np.resize(x, (10, 10))).save(at / f"{row}.png")
    table = pd.DataFrame({"path": [f"{row}.png" for row in range(len(part.x))], **part.labels})
    columns = {key: f"own_{key}" for key in part.fields if key in ("groups", "units", "held_out")}
    for key, column in columns.items():
        table[column] = part.fields[key]
    table.to_csv(at / "labels.csv", index=False)
    return pt.Source.from_image_folder(at / "labels.csv", name=name, labels=list(part.labels), **{**part.fields, **columns})


@pytest.fixture
def told(own_module: Callable[[Path, str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the training function was told; it is called in this process, which takes no start of a process per call."""
    code = own_module(Path(__file__).parent, "watched_code")

    def call(call: FunctionCall, where: str, limit: float | None, report: Callable[[Any], None]) -> FunctionAnswer:
        request = make_request(call.request, lambda epoch, **scores: None)
        return FunctionAnswer(read_returned(code.mean_and_share(request), request), 1.0, 1.5, 1)

    monkeypatch.setattr(function_fit, "call_function", call)
    monkeypatch.setattr(RunFolder, "delete_checkpoints", lambda self: None)
    told: list[str] = code.TOLD
    return told


def networks(folder: Path) -> list[str]:
    """Return a digest of every network that is in a run folder."""
    found = []
    for file in sorted(folder.rglob("checkpoints/**/network/*")):
        content = file.read_bytes()
        if file.name != "manifest.json":
            found.append(f"{file.parent.parent.name}/{file.name} {hashlib.sha256(content).hexdigest()}")
    return found


Form = Callable[[str, Rows, Path], pt.Source]
DOORS: dict[str, tuple[Form, dict[str, Any]]] = {
    "arrays": (as_arrays, OF_NETWORKS),
    "a data set": (partial(as_dataset, lazy=False), OF_NETWORKS),
    "a data set that is read by batches": (partial(as_dataset, lazy=True), OF_NETWORKS),
    "an image folder": (as_images, OF_NETWORKS),
    "a network of a user": (as_arrays, {**OF_NETWORKS, "model": "watched_code:Net"}),
    "a training function": (as_arrays, {"train": "watched_code:mean_and_share", "arms": ["single", "joint"]}),
}


def learned(door: str, test: Rows, folder: Path, told: list[str]) -> tuple[list[str], list[str]]:
    """Return digests of the networks and of what a training function was told; the test rows may be refused when they are opened."""
    form, options = DOORS[door]
    folder.mkdir()
    told.clear()
    try:
        training = form("toy", TRAINING, folder)
        pt.study([training], TASKS, test=lambda: (form("toy", test, folder),), out=folder / "run", **{**FEW, **options})
    except pt.PolytaskError as error:
        assert len(str(error).splitlines()) == 1 and test is not TEST, error
    return ([] if options.get("train") else networks(folder)), list(told)


@pytest.fixture(scope="module")
def unchanged() -> dict[str, tuple[list[str], list[str]]]:
    """What is learned from the rows as they are, by the name of the door."""
    return {}


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")
@pytest.mark.sampled(48, sweep=24)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("door", DOORS)
def test_a_change_of_test_rows_changes_no_network(
    door: str, change: str, unchanged: dict[str, tuple[list[str], list[str]]], tmp_path: Path, told: list[str]
) -> None:
    if door not in unchanged:
        unchanged[door] = learned(door, TEST, tmp_path / "unchanged", told)
        assert any(unchanged[door])
    trained, seen = learned(door, CHANGES[change], tmp_path / "changed", told)
    assert trained == unchanged[door][0]
    assert seen in ([], unchanged[door][1]), "a study is refused before anything is trained, or the function is told the same"
