"""Calls in worker processes, which ignore SIGINT, exit when their parent dies, and run one call at a time."""

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
"""Serializes calls: networks use PyTorch's global random generator, and set the number of threads of the process."""


@dataclass(frozen=True)
class WorkerCall(Generic[ResultT]):
    """A call for a worker, as a single object.

    Dask would store large arguments that are passed one by one on a worker, and lose them together with the worker.

    Attributes:
        function: Function to call.
        values: Positional arguments of the function.
        parent: Identifier of the process that needs the result.
        versions: Package versions that the worker must have; empty for processes of the same computer, which have the same anyway.
        components: Components registered in the parent process.
        folders: Folders from which the parent process allows components to be imported.
    """

    function: Callable[..., ResultT]
    values: tuple[Any, ...]
    parent: int
    versions: Mapping[str, str] = field(default_factory=dict)
    components: tuple[ComponentSpec, ...] = field(default_factory=registrations)
    folders: tuple[str, ...] = field(default_factory=import_paths)


def run_in_worker(call: WorkerCall[ResultT]) -> ResultT:
    """Run the call in the present process or thread.

    Raises:
        ConfigError: This worker has other package versions than the process that needs the result.
    """
    # Only for child processes: the cluster handles the signals of its own workers, which keep running for other clients.
    if os.getppid() == call.parent and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; only the parent handles it
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
        where, remedy = f"worker on {socket.gethostname()}", "Install the same versions on all workers"
        raise ConfigError("this worker has other package versions", where=where, found="; ".join(different), remedy=remedy)


@cache
def _exit_with_parent(parent: int) -> None:
    """Exit this process when its parent has ended, since a parent that is killed cannot stop its workers.

    A worker that outlived its parent would write into a folder that another run may use by then.
    """
    threading.Thread(target=_poll_parent, args=(parent,), daemon=True).start()


def _poll_parent(parent: int) -> None:
    # On POSIX, orphans get another parent; elsewhere, the identifier of the parent disappears.
    while os.getppid() == parent and psutil.pid_exists(parent):
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)
