"""The folder that a command takes: numbered without a race, resumed where it was left, replaced only where it is a finished run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from polytask.errors import StorageError
from polytask.options import StudyConfig, TableOptions, TrainConfig, TrainingOptions
from polytask.run_files import EnvironmentFile
from polytask.studies.setup.output_folder import numbered_folder, replace_finished
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
    (folder.model / "model.json").write_text("{}")
    return folder


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def taken(base: Path, config: TrainConfig = CONFIG) -> str:
    with numbered_folder(base, config) as path:
        (path / "log.txt").touch()
    return path.name


def test_the_first_free_number_is_taken(tmp_path: Path) -> None:
    ended(tmp_path / "runs" / "demo")
    (tmp_path / "runs" / "demo-2").write_text("a file of the user")
    (tmp_path / "runs" / "demo-3").mkdir()  # another command may just have created it
    (tmp_path / "runs" / "demo-5").mkdir()
    assert [taken(tmp_path / "runs" / "demo") for _ in range(3)] == ["demo-4", "demo-6", "demo-7"]
    assert taken(tmp_path / "new" / "demo") == "demo"


def test_the_same_command_goes_on_and_another_one_does_not(tmp_path: Path) -> None:
    ended(tmp_path / "demo")
    begun(tmp_path / "demo-2")
    assert taken(tmp_path / "demo", TrainConfig(source="mnist-fashion", seed=1)) == "demo-3"
    assert taken(tmp_path / "demo") == "demo-2"
    with RunFolder(tmp_path / "demo-2").alone():
        assert taken(tmp_path / "demo") == "demo-4"


def test_a_run_that_fails_before_it_writes_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), numbered_folder(tmp_path / "demo", CONFIG):
        _ = 1 / 0
    assert not list(tmp_path.iterdir())


def test_commands_at_the_same_time_get_different_folders(tmp_path: Path) -> None:
    start, end = Barrier(12), Barrier(12)

    def run(_: int) -> str:
        start.wait()
        with numbered_folder(tmp_path / "demo", CONFIG) as path:
            end.wait()
        return path.name

    with ThreadPoolExecutor(12) as pool:
        names = list(pool.map(run, range(12)))
    assert set(names) == {"demo", *(f"demo-{number}" for number in range(2, 13))}


def test_a_finished_run_is_replaced_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    ended(tmp_path / "run")
    replace_finished(tmp_path / "run", CONFIG)
    assert not list((tmp_path / "run").iterdir())
    replace_finished(tmp_path / "run", CONFIG)  # empty
    replace_finished(tmp_path / "none", CONFIG)  # new
    assert not (tmp_path / "none").exists()


def own(path: Path) -> None:
    path.mkdir()
    (path / "thesis.txt").write_text("mine")


def with_own(path: Path) -> None:
    ended(path)
    (path / "thesis.txt").write_text("mine")


def disguised(path: Path) -> None:
    """Names of a run, but no run of polytask."""
    (path / "model").mkdir(parents=True)
    (path / "model" / "model.json").write_text("{}")
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
        replace_finished(tmp_path / "run", CONFIG)
    assert "\n" not in str(caught.value)
    assert content(tmp_path / "run") == before


def test_a_locked_run_is_not_replaced(tmp_path: Path) -> None:
    with ended(tmp_path / "run").alone():
        before = content(tmp_path / "run")
        with pytest.raises(StorageError, match="another run is using this folder"):
            replace_finished(tmp_path / "run", CONFIG)
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
        replace_finished(folder.path, config)
    assert content(folder.path) == before
