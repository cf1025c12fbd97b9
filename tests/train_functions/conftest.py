"""A module of a user with training functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def trains(own_module: Callable[[Path, str], ModuleType]) -> ModuleType:
    """A module of a user, in a folder that polytask may import from."""
    return own_module(Path(__file__).parent, "user_trains")
