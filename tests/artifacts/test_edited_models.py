"""A model that somebody has edited, with a manifest that matches: refused in one line, or a value is another one."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import polytask as pt
from polytask.errors import ConfigError, PolytaskError, StorageError

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "edited_models.py"


pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="benchmarks are no part of the source archive")


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The program that makes edits by the hundred."""
    spec = importlib.util.spec_from_file_location("edited_models", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(program: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run folder, and its table."""
    run, table = program.made_run(tmp_path_factory.mktemp("edited"))
    return run, table


def rewritten(program: ModuleType, run: Path, change: Callable[[Any], None], name: str = "network-1/values.json") -> None:
    file = run / "model" / name
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    program.write_manifest(run / "model" / "network-1")


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_drawn_edits_never_end_in_another_error(program: ModuleType, made: tuple[Path, Path], seed: int, tmp_path: Path) -> None:
    run, table = made
    found = []
    for number in range(25):
        edited = tmp_path / str(number)
        shutil.copytree(run, edited)
        what = program.edit_run(edited, random.Random(f"{seed}, {number}"))
        found.append((program.outcome(edited, table, ""), what))
    assert [(end, what) for end, what in found if end not in ("refused", "changed")] == []
    assert any(end == "refused" for end, _ in found)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda values: values["normalizations"]["table"].update(mean=[0.0, 1.0], deviation=[1.0, 1.0]),
            "one value per channel or feature",
        ),
        (lambda values: values["normalizations"]["table"].update(deviation=[1.0]), "same length"),
        (lambda values: values["normalizations"]["table"]["deviation"].__setitem__(0, 0.0), "greater than 0"),
        (lambda values: values["plan"].update(hidden=[1] * 100_000), "at most 1000 items"),
        (lambda values: values["plan"].update(hidden=[60_000, 60_000]), "weights for"),
        (lambda values: values["plan"].update(architecture="mmoe(experts=50)"), "weights for"),
        (lambda values: values["plan"].update(input_shape=[10**6, 10**6]), "an input may have at most"),
        (lambda values: values["tasks"].append(values["tasks"][0]), "a name of its own"),
        (lambda values: values.update(weights={"x": 1.0}), "weights must be tensors"),
    ],
)
def test_sizes_are_compared_before_anything_is_allocated(
    program: ModuleType, made: tuple[Path, Path], change: Callable[[Any], None], text: str, tmp_path: Path
) -> None:
    shutil.copytree(made[0], tmp_path / "run")
    rewritten(program, tmp_path / "run", change)
    with pytest.raises((StorageError, ConfigError), match=text):
        pt.load(tmp_path / "run")


@pytest.mark.parametrize("name", ["..", ".", "../model/network-1", "/etc", "", "network-1\n", "a/b"])
def test_no_path_leaves_the_folder_of_the_model(program: ModuleType, made: tuple[Path, Path], name: str, tmp_path: Path) -> None:
    shutil.copytree(made[0], tmp_path / "run")
    rewritten(program, tmp_path / "run", lambda index: index["networks"][0].update(folder=name), "model.json")
    with pytest.raises(StorageError, match="must lie next to its index"):
        pt.load(tmp_path / "run")


def test_an_import_path_in_any_field_imports_nothing(
    program: ModuleType, made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module of the path would be found, and leaves a file when it is imported."""
    (tmp_path / "hostile.py").write_text("from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\nclass Hostile: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for file in ("network-1/values.json", "model.json"):
        content = json.loads((made[0] / "model" / file).read_text())
        fields = {tuple(part for part in path if isinstance(part, str)): path for path in program.places(content)}
        for number, path in enumerate(path for path in fields.values() if path and path[0] != "facts"):
            run = tmp_path / f"{file[:3]}{number}"
            shutil.copytree(made[0], run)

            def name_the_class(values: Any, path: tuple[Any, ...] = path) -> None:
                for part in path[:-1]:
                    values = values[part]
                values[path[-1]] = "hostile:Hostile"

            rewritten(program, run, name_the_class, file)
            try:
                pt.load(run)
            except PolytaskError as error:
                assert "\n" not in str(error)
            shutil.rmtree(run)
    assert not (tmp_path / "hostile.ran").exists()
    assert "hostile" not in sys.modules
