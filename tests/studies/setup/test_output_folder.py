"""The folder that a command takes: numbered without a race, resumed where it was left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from polytask.options import TrainConfig
from polytask.run_files import EnvironmentFile
from polytask.studies.setup.output_folder import numbered_folder
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
