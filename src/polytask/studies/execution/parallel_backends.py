"""Backends of joblib for parallel calls, with the changes that this library needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import util
from typing import Any, final

from joblib import Parallel, effective_n_jobs, parallel_config
from joblib._parallel_backends import LokyBackend
from joblib.externals.loky.backend import resource_tracker
from joblib.parallel import BACKENDS, get_active_backend

from polytask.errors import ConfigError, MissingExtraError, PolytaskError
from polytask.registry.importing import import_paths, safe_path, start_worker

THREADS, SEQUENTIAL = "threading", "sequential"
LOKY = "loky"
LOCAL_BACKENDS = (LOKY, "multiprocessing")
DASK = "dask"
SAFE_PATH = "PYTHONSAFEPATH"


@final
class WorkerBackend(LokyBackend):  # type: ignore[misc] # joblib has no types
    """joblib's loky backend whose processes do not import from the working directory: Python files next to data must not be run."""

    def configure(self, *arguments: Any, **options: Any) -> int:  # noqa: ANN401
        """Start the processes, or reuse those that know the same folders; each first takes over this process's folders of components."""
        start_resource_tracker()
        return int(super().configure(*arguments, **options, initializer=start_worker, initargs=(os.getpid(), import_paths())))


@contextmanager
def no_working_folder() -> Iterator[None]:
    """Keep the working directory off the import path of Python processes that are started within the context.

    A file in the working directory could otherwise shadow a module. New processes may get their path from the environment, and loky's
    processes get that of this process, so both are changed.
    """
    before, paths = os.environ.get(SAFE_PATH), list(sys.path)
    os.environ[SAFE_PATH] = "1"
    sys.path[:] = safe_path()
    try:
        yield
    finally:
        sys.path[:] = [*paths, *(path for path in sys.path if path not in paths)]
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


def start_resource_tracker() -> None:
    """Start loky's resource tracker, unless it runs: the process that removes semaphores and folders whose owners have died.

    It gets a process group of its own. Otherwise a SIGKILL to the whole group of a command, as from a job scheduler, ends it too, and what
    it should remove stays in /dev/shm.
    """
    ordinary = util.spawnv_passfds
    if hasattr(os, "posix_spawn"):
        util.spawnv_passfds = _spawn_apart
    try:
        resource_tracker.ensure_running()
    finally:
        util.spawnv_passfds = ordinary


def _spawn_apart(path: bytes, args: Sequence[Any], passfds: Sequence[int]) -> int:
    """Start a process in a process group of its own, which gets the given open files."""
    before = {handle: os.get_inheritable(handle) for handle in passfds}
    try:
        for handle in passfds:
            os.set_inheritable(handle, True)  # noqa: FBT003 - that is its signature
        return os.posix_spawn(path, list(args), os.environ, setpgroup=0)
    finally:
        for handle, inheritable in before.items():
            os.set_inheritable(handle, inheritable)


@dataclass(frozen=True)
class ParallelBackend:
    """Backend that runs calls.

    Attributes:
        name: joblib's name of the backend.
        workers: Number of calls that run at once; for a cluster its present number of workers.
        backend: joblib's backend object for a cluster, otherwise `None`.
    """

    name: str
    workers: int
    backend: Any = None

    @property
    def runs_in_process(self) -> bool:
        """Whether calls run in this process."""
        return self.workers <= 1 and not self.is_cluster

    @property
    def is_cluster(self) -> bool:
        """Whether workers may be on other computers: true for every backend that is not known to be local."""
        return self.name not in (SEQUENTIAL, *LOCAL_BACKENDS)

    def parallel(self) -> Parallel:
        """Return the joblib object that runs the calls.

        Calls are not batched: each takes seconds, and a slow one must not wait in a batch behind another.
        """
        if not self.is_cluster:
            chosen = WorkerBackend() if self.name == LOKY else self.name
            return Parallel(n_jobs=self.workers, backend=chosen, batch_size=1, pre_dispatch="n_jobs")
        backend = self.backend
        if self.name == DASK:
            from polytask.studies.execution.dask_cluster import DaskBackend

            backend = DaskBackend.of(backend)
        return Parallel(n_jobs=-1, backend=backend, batch_size=1, pre_dispatch="all")


@contextmanager
def cluster_errors(name: str) -> Iterator[None]:
    """Convert the errors of a cluster with this backend name to errors of polytask.

    Raises:
        PolytaskError: A job killed several workers, or the connection to the cluster is lost.
    """
    if name != DASK:
        yield
        return
    from polytask.studies.execution.dask_cluster import dask_errors

    with dask_errors():
        yield


def choose_backend(calls: int, workers: int) -> ParallelBackend:
    """Choose the backend for parallel calls: the cluster of joblib's active backend, otherwise processes of this computer.

    Args:
        calls: Number of calls.
        workers: Number of processes of this computer; ignored for a cluster.

    Raises:
        ConfigError: Several calls would share a process, and so its random generator.
        PolytaskError: The cluster has no worker.

    Example:
        >>> choose_backend(3, workers=2).name, choose_backend(3, workers=2).workers, choose_backend(1, workers=2).runs_in_process
        ('loky', 2, True)
    """
    backend, _ = get_active_backend()
    name = {kind: name for name, kind in BACKENDS.items()}.get(type(backend), type(backend).__name__)
    if name == THREADS:
        if backend.nesting_level == 0:
            raise _shared_process_error("backend 'threading'", "one process", "Use processes: joblib.parallel_config(backend='loky')")
        name = LOKY  # a nested level, where joblib itself chooses threads, not the user
    if name == SEQUENTIAL:
        return ParallelBackend(name, 1)
    if name in LOCAL_BACKENDS:
        return ParallelBackend(name, min(workers, calls))
    return ParallelBackend(name, _cluster_size(name, backend), backend)


def _cluster_size(name: str, backend: Any) -> int:  # noqa: ANN401 - joblib has no types
    """Return the number of workers of a cluster, at least one.

    Raises:
        ConfigError: A worker shares a process with others, or has several threads.
        PolytaskError: There is no worker, and none starts while joblib waits for one.
    """
    with cluster_errors(name):
        try:
            count = int(effective_n_jobs(-1))
        except TimeoutError:
            remedy = "Start workers and run the same command again"
            raise PolytaskError("the cluster has no worker", where=f"backend {name!r}", remedy=remedy) from None
        for worker, found in _workers_sharing_process(name, backend).items():
            remedy = "Start every worker as a separate process with one thread: dask worker --nthreads 1"
            raise _shared_process_error(f"worker {worker}", found, remedy)
    return max(1, count)


def _workers_sharing_process(name: str, backend: Any) -> dict[str, str]:  # noqa: ANN401
    """Return the workers whose calls share a process, with a phrase that says how, as far as the backend tells."""
    if name != DASK:
        return {}
    from polytask.studies.execution.dask_cluster import workers_sharing_process

    return workers_sharing_process(backend.client)


def _shared_process_error(where: str, found: str, remedy: str) -> ConfigError:
    return ConfigError("networks must not share a process and its random numbers", where=where, found=found, remedy=remedy)


@contextmanager
def use_cluster(address: str | None) -> Iterator[None]:
    """Run calls within the context on the workers of the Dask scheduler at this address; `None` changes nothing.

    Raises:
        MissingExtraError: Dask is not installed.
        ConfigError: No scheduler answers at the address.
    """
    if address is None:
        yield
        return
    try:
        from polytask.studies.execution.dask_cluster import dask_client
    except ImportError:
        raise MissingExtraError("a cluster needs Dask", where=f"cluster {address}", remedy="pip install 'polytask[dask]'") from None
    with dask_client(address) as client, parallel_config(backend=DASK, client=client):
        yield
