"""How a run begins and goes on: with the same data and tasks, and never on what somebody else left."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import polytask.studies.run_study as study_module
import polytask.studies.setup.environment as environment_module
from polytask.data import Source
from polytask.errors import ConfigError, StorageError
from polytask.options import StudyConfig, TrainConfig, differences, make_training_options
from polytask.studies import Study, train_network
from polytask.studies.setup.run_folder import RunFolder
from polytask.tasks import Binary, Custom, Task


@pytest.fixture(scope="module")
def make(make: Callable[..., Study]) -> Callable[..., Study]:
    """A study of few networks, where nothing else is said."""
    return lambda **choices: make(**{"arms": ["single", "equal"], **choices})


@pytest.fixture
def begun(make: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a study that was interrupted before its first network."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(study_module, "train_jobs", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make().run(tmp_path / "run")
    return tmp_path / "run"


Change = Callable[[Study], None]


def _other_labels(study: Study) -> None:
    labels = dict(study.sources[0].labels)
    labels["price"] = labels["price"] + 1
    study.sources = (dataclasses.replace(study.sources[0], labels=labels),)


def _other_classes(study: Study) -> None:
    study.tasks = (study.tasks[0], Binary(name="churn", classes=("leaves", "stays")), study.tasks[2])


def _other_order(study: Study) -> None:
    study.tasks = study.tasks[::-1]


def _more_sources(study: Study) -> None:
    study.sources = (*study.sources, dataclasses.replace(study.sources[0], name="second"))


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_other_labels, r"found another source 'table'\)"),
        (_other_classes, r"found another task 'churn'\)"),
        (_other_order, "another order of sources or tasks"),
        (_more_sources, r"found another source 'second'\)"),
    ],
)
def test_a_study_goes_on_with_the_data_and_tasks_of_its_beginning(
    make: Callable[..., Study], begun: Path, change: Change, text: str
) -> None:
    study = make()
    change(study)
    before = {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=text) as caught:
        study.run(begun)
    assert "\n" not in str(caught.value)
    assert before == {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()}
    assert make().run(begun).verdict.openings == 1


def test_one_network_goes_on_with_the_data_of_its_beginning(
    table: Callable[..., Source], three_tasks: tuple[Task, ...], tmp_path: Path
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    config = TrainConfig(training={"epochs": 2, "threads": 1})  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        train_network(config, [table()], three_tasks, tmp_path / "run", progress=interrupted)
    with pytest.raises(ConfigError, match="another source 'table'"):
        train_network(config, [table(seed=5)], three_tasks, tmp_path / "run")
    assert train_network(config, [table()], three_tasks, tmp_path / "run").validation


@pytest.mark.slow
def test_other_versions_are_written_down(make: Callable[..., Study], begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = json.loads((begun / "environment.json").read_text())["torch"]
    monkeypatch.setattr(environment_module, "_package_version", lambda package: "0.0.1" if package == "torch" else "1")
    make().run(begun)
    assert f"run resumed; polytask 1, before 0.1.0; torch 0.0.1, before {now}; numpy 1, before" in (begun / "log.txt").read_text()


@pytest.mark.slow
def test_a_run_that_was_killed_at_its_very_beginning_begins_again(
    make: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(RunFolder, "write_config", killed)
        with pytest.raises(KeyboardInterrupt):
            make().run(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["environment.json"]
    assert make().run(tmp_path / "run").verdict.openings == 1


def test_what_killed_writers_left_is_removed(make: Callable[..., Study], begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remainders = [begun / ".cost.json.x1.part", begun / "checkpoints" / "job" / ".state.123.part" / "tensors.safetensors"]
    for path in remainders:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    (begun / "mine.part").write_text("whole")
    monkeypatch.setattr(study_module, "train_jobs", lambda *_: pytest.fail("enough"))
    with pytest.raises(pytest.fail.Exception, match="enough"):
        make().run(begun)
    assert not list(begun.rglob(".*.part"))
    assert (begun / "mine.part").exists()


def test_a_run_that_was_killed_while_it_wrote_its_first_file_begins_again(make: Callable[..., Study], tmp_path: Path) -> None:
    (tmp_path / ".environment.json.x1.part").write_text("half")
    assert make(arms=["single", "equal"]).run(tmp_path).verdict.openings == 1
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("content", "text"), [('{"mine": 1}', "holds something else"), ("5", "must hold a JSON object")])
def test_a_file_of_that_name_is_not_taken_for_ours(make: Callable[..., Study], tmp_path: Path, content: str, text: str) -> None:
    (tmp_path / "environment.json").write_text(content)
    with pytest.raises(StorageError, match=text):
        make().run(tmp_path)
    assert (tmp_path / "environment.json").read_text() == content


def test_one_run_at_a_time_works_in_a_folder(
    make: Callable[..., Study], tmp_path: Path, table: Callable[..., Source], three_tasks: tuple[Task, ...]
) -> None:
    refused = []

    def meddle(_: object) -> None:
        if refused:
            return
        for other in (make().run, lambda out: train_network(TrainConfig(), [table()], three_tasks, out)):
            with pytest.raises(StorageError, match="another run is using this folder") as caught:
                other(tmp_path / "run")
            refused.append(str(caught.value))

    assert make().run(tmp_path / "run", progress=meddle).verdict.openings == 1
    assert len(refused) == 2
    assert not (tmp_path / "run" / ".lock").exists()


CHOSEN: dict[str, Any] = {"max_grad_norm": 1.0, "scheduler": "ExponentialLR", "patience": 7, "initial_weights": "start.safetensors"}


@pytest.mark.parametrize("name", CHOSEN)
def test_nothing_is_a_choice_too(name: str) -> None:
    begun = StudyConfig(training=make_training_options(**{name: CHOSEN[name]}))
    requested = StudyConfig(training=make_training_options(**{name: None}))
    assert differences(requested, begun) == differences(begun, requested) == f"training.{name}"


def test_what_was_left_open_agrees_with_what_was_filled_in() -> None:
    filled = make_training_options(validation_fraction=0.2, threads=2, precision="bfloat16")
    begun = StudyConfig(encoder="mlp", workers=2, training=filled, version="0.1.0")
    assert differences(StudyConfig(), begun) == ""
    assert differences(begun, begun) == ""
    other = StudyConfig(encoder="conv", workers=1, training=make_training_options(validation_fraction=0.1, threads=1, precision="float32"))
    assert differences(other, begun) == "encoder, training.validation_fraction, training.precision, training.threads"
    assert differences(StudyConfig(size="auto"), begun) == "size"


TYPOS: dict[str, dict[str, Any]] = {
    "optimizer": {"training": {"optimizer": "Adamm"}},
    "its options": {"training": {"optimizer_options": {"speed": 1}}},
    "scheduler": {"training": {"scheduler": "Cosine"}},
    "its needs": {"training": {"scheduler": "StepLR"}},
    "freeze": {"training": {"freeze": ["trunk"]}},
    "freeze what one arm's networks have not": {"training": {"freeze": ["heads.head_price"]}},
    "freeze everything": {"training": {"freeze": ["architecture", "heads"]}},
    "weights file": {"training": {"initial_weights": "nowhere.safetensors"}},
    "weights": {"arms": ["single", "weights=1/-1/1"]},
    "encoder": {"encoder": "mlp", "encoder_options": {"width": 3}},
    "architecture": {"architecture": "hrd"},
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("case", TYPOS)
def test_a_typo_leaves_the_folder_as_it_was(make: Callable[..., Study], tmp_path: Path, case: str) -> None:
    given = TYPOS[case]
    quick = {"epochs": 1, "threads": 1}
    with pytest.raises((ConfigError, StorageError)) as caught:
        make(**given | {"training": quick | given.get("training", {})}).run(tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert set(tmp_path.rglob("*")) <= {tmp_path / "run"}, "refused before there is a folder, or with an empty one"
    make(training=quick, arms=["single", "equal"]).run(tmp_path / "run")


def test_a_typo_leaves_the_folder_of_one_network_as_it_was(
    table: Callable[..., Source], three_tasks: tuple[Task, ...], tmp_path: Path
) -> None:
    for choices in ({"training": {"optimizer": "Adamm"}}, {"balancer": "weights=-1/1/1"}):
        with pytest.raises(ConfigError):
            train_network(TrainConfig(**choices), [table()], three_tasks, tmp_path / "run")  # type: ignore[arg-type]
        assert not list((tmp_path / "run").iterdir())


def test_functions_that_workers_cannot_import_are_refused_before_anything_is_written(
    table: Callable[..., Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "losses_beside_the_script.py").write_text("def squares(outputs, targets): return (outputs[:, 0] - targets) ** 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    loss = importlib.import_module("losses_beside_the_script").squares
    price = Custom(name="price", loss=loss, metric="rmse")
    study = Study(
        [table()], [price, Binary(name="churn")], test=lambda: (table(rows=80, seed=1),), arms=["single", "equal"], seeds=2, workers=1
    )
    with pytest.raises(ConfigError, match=r"task 'price', loss: worker processes do not import .*polytask.add_import_path\('.'\)"):
        study.run(tmp_path / "run")
    assert not (tmp_path / "run" / "run.yaml").exists()
