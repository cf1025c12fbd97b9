"""The components of a package outside of polytask, found by their names through its entry points, in all that is done with components."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import polytask as pt
from polytask.cli import main
from polytask.errors import ConfigError
from polytask.options import StudyConfig, checked
from polytask.registry import find
from polytask.registry.resolve import resolve
from polytask.storage import read_json, read_yaml
from polytask.studies import load_data
from polytask.studies.execution import job_training
from polytask.training import FitResult
from polytask.training.trained_network import save_network

pytestmark = pytest.mark.usefixtures("installed")

OFFERED = {
    "balancer": "loss-power(power=0.25)",
    "encoder": "one-layer(width=6)",
    "architecture": "scaled(start=0.5)",
    "callback": "step-count",
    "task kind": "angle(weight=2.0)",
    "baseline": "nearest-row(rows=50)",
}
CONTEXT: dict[str, tuple[Any, ...]] = {"encoder": ((3,),), "architecture": (pt.encoders.MLP((3,)), ("wind", "height"))}
ROOT = Path(__file__).parents[2]


def table(rows: int = 160, seed: int = 0) -> pt.Source:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3)).astype("float32")
    wind = np.rad2deg(np.arctan2(x[:, 1], x[:, 0]) + 0.2 * random.normal(size=rows)) % 360
    wind[::9] = np.nan
    return pt.Source("table", x, {"wind": wind, "height": x[:, 2] + 0.3 * random.normal(size=rows)})


@pytest.mark.parametrize("group", OFFERED)
def test_a_name_becomes_an_object_and_the_object_its_name(group: str) -> None:
    spelled = OFFERED[group]
    told = {"name": "wind"} if group == "task kind" else {}
    made = resolve(group, spelled).build(*CONTEXT.get(group, ()), **told)
    assert str(made) == spelled
    python = repr(made)
    assert python.startswith(type(made).__name__)
    again = resolve(group, spelled if group in CONTEXT else python)
    assert (again.cls, again.text) == (type(made), spelled)
    with pytest.raises(ConfigError, match=rf"unknown {group}.* Did you mean [^?]*'{again.name}'") as caught:
        resolve(group, again.name[:-1])
    assert "\n" not in str(caught.value)


def test_lists_show_what_is_installed(python: Callable[..., str]) -> None:
    listed = python("-m", "polytask", "methods")
    for group, spelled in OFFERED.items():
        name = spelled.partition("(")[0]
        assert f" {name} " in listed
        assert find(group, name).target in listed


def test_training_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    tasks = (resolve("task kind", "angle").build(name="wind"), pt.tasks.Regression(name="height"))

    def train(folder: str, stop: int | None = None) -> FitResult:
        names = {"balancer": "loss-power", "architecture": "scaled", "encoder": "one-layer(width=8)", "callbacks": ["step-count"]}
        training = {"epochs": 4, "batch_size": 32, "lr": 0.01, "patience": None, "threads": 1}
        return pt.fit(tasks, [table()], **names, **training, checkpoint=tmp_path / folder, stop_after_epoch=stop)  # type: ignore[arg-type]

    whole = train("whole")
    assert not train("broken", stop=2).finished
    again = train("broken")
    assert again.callback_results == whole.callback_results == {"step-count": {"steps": whole.steps}}
    assert again.history.equals(whole.history)
    assert set(whole.history["name"]) >= {"angular-error", "scale"}
    first, second = whole.model.state_dict(), again.model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@contextmanager
def killed_after(networks: int) -> Iterator[None]:
    """Within, a study is interrupted before it stores another network than so many."""
    stored: list[Path] = []

    def save(folder: Path, *rest: Any) -> None:
        if len(stored) == networks:
            raise KeyboardInterrupt
        save_network(folder, *rest)
        stored.append(folder)

    with pytest.MonkeyPatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(job_training, "save_network", save)
        yield


@pytest.mark.slow
def test_a_study_with_workers_and_one_that_was_interrupted_end_with_the_same_bytes(
    python: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source, arms = table(), ("single", "smooth-weights:loss-power(power=0.25)@scaled(start=0.5)", "nearest-row(rows=50)")
    pd.DataFrame({**{f"x{k}": source.inputs[:, k] for k in range(3)}, **source.labels}).to_csv("table.csv", index=False)
    arguments = (
        "table.csv",
        "--targets",
        "wind",
        "height",
        "--kind",
        "wind=angle",
        "--encoder",
        "one-layer(width=6)",
        "--epochs",
        "2",
        "-q",
    )
    arguments = (*arguments, "--callbacks", "step-count")
    python(
        "-m", "polytask", "study", *arguments, "--arms", ",".join(arms), "--seeds", "2", "--trials", "1", "--workers", "2", "--out", "whole"
    )
    assert read_json(Path("whole/verdict.json"))["tasks"]["wind"]["metric"] == "angular-error"

    config = checked(StudyConfig, read_yaml(Path("whole/run.yaml")) | {"workers": 1}, where="run.yaml")
    assert (config.encoder, config.arms) == ("one-layer(width=6)", arms)
    data = load_data(config)
    with killed_after(networks=3):
        pt.Study(data.sources, data.tasks, config=data.config).run("broken")
    assert not Path("broken/predictions.parquet").exists()
    pt.Study(data.sources, data.tasks, config=data.config).run("broken")
    networks = read_json(Path("whole/callbacks.json"))["networks"]
    assert len(networks) == 6
    assert all(network["results"]["step-count"]["steps"] > 0 for network in networks)
    for name in ("predictions.parquet", "verdict.json", "results.csv", "history.csv", "callbacks.json"):
        assert Path("whole", name).read_bytes() == Path("broken", name).read_bytes(), name
    answers = pt.load("whole").predict(pd.read_csv("table.csv")[["x0", "x1", "x2"]])
    assert answers["wind"].between(0, 360).all()

    monkeypatch.setattr(
        sys, "argv", ["polytask", "train", *arguments, "--balancer", "loss-power", "--architecture", "scaled", "--out", "train"]
    )
    with pytest.raises(SystemExit, match="0"):
        main()
    assert read_yaml(Path("train/run.yaml"))["balancer"] == "loss-power"
    assert len(read_json(Path("train/callbacks.json"))["networks"]) == 1


@pytest.mark.slow
def test_the_batteries_try_what_is_installed(python: Callable[..., str]) -> None:
    files = ("tests/balancing/battery", "tests/architectures/test_every_architecture.py", "tests/tasks/test_every_kind_of_task.py")
    wanted = "(loss-power or scaled or angle or has_a_row or somewhere) and not 40"
    told = python("-m", "pytest", *files, "--sweep", "-k", wanted, "-p", "no:xdist", cwd=ROOT)
    assert int(re.findall(r"(\d+) passed", told)[0]) > 80, told
