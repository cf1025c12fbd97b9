"""Every dependency has a lower bound, which `tools/lowest_versions.py` installs."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tools" / "lowest_versions.py"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="tools are no part of the source archive")


def test_every_dependency_has_a_lower_bound() -> None:
    spec = importlib.util.spec_from_file_location("lowest_versions", PROGRAM)
    assert spec is not None and spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    found = program.lowest_requirements(lines)
    assert len(found) == len(lines) - len(program.KEPT) and all("==" in line for line in found)
    with pytest.raises(ValueError, match="'numpy' has no lower bound"):
        program.lowest_requirements(["numpy"])
