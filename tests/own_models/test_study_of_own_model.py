"""A whole study of a user's own network: bytes, workers, interruptions, repeats, saved models, and the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.datasets import load_dataset
from polytask.errors import ConfigError
from polytask.options import StudyConfig, TrainConfig, checked
from polytask.storage import read_yaml
from polytask.studies import Study, StudyResult
from polytask.studies.setup.apply_preset import with_preset

TASKS = (pt.tasks.Regression(name="sum"), pt.tasks.Regression(name="first"))
MEASURED = ("parameters", "shared_parameters", "multiply_adds", "saved_multiply_adds")
FILES = ("predictions.parquet", "verdict.json", "history.csv")


def table(rows: int = 80, seed: int = 0) -> pt.Source:
    x = np.random.default_rng(seed).normal(size=(rows, 3)).astype("float32")
    return pt.Source("toy", x, {"sum": x.sum(1), "first": x[:, 0]})


def study(**choices: Any) -> Study:
    training = {"epochs": 2, "patience": None, "batch_size": 32, "threads": 1, "checkpoint_seconds": 0.0}
    given = {"arms": ["single", "cagrad"], "seeds": 2, "workers": 1, "training": training, **choices}
    return Study([table()], TASKS, test=lambda: (table(40, 1),), **({"config": choices["config"]} if "config" in choices else given))


def same_bytes(first: StudyResult, second: StudyResult) -> bool:
    return all((first.folder / name).read_bytes() == (second.folder / name).read_bytes() for name in FILES)


@pytest.mark.slow
def test_the_same_bytes_as_the_network_of_polytask(nets: ModuleType, tmp_path: Path) -> None:
    """A hand-written network that starts from the built-in one's weights is trained to the same predictions, bit for bit."""
    sources, tasks = load_dataset("mnist-fashion", "sample")
    small = [source.take(np.arange(64)) for source in sources]
    held_out = tuple(source.take(np.arange(200, 224)) for source in sources)
    given: dict[str, Any] = {"arms": ["single", "equal"], "seeds": 2, "workers": 1, "test": lambda: held_out}
    training = {"epochs": 1, "batch_size": 32, "threads": 1}
    built, own = (
        Study(small, tasks, training=training, model=model, **given).run(tmp_path / name)
        for name, model in (("built", None), ("own", nets.like_built_in))
    )
    assert (built.folder / "predictions.parquet").read_bytes() == (own.folder / "predictions.parquet").read_bytes()
    theirs, ours = (result.costs["equal"] for result in (built, own))
    assert all(getattr(theirs, name) == getattr(ours, name) for name in MEASURED)


@pytest.mark.slow
def test_a_study_is_resumed_repeated_and_loaded(nets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = study(model=nets.Fragile).run(tmp_path / "whole")
    monkeypatch.setattr(nets.Fragile, "last", 2 * nets.Fragile.passes // 3)
    monkeypatch.setattr(nets.Fragile, "passes", 0)
    with pytest.raises(KeyboardInterrupt):
        study(model=nets.Fragile).run(tmp_path / "resumed")
    monkeypatch.setattr(nets.Fragile, "last", 10**9)
    assert same_bytes(whole, study(model="own_nets:Fragile").run(tmp_path / "resumed"))

    written = read_yaml(tmp_path / "whole" / "run.yaml")
    assert written["model"] == "own_nets:Fragile"
    with pytest.raises(ConfigError, match=r"model: import paths .* not followed \(found own_nets:Fragile\).*--allow-imports"):
        checked(StudyConfig, written, where="run.yaml")
    config = checked(StudyConfig, written, where="run.yaml", imports=True)
    assert same_bytes(whole, study(config=config).run(tmp_path / "repeated"))

    missing = "are not followed (found own_nets:Fragile). If you trust it, give what it needs: components=[Fragile]"
    with pytest.raises(ConfigError, match=re.escape(missing)):
        pt.load(tmp_path / "whole")
    rows = table(10, 2)
    found = pt.load(tmp_path / "whole", components=[nets.Fragile]).predict(rows.inputs)
    assert np.corrcoef(found["first"], rows.labels["first"])[0, 1] > 0.1
    monkeypatch.setattr(nets.Fragile, "forward", nets.Single.forward)
    assert pt.load(tmp_path / "whole", components=[nets.Fragile])  # another function that computes the same
    monkeypatch.setattr(nets.Fragile, "forward", nets.Doubled.forward)
    with pytest.raises(ConfigError, match=r"the model is not the one that trained these weights \(found an output of \w+ that was "):
        pt.load(tmp_path / "whole", components=[nets.Fragile])
    monkeypatch.setattr(nets.Table.__init__, "__defaults__", (0, 5))
    with pytest.raises(ConfigError, match=r"the weights do not fit the network that is made now \(found size mismatch"):
        pt.load(tmp_path / "whole", components=[nets.Fragile])


def test_a_study_is_not_resumed_with_another_model(nets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nets.Fragile, "last", 60)
    monkeypatch.setattr(nets.Fragile, "passes", 0)
    with pytest.raises(KeyboardInterrupt):
        study(model=nets.Fragile).run(tmp_path / "run")
    monkeypatch.setattr(nets.Fragile, "forward", nets.Doubled.forward)
    with pytest.raises(ConfigError, match=r"this run was started with another model \(found an output of .* Restore the code"):
        study(model=nets.Fragile).run(tmp_path / "run")


@pytest.mark.slow
def test_two_workers_write_the_same_bytes(nets: ModuleType, tmp_path: Path) -> None:
    one, two = (study(model=nets.Table, workers=workers).run(tmp_path / str(workers)) for workers in (1, 2))
    assert same_bytes(one, two)


def test_gradients_are_compared_in_a_model_of_ones_own(nets: ModuleType, tmp_path: Path) -> None:
    given: dict[str, Any] = {"model": nets.Table, "seeds": 1, "epochs": 2, "batch_size": 16, "threads": 1, "workers": 1}
    related = pt.relate([table()], TASKS, out=tmp_path / "related", measures=["cosine"], measure_every=1, **given)
    assert -1 <= related.relations["cosine"].mean[0, 1] <= 1
    with pytest.raises(ConfigError, match=r"measures: a model of your own does not tell its heads .*\(found similarity\)"):
        pt.relate([table()], TASKS, measures=["similarity"], **given)


@pytest.mark.slow
def test_tasks_are_grouped_in_networks_of_ones_own(nets: ModuleType) -> None:
    x = np.random.default_rng(0).normal(size=(120, 3)).astype("float32")
    whole = pt.Source("toy", x, {"sum": x.sum(1), "mean": x.mean(1), "first": x[:, 0]})
    source, test = whole.take(np.arange(80)), whole.take(np.arange(80, 120))
    tasks = tuple(pt.tasks.Regression(name=name) for name in source.tasks)
    few: dict[str, Any] = {"seeds": 2, "epochs": 2, "batch_size": 16, "threads": 1, "workers": 1}
    arms = ["single", "grouped(groups=2)", "equal"]
    result = pt.study([source], tasks, test=lambda: (test,), model=nets.Table, arms=arms, **few)
    assert "equal" in result.verdict.tasks["sum"].arms


@pytest.fixture
def exit_code(nets: ModuleType, call: Callable[..., int]) -> Callable[..., int]:
    """The command, after the user's modules may be imported."""
    return call


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A small table in a file."""
    path, x = tmp_path / "rows.csv", table().inputs
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "sum": x.sum(1), "first": x[:, 0] ** 2}).to_csv(path, index=False)
    return path


FOLDER = ["--import-path", str(Path(__file__).parent)]


def test_the_command_line_trains_and_predicts(
    exit_code: Callable[..., int], rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "out.csv"
    options = ["--targets", "sum", "first", "--epochs", "1", "--threads", "1", "--model", "own_nets:Table", "-q", "--out", str(run)]
    assert exit_code("train", str(rows), *options, *FOLDER) == 0
    assert exit_code("predict", str(run), str(rows), "--out", str(out)) == 2
    assert "--component own_nets:Table on the command line" in " ".join(capsys.readouterr().err.split())
    assert exit_code("predict", str(run), str(rows), "--out", str(out), "--component", "own_nets:Table", *FOLDER) == 0
    assert pd.read_csv(out).columns.tolist() == ["sum", "first"]


@pytest.mark.parametrize("config", [StudyConfig, TrainConfig])
def test_the_resolved_options_of_a_table_are_accepted_again(nets: ModuleType, config: type[StudyConfig | TrainConfig]) -> None:
    requested = config(model="own_nets:Table", tables={"rows": {"file": "rows.csv", "targets": {"sum": None}}})
    resolved = with_preset(requested, [table()], TASKS)
    assert checked(config, resolved.model_dump(mode="json"), where="run.yaml", imports=True) == resolved


@pytest.mark.slow
def test_a_study_of_a_table_is_resumed_repeated_and_continued(
    exit_code: Callable[..., int], nets: ModuleType, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ["--preset", "quick", "--epochs", "1", "--threads", "1", "--workers", "1", "-q"]
    words = ["study", str(rows), "--targets", "sum", "first", "--model", "own_nets:Fragile", "--arms", "single,equal", *few, *FOLDER]
    assert exit_code(*words, "--seeds", "2", "--out", str(tmp_path / "whole")) == 0
    monkeypatch.setattr(nets.Fragile, "last", 2 * nets.Fragile.passes // 3)
    monkeypatch.setattr(nets.Fragile, "passes", 0)
    assert exit_code(*words, "--seeds", "2", "--out", str(tmp_path / "resumed")) == 130
    monkeypatch.setattr(nets.Fragile, "last", 10**9)
    assert exit_code(*words, "--seeds", "2", "--out", str(tmp_path / "resumed")) == 0
    again = ["study", str(tmp_path / "whole" / "run.yaml"), "--allow-imports", "-q", *FOLDER]
    assert exit_code(*again, "--out", str(tmp_path / "repeated")) == 0
    whole, *others = ((tmp_path / name / "predictions.parquet").read_bytes() for name in ("whole", "resumed", "repeated"))
    assert others == [whole, whole]
    assert exit_code(*words, "--continue", "1", "--out", str(tmp_path / "whole")) == 0
    assert len(read_yaml(tmp_path / "whole" / "run.yaml")["seeds"]) == 3
