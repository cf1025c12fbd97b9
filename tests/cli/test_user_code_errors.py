"""Errors of users' components."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from polytask.cli import app, main
from polytask.cli.user_code_errors import users_line
from polytask.registry.parsing import split_outside

MODULE = """
import torch
from polytask.encoders import Encoder

class Broken(Encoder):
    pass

def divide():
    return 1 / 0

def call_a_library():
    torch.zeros(2) @ torch.zeros(3)
"""


@pytest.mark.parametrize(("function", "line"), [("divide", 9), ("call_a_library", 12)])
def test_their_module_and_line_are_named(
    function: str, line: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken_component.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_component", raising=False)
    module = importlib.import_module("broken_component")
    monkeypatch.setattr(app, "app", lambda words: getattr(module, function)())
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == app.EXIT_USER_ERROR
    output = capsys.readouterr().err
    assert output.startswith(f"error: broken_component, line {line}: ")
    assert "bug" not in output.partition("The traceback")[0]


def test_other_errors_are_bugs_of_polytask() -> None:
    try:
        split_outside(3)  # type: ignore[arg-type]
    except TypeError as error:
        assert users_line(error) == ""
