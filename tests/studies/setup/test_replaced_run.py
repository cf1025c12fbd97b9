"""Replacement of a run: only a finished run is replaced, and it is deleted only when the other one has finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from polytask.errors import StorageError
from polytask.options import StudyConfig, TableOptions, TrainConfig, TrainingOptions
from polytask.run_files import EnvironmentFile, ModelIndex, ModelNetwork
from polytask.storage import save_state
from polytask.studies.setup.replaced_run import files_read, replaced_run
from polytask.studies.setup.run_folder import RunFolder

CONFIG = TrainConfig(source="mnist-fashion")


def begun(path: Path, config: TrainConfig = CONFIG) -> RunFolder:
    """A run that was interrupted."""
    folder = RunFolder(path)
    path.mkdir(parents=True)
    EnvironmentFile(facts={"polytask": "0"}).write(folder.environment)
    folder.write_config(config)
    return folder


def ended(path: Path) -> RunFolder:
    folder = begun(path)
    folder.model.mkdir()
    ModelIndex(networks=(ModelNetwork(folder="network-1"),)).write(folder.model / "model.json")
    save_state(folder.model / "network-1", {})
    return folder


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_a_finished_run_is_replaced_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    ended(tmp_path / "run")
    save_state(tmp_path / "run" / "checkpoints" / "race" / "arm0" / "network", {})
    save_state(tmp_path / "run" / "checkpoints" / "seed0" / "state", {})
    with replaced_run(tmp_path / "run") as aside:
        assert not names(tmp_path / "run")
        assert aside is not None
        assert (aside / "run.yaml").exists()
        (tmp_path / "run").rmdir()
        ended(tmp_path / "run")
    assert names(tmp_path) == ["run"]
    with replaced_run(tmp_path / "none") as aside:  # new
        assert aside is None
    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_run_that_does_not_begin_leaves_the_old_one(error: type[BaseException], tmp_path: Path) -> None:
    folder = ended(tmp_path / "run")
    before = content(folder.path)
    with pytest.raises(error), replaced_run(folder.path):
        EnvironmentFile(facts={"polytask": "1"}).write(folder.environment)
        raise error
    assert content(folder.path) == before
    assert names(tmp_path) == ["run"]


def test_the_old_run_stays_aside_while_the_new_one_is_unfinished(tmp_path: Path) -> None:
    folder = ended(tmp_path / "run")
    before, kept = content(folder.path), Path()
    with pytest.raises(KeyboardInterrupt), replaced_run(folder.path) as aside:
        assert aside is not None
        kept = aside
        folder.write_config(CONFIG)
        raise KeyboardInterrupt
    assert content(kept) == before
    assert names(folder.path) == ["run.yaml"]


@pytest.mark.parametrize(
    "file", ["data/precious.csv", "model/mine.csv", "model/network-1/mine.csv", "model/network-2/values.json", "checkpoints/mine.csv"]
)
def test_a_file_of_the_user_in_a_run_is_not_deleted(file: str, tmp_path: Path) -> None:
    folder = ended(tmp_path / "run")
    (folder.path / file).parent.mkdir(parents=True, exist_ok=True)
    (folder.path / file).write_text("mine")
    before = content(folder.path)
    with pytest.raises(StorageError, match=f"found {file}"), replaced_run(folder.path):
        pass
    assert content(folder.path) == before


def enter(path: Path, reads: tuple[Path, ...] = ()) -> None:
    with replaced_run(path, reads):
        pass


def own(path: Path) -> None:
    path.mkdir()
    (path / "thesis.txt").write_text("mine")


def with_own(path: Path) -> None:
    ended(path)
    (path / "thesis.txt").write_text("mine")


def disguised(path: Path) -> None:
    """Names of a run, but no run of polytask."""
    (path / "model").mkdir(parents=True)
    ModelIndex(networks=()).write(path / "model" / "model.json")
    EnvironmentFile(facts={"python": "3"}).write(path / "environment.json")


def unfinished_look(path: Path) -> None:
    folder = ended(path)
    folder.checkpoints.mkdir()
    folder.unfinished.touch()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (own, r"holds something else \(found thesis.txt\)"),
        (with_own, r"holds something else \(found thesis.txt\)"),
        (begun, "only a finished run of polytask is overwritten"),
        (unfinished_look, "only a finished run of polytask is overwritten"),
        (disguised, "only a finished run of polytask is overwritten"),
    ],
)
def test_no_other_folder_is_replaced(make: object, text: str, tmp_path: Path) -> None:
    make(tmp_path / "run")  # type: ignore[operator]
    before = content(tmp_path / "run")
    with pytest.raises(StorageError, match=text) as caught:
        enter(tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert content(tmp_path / "run") == before


def test_a_locked_run_is_not_replaced(tmp_path: Path) -> None:
    with ended(tmp_path / "run").alone():
        before = content(tmp_path / "run")
        with pytest.raises(StorageError, match="another run is using this folder"):
            enter(tmp_path / "run")
        assert content(tmp_path / "run") == before


@pytest.mark.parametrize("reads", ["table", "weights"])
def test_a_run_that_the_new_one_reads_is_not_replaced(reads: str, tmp_path: Path) -> None:
    folder = ended(tmp_path / "run")
    config = {
        "table": StudyConfig(tables={"table": TableOptions(str(folder.frame), {"a": None})}),
        "weights": TrainConfig(training=TrainingOptions(initial_weights=str(folder.model / "weights.safetensors"))),
    }[reads]
    before = content(folder.path)
    with pytest.raises(StorageError, match="reads a file in the folder"):
        enter(folder.path, files_read(config))
    assert content(folder.path) == before
