"""The components of a package outside of polytask, found by their names through its entry points, in all that is done with components."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import polytask as pt
from polytask.errors import ConfigError
from polytask.registry import find
from polytask.registry.resolve import resolve
from polytask.training import FitResult

pytestmark = pytest.mark.usefixtures("installed")

OFFERED = {
    "balancer": "loss-power(power=0.25)",
    "encoder": "one-layer(width=6)",
    "architecture": "scaled(start=0.5)",
    "callback": "step-count",
    "task kind": "angle(weight=2.0)",
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


STUDY = """
import sys
from pathlib import Path
import numpy as np
import pandas as pd
import polytask as pt
from polytask.registry.resolve import resolve

def table(rows, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3)).astype("float32")
    return pt.Source("table", x, {"wind": np.rad2deg(np.arctan2(x[:, 1], x[:, 0])) % 360, "height": x[:, 2]})

def study(workers, **more):
    tasks = (resolve("task kind", "angle").build(name="wind"), pt.tasks.Regression(name="height"))
    arms = ["single", "equal", "loss-power(power=0.25)", "smooth-weights:loss-power@scaled(start=0.5)"]
    training = {"epochs": 2, "threads": 1, "checkpoint_seconds": 0}
    return pt.Study([table(160, 0)], tasks, arms, 2, test=lambda: (table(80, 1),), encoder="one-layer(width=6)", workers=workers,
                    training=training)

def stopped(progress):
    if progress.done >= 3:
        raise KeyboardInterrupt

if __name__ == "__main__":
    study(2).run("whole")
    try:
        study(1).run("broken", stopped)
    except KeyboardInterrupt:
        assert not Path("broken/predictions.parquet").exists()
        study(1).run("broken")
        print(sorted(pt.load("broken").predict(table(5, 2).inputs)))
"""


@pytest.mark.slow
def test_a_study_with_workers_and_one_that_was_interrupted_end_with_the_same_bytes(python: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(STUDY, encoding="utf-8")
    assert python("program.py") == "['height', 'wind']\n"
    for name in ("predictions.parquet", "verdict.json", "results.csv", "history.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes(), name
    written = yaml.safe_load((tmp_path / "whole" / "run.yaml").read_text(encoding="utf-8"))
    assert written["encoder"] == "one-layer(width=6)"
    assert "smooth-weights:loss-power@scaled(start=0.5)" in written["arms"]


@pytest.mark.slow
def test_commands_take_the_names(python: Callable[..., str], tmp_path: Path) -> None:
    source = table()
    pd.DataFrame({**{f"x{k}": source.inputs[:, k] for k in range(3)}, **source.labels}).to_csv(tmp_path / "table.csv", index=False)
    said = ("table.csv", "--targets", "wind", "height", "--kind", "wind=angle", "--encoder", "one-layer(width=6)", "--epochs", "2", "-q")
    python("-m", "polytask", "study", *said, "--arms", "single,loss-power@scaled", "--seeds", "2", "--workers", "2", "--out", "study")
    python("-m", "polytask", "train", *said, "--balancer", "loss-power", "--architecture", "scaled", "--out", "trained")
    python("-m", "polytask", "predict", "trained", "table.csv", "-o", "found.csv")
    assert pd.read_csv(tmp_path / "found.csv")["wind"].between(0, 360).all()
    verdict = yaml.safe_load((tmp_path / "study" / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["tasks"]["wind"]["metric"] == "angular-error"


@pytest.mark.slow
def test_the_batteries_try_what_is_installed(python: Callable[..., str]) -> None:
    files = ("tests/balancing/battery", "tests/architectures/test_every_architecture.py", "tests/tasks/test_every_kind_of_task.py")
    wanted = "loss-power or scaled or angle or has_a_row or somewhere"
    told = python("-m", "pytest", *files, "-m", "not slow", "-k", wanted, "-p", "no:xdist", cwd=ROOT)
    assert int(told.rpartition(" passed")[0].rpartition(" ")[2]) > 80, told
