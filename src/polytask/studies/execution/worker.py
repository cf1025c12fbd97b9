"""The manners of a worker: its parent answers Ctrl-C, and without a parent it ends; it makes one call at a time."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, TypeVar

import psutil

from polytask.errors import ConfigError
from polytask.registry import ComponentSpec, add_import_path
from polytask.registry.importing import import_paths
from polytask.registry.registered import registrations, take_over
from polytask.studies.setup.environment import package_versions

ResultT = TypeVar("ResultT")

PARENT_POLL_SECONDS = 0.2

_CALL_LOCK = threading.RLock()
"""Networks draw from PyTorch's one stream of random numbers of a process, and set its number of threads."""


@dataclass(frozen=True)
class WorkerCall(Generic[ResultT]):
    """A call for a worker, in one piece: of the loose arguments of a call, Dask would keep large ones on a worker, and lose them with it.

    Attributes:
        function: What is called.
        values: With what.
        parent: The process that wants the result.
        versions: Of packages that the worker must have; those of a process of the same computer are the same anyway.
        components: What the other process has registered.
        folders: From which it lets components be imported.
    """

    function: Callable[..., ResultT]
    values: tuple[Any, ...]
    parent: int
    versions: Mapping[str, str] = field(default_factory=dict)
    components: tuple[ComponentSpec, ...] = field(default_factory=registrations)
    folders: tuple[str, ...] = field(default_factory=import_paths)


def run_in_worker(call: WorkerCall[ResultT]) -> ResultT:
    """Make the call, in whatever process or thread this is.

    Raises:
        ConfigError: This worker has other versions than the process that wants the result.
    """
    # Elsewhere, signals are the cluster's business, and its workers go on for others.
    if os.getppid() == call.parent and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
        _exit_with_parent(call.parent)
    _check_versions(call.versions)
    for folder in call.folders:
        add_import_path(folder)
    take_over(call.components)
    with _CALL_LOCK:
        return call.function(*call.values)


def _check_versions(wanted: Mapping[str, str]) -> None:
    own = package_versions() if wanted else {}
    different = [f"{name} {own[name]}, not {version}" for name, version in wanted.items() if own[name] != version]
    if different:
        where, remedy = f"worker on {socket.gethostname()}", "Install the same versions everywhere"
        raise ConfigError("this worker has other versions", where=where, found="; ".join(different), remedy=remedy)


@cache
def _exit_with_parent(parent: int) -> None:
    """End this process when its parent has ended, as one that was killed does without telling its workers.

    A worker that outlived it would write into a folder that another run may hold by then.
    """
    threading.Thread(target=_poll_parent, args=(parent,), daemon=True).start()


def _poll_parent(parent: int) -> None:
    # POSIX gives orphans another parent; elsewhere the number disappears.
    while os.getppid() == parent and psutil.pid_exists(parent):
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)
