"""Users' classes are imported from where users have put them, and from nowhere else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from polytask.errors import ConfigError
from polytask.registry.importing import add_import_path, check_importable, forget_working_folder, import_class, import_paths, safe_path


def test_a_folder_comes_last(clean: None, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit", encoding="utf-8")
    add_import_path(tmp_path)
    add_import_path(str(tmp_path))
    assert sys.path[-1] == str(tmp_path.resolve())
    assert import_paths().count(str(tmp_path.resolve())) == 1
    assert import_class("json:JSONDecoder", "test").__module__ == "json.decoder"


def test_a_folder_that_is_not_there(clean: None, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this is not a folder"):
        add_import_path(tmp_path / "nowhere")


@pytest.mark.parametrize("entry", ["", ".", "{here}"])
def test_the_working_folder_is_forgotten(clean: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    others = [path for path in sys.path if path]
    sys.path[:] = [entry.format(here=tmp_path), *others]
    assert safe_path() == others
    forget_working_folder()
    assert sys.path == others


def test_a_folder_that_the_user_has_named_stays(clean: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    others = [path for path in sys.path if path]
    sys.path[:] = [str(tmp_path), *others]
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert safe_path() == [str(tmp_path), *others]
    monkeypatch.delenv("PYTHONPATH")
    sys.path[:] = [*others, str(tmp_path)]
    assert safe_path() == [*others, str(tmp_path)], "as installed packages name folders: after the standard library"
    add_import_path(".")
    sys.path[:] = [str(tmp_path), *others]
    assert str(tmp_path) in safe_path()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("mypkg.mod:f.<locals>.Mine", "inside a function"),
        ("__main__:Mine", "of the main program"),
        ("beside_the_data:Mine", r"not import from the working folder .*add_import_path\('\.'\)"),
    ],
)
def test_what_another_process_cannot_import(clean: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, text: str) -> None:
    (tmp_path / "beside_the_data.py").write_text("class Mine: ...", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    sys.path.insert(0, "")
    with pytest.raises(ConfigError, match=text) as caught:
        check_importable(path, "arm 'mine'")
    assert "\n" not in str(caught.value)
    add_import_path(".")
    check_importable("beside_the_data:Mine", "arm 'mine'")
    check_importable("polytask.balancing.loss_based.equal:Equal", "arm 'equal'")


def test_a_module_that_fails_is_one_line(clean: None, tmp_path: Path) -> None:
    (tmp_path / "fails_at_once.py").write_text("raise RuntimeError('no\\nway')", encoding="utf-8")
    add_import_path(tmp_path)
    with pytest.raises(ConfigError, match=r"importing the module fails \(found fails_at_once:Mine: RuntimeError: no way\)") as caught:
        import_class("fails_at_once:Mine", "balancer")
    assert "\n" not in str(caught.value)
