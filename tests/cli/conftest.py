"""What tests of the command line share."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command in this process, with these arguments: its exit code."""
    from polytask.cli import main  # here, so that the process that hands out the tests does not wait for it

    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["polytask", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return call
