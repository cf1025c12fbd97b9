"""Where calls run side by side: joblib's backends, and what this project needs of each."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

from joblib import Parallel, effective_n_jobs, parallel_config
from joblib._parallel_backends import LokyBackend
from joblib.parallel import BACKENDS, get_active_backend

from polytask.errors import ConfigError, MissingExtraError, PolytaskError
from polytask.registry.importing import forget_working_folder, safe_path

THREADS, SEQUENTIAL = "threading", "sequential"
LOKY = "loky"
LOCAL_BACKENDS = (LOKY, "multiprocessing")
DASK = "dask"
SAFE_PATH = "PYTHONSAFEPATH"


@final
class Careful(LokyBackend):  # type: ignore[misc] # joblib has no types
    """joblib's processes, but that none imports from the working folder: what lies beside the data is no program."""

    def configure(self, *arguments: Any, **options: Any) -> int:  # noqa: ANN401
        """Start the processes, each of which forgets the working folder before it does anything else."""
        return int(super().configure(*arguments, **options, initializer=forget_working_folder))


@contextmanager
def no_working_folder() -> Iterator[None]:
    """Within, a Python that is started has not the working folder on its path, where a module would take the place of another.

    It may inherit its path from the environment, and loky's processes are told that of this process.
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


@dataclass(frozen=True)
class ParallelBackend:
    """Where calls run.

    Attributes:
        name: Of joblib's backend.
        workers: How many calls run at once; of a cluster, as many as it has workers now.
        backend: joblib's.
    """

    name: str
    workers: int
    backend: Any = None

    @property
    def runs_in_process(self) -> bool:
        """Whether it is this process."""
        return self.workers <= 1 and not self.is_cluster

    @property
    def is_cluster(self) -> bool:
        """Whether workers may be on other computers: whatever is no backend for the processes of this one."""
        return self.name not in (SEQUENTIAL, *LOCAL_BACKENDS)

    def parallel(self) -> Parallel:
        """What runs the calls: one by one, since networks take seconds, and the slowest must not wait behind another."""
        if not self.is_cluster:
            chosen = Careful() if self.name == LOKY else self.name
            return Parallel(n_jobs=self.workers, backend=chosen, batch_size=1, pre_dispatch="n_jobs")
        backend = self.backend
        if self.name == DASK:
            from polytask.studies.execution.dask_cluster import DaskBackend

            backend = DaskBackend.of(backend)
        return Parallel(n_jobs=-1, backend=backend, batch_size=1, pre_dispatch="all")


@contextmanager
def cluster_errors(name: str) -> Iterator[None]:
    """Turn what the cluster of a backend of that name says when it fails into one line.

    Raises:
        PolytaskError: A job has ended several workers, or the cluster has gone.
    """
    if name != DASK:
        yield
        return
    from polytask.studies.execution.dask_cluster import dask_errors

    with dask_errors():
        yield


def choose_backend(calls: int, workers: int) -> ParallelBackend:
    """Where so many calls run: on the cluster of the backend of joblib that is active, or in so many processes of this computer.

    Args:
        calls: How many there are.
        workers: Processes of this computer; a cluster has a number of its own.

    Raises:
        ConfigError: Calls would share a process with others, and with them one stream of random numbers.
        PolytaskError: A cluster without workers.

    Example:
        >>> choose_backend(3, workers=2).name, choose_backend(3, workers=2).workers, choose_backend(1, workers=2).runs_in_process
        ('loky', 2, True)
    """
    backend, _ = get_active_backend()
    name = {kind: name for name, kind in BACKENDS.items()}.get(type(backend), type(backend).__name__)
    if name == THREADS:
        if backend.nesting_level == 0:
            raise _shared_process_error("backend 'threading'", "one process", "Take processes: joblib.parallel_config(backend='loky')")
        name = LOKY  # joblib's own choice within one of its workers, nobody's wish
    if name == SEQUENTIAL:
        return ParallelBackend(name, 1)
    if name in LOCAL_BACKENDS:
        return ParallelBackend(name, min(workers, calls))
    return ParallelBackend(name, _cluster_size(name, backend), backend)


def _cluster_size(name: str, backend: Any) -> int:  # noqa: ANN401 - joblib has no types
    """How many workers a cluster has, at least one.

    Raises:
        ConfigError: Some of them share a process.
        PolytaskError: There is none, and none comes while joblib waits for one.
    """
    with cluster_errors(name):
        try:
            count = int(effective_n_jobs(-1))
        except TimeoutError:
            remedy = "Start workers; the same command goes on"
            raise PolytaskError("the cluster has no worker", where=f"backend {name!r}", remedy=remedy) from None
        for worker, found in _workers_sharing_process(name, backend).items():
            remedy = "Give every worker one thread and a process of its own: dask worker --nthreads 1"
            raise _shared_process_error(f"worker {worker}", found, remedy)
    return max(1, count)


def _workers_sharing_process(name: str, backend: Any) -> dict[str, str]:  # noqa: ANN401
    """The workers whose calls share a process with others, and how, as far as it can be known beforehand."""
    if name != DASK:
        return {}
    from polytask.studies.execution.dask_cluster import workers_sharing_process

    return workers_sharing_process(backend.client)


def _shared_process_error(where: str, found: str, remedy: str) -> ConfigError:
    return ConfigError("networks that share a process would disturb each other's random numbers", where=where, found=found, remedy=remedy)


@contextmanager
def use_cluster(address: str | None) -> Iterator[None]:
    """Within, calls run on the workers of the Dask scheduler at that address; without an address, where they ran.

    Raises:
        MissingExtraError: Dask is not installed.
        ConfigError: No scheduler answers.
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
