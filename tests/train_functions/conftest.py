"""A module of a user with training functions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import polytask as pt
from polytask.registry import importing


@pytest.fixture
def trains(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module of a user, in a folder that polytask may import from."""
    monkeypatch.setattr(importing, "_folders", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    pt.add_import_path(Path(__file__).parent)
    import user_trains

    yield user_trains
    for name in [name for name in sys.modules if name.startswith("user_")]:
        del sys.modules[name]
