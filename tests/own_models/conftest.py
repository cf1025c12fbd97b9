"""A module of a user with functions and classes that make networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def nets(own_module: Callable[[Path, str], ModuleType]) -> ModuleType:
    """A module of a user, in a folder that polytask may import from."""
    return own_module(Path(__file__).parent, "own_nets")


@pytest.fixture
def trunks(nets: ModuleType) -> ModuleType:
    """A module of a user with encoders."""
    from own_package import trunks

    return trunks
