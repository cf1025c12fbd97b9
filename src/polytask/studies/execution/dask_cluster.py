"""Dask backend for studies on a cluster; imported only when Dask is used."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, final

from distributed import Client, KilledWorker
from distributed.comm import CommClosedError, get_address_host_port
from joblib._dask import DaskDistributedBackend

from polytask.errors import ConfigError, PolytaskError

SECONDS_TO_CONNECT = 10


@final
class DaskBackend(DaskDistributedBackend):  # type: ignore[misc]
    """joblib's Dask backend that also uses a cluster with a single worker.

    With one worker that has one thread, joblib would run all calls in this process, even if more workers join the cluster later.
    """

    @classmethod
    def of(cls, backend: DaskDistributedBackend) -> DaskBackend:
        """Create a backend with the workers of another one."""
        return cls(client=backend.client, wait_for_workers_timeout=backend.wait_for_workers_timeout, **backend.submit_kwargs)

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Return the number of parallel calls, at least two, so that joblib never runs the calls in this process."""
        return max(2, int(DaskDistributedBackend.effective_n_jobs(self, n_jobs)))


def workers_sharing_process(client: Any) -> dict[str, str]:  # noqa: ANN401 - Dask has no types
    """Return the workers whose calls share a process, with a phrase that says how."""
    threads = client.nthreads()
    within = {worker: "a thread of this process" for worker in threads if worker.startswith("inproc:")}
    return within | {worker: f"{count} threads" for worker, count in threads.items() if count > 1}


@contextmanager
def dask_client(address: str) -> Iterator[Any]:
    """Connect to the scheduler at this address within the context; its calls are released at the end.

    Raises:
        ConfigError: No scheduler answers at the address.
    """
    log = logging.getLogger("distributed.client")
    level = log.level
    log.setLevel(logging.CRITICAL)  # errors are raised with one-line messages instead
    try:
        with _client(address) as client:
            yield client
    finally:
        log.setLevel(level)


def _client(address: str) -> Any:  # noqa: ANN401
    try:
        get_address_host_port(address)  # validate first: with an invalid address, `Client` would be half created and slow to close
        return Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        remedy = "Give the address that the scheduler prints, e.g. tcp://host:8786"
        found = str(error).splitlines()[0]
        raise ConfigError("no Dask scheduler answers at this address", where=f"cluster {address}", found=found, remedy=remedy) from None


@contextmanager
def dask_errors() -> Iterator[None]:
    """Convert Dask's errors to errors of polytask.

    Raises:
        PolytaskError: A job killed several workers, or the connection to the cluster is lost.
    """
    remedy = "Finished networks are kept, and the same command resumes the run"
    try:
        yield
    except KilledWorker as error:
        what = "a job killed several workers, most likely for lack of memory"
        raise PolytaskError(what, where="cluster", found=f"last on {error.last_worker.address}", remedy=remedy) from None
    except (CancelledError, CommClosedError) as error:
        raise PolytaskError("the connection to the cluster is lost", where="cluster", found=type(error).__name__, remedy=remedy) from None
