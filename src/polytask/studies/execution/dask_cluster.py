"""Dask's part in running studies on a cluster; imported where Dask is used."""

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
    """joblib's backend, but that the last worker of a cluster works too.

    Where there is one worker with one thread, joblib would make all calls in this process, also those that workers who come later could do.
    """

    @classmethod
    def of(cls, backend: DaskDistributedBackend) -> DaskBackend:
        """The same workers."""
        return cls(client=backend.client, wait_for_workers_timeout=backend.wait_for_workers_timeout, **backend.submit_kwargs)

    def effective_n_jobs(self, n_jobs: int) -> int:
        """At least two."""
        return max(2, int(DaskDistributedBackend.effective_n_jobs(self, n_jobs)))


def workers_sharing_process(client: Any) -> dict[str, str]:  # noqa: ANN401 - Dask has no types
    """The workers whose calls share a process with others, and how."""
    threads = client.nthreads()
    within = {worker: "a thread of this process" for worker in threads if worker.startswith("inproc:")}
    return within | {worker: f"{count} threads" for worker, count in threads.items() if count > 1}


@contextmanager
def dask_client(address: str) -> Iterator[Any]:
    """A client of the scheduler at that address, whose calls are forgotten when it leaves.

    Raises:
        ConfigError: No scheduler answers.
    """
    log = logging.getLogger("distributed.client")
    level = log.level
    log.setLevel(logging.CRITICAL)  # what goes wrong is said in one line
    try:
        with _client(address) as client:
            yield client
    finally:
        log.setLevel(level)


def _client(address: str) -> Any:  # noqa: ANN401
    try:
        get_address_host_port(address)  # or half a client is made, which is long in dying
        return Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        remedy = "Give the address that the scheduler prints, as tcp://host:8786"
        found = str(error).splitlines()[0]
        raise ConfigError("no Dask scheduler answers there", where=f"cluster {address}", found=found, remedy=remedy) from None


@contextmanager
def dask_errors() -> Iterator[None]:
    """Turn Dask's own errors into one line."""
    remedy = "Finished networks are kept, and the same command goes on"
    try:
        yield
    except KilledWorker as error:
        what = "a job has ended one worker after the other, most likely for lack of memory"
        raise PolytaskError(what, where="cluster", found=f"last on {error.last_worker.address}", remedy=remedy) from None
    except (CancelledError, CommClosedError) as error:
        raise PolytaskError("the cluster has gone", where="cluster", found=type(error).__name__, remedy=remedy) from None
