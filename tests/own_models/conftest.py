"""A module of a user with functions and classes that make networks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import polytask as pt
from polytask.registry import importing


@pytest.fixture
def nets(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module of a user, in a folder that polytask may import from."""
    monkeypatch.setattr(importing, "_folders", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    pt.add_import_path(Path(__file__).parent)
    import own_nets

    yield own_nets
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


@pytest.fixture
def trunks(nets: ModuleType) -> ModuleType:
    """A module of a user with encoders."""
    from own_package import trunks

    return trunks
