"""Schema of callbacks.json: the results of callbacks."""

from __future__ import annotations

from typing import Any

from polytask.run_files.base import FileSection, RunFile


class CallbackRecord(FileSection):
    """Results of the callbacks of one network.

    Attributes:
        arm: Name of the arm.
        seed: Seed of the network.
        tasks: Tasks of the network.
        results: Results by name of the callback.
    """

    arm: str
    seed: int
    tasks: tuple[str, ...]
    results: dict[str, Any]


class CallbackFile(RunFile):
    """Content of callbacks.json: one entry per network."""

    networks: tuple[CallbackRecord, ...] = ()
