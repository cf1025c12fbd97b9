"""What tests of several processes share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest


@pytest.fixture(scope="session")
def together() -> Callable[..., Any]:
    """A context in which commands run side by side; at its end all of them must have succeeded, and none is left."""

    @contextmanager
    def running(commands: Mapping[str, Sequence[str]], seconds: float) -> Iterator[None]:
        processes = {
            name: subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for name, command in commands.items()
        }
        try:
            yield
            for name, process in processes.items():
                said, _ = process.communicate(timeout=seconds)
                assert process.returncode == 0, f"process {name}: {said[-3000:]}"
        finally:
            for process in processes.values():
                process.kill()
                process.communicate()

    return running
