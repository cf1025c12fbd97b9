"""Calls of a function that worker processes make ahead of their use."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from polytask.errors import DataError, PolytaskError, first_line

Request = TypeVar("Request")
Result = TypeVar("Result")

START_METHOD = "fork" if sys.platform == "linux" else "spawn"
"""How workers start: forked ones share the arrays of a source with their parent. In a worker of joblib, the usual way is joblib's own."""


SECONDS_TO_END = 5.0
"""Longest time to wait for each of the threads of a loader that ends."""


class ReadAhead(Generic[Request, Result]):
    """Calls of a function for one request after the other, in this process or ahead in worker processes.

    The results are those of plain calls, in the order of the requests, whatever the number of workers. The workers live as long as this
    object, unless it is closed, and get the function when they start.

    Args:
        function: Function of a request, whose result is made of tensors and plain values; an error of polytask is raised where the result
            would be returned.
        workers: Number of worker processes; 0 calls the function in this process.
        prefetch: Number of requests that every worker answers ahead.

    Example:
        >>> list(ReadAhead(abs, workers=0).calls([-1, 2, -3]))
        [1, 2, 3]
    """

    def __init__(self, function: Callable[[Request], Result], workers: int = 0, prefetch: int = 2) -> None:
        self._function, self._workers, self._prefetch = function, workers, prefetch
        self._requests = _Requests[Request]()
        self._loader: DataLoader[Any] | None = None

    def calls(self, requests: Iterable[Request]) -> Iterator[Result]:
        """Yield the result of each request.

        Args:
            requests: Arguments of the calls; workers get them before the results of the first ones are used.

        Raises:
            DataError: A worker process has ended.
        """
        if not self._workers:
            yield from map(self._function, requests)
            return
        if self._loader is None:
            self._loader = self._with_workers()
        self._requests.values = requests
        for result in self._answers(self._loader):
            if isinstance(result, PolytaskError):
                raise result
            yield result

    def _answers(self, loader: DataLoader[Any]) -> Iterator[Any]:
        answers = iter(loader)
        while True:
            try:
                result = next(answers)
            except StopIteration:
                return
            except RuntimeError as error:
                if "exited unexpectedly" not in str(error):
                    raise
                self.close()
                remedy = "Perhaps memory has run out: use fewer, or loader_workers=0"
                raise DataError(
                    "a worker that loads rows has ended", where="loader_workers", found=first_line(error), remedy=remedy
                ) from error
            yield result

    def close(self) -> None:
        """End the workers; further calls start new ones."""
        loader, self._loader = self._loader, None
        if loader is not None:
            _end_workers(loader)

    def __del__(self) -> None:
        """End the workers."""
        if not sys.is_finalizing():
            self.close()

    def _with_workers(self) -> DataLoader[Any]:
        return DataLoader(
            _Calls(self._function),
            batch_size=None,
            sampler=self._requests,
            num_workers=self._workers,
            collate_fn=_unchanged,
            persistent_workers=True,
            prefetch_factor=self._prefetch,
            multiprocessing_context=START_METHOD,
            generator=torch.Generator(),  # by default the loader would draw from the global generator
        )


def _end_workers(loader: DataLoader[Any]) -> None:
    """End the workers of a loader, and wait for the threads that send them their requests.

    A loader that is dropped ends its workers too, but does not wait: a thread would write to a pipe that is closed already.
    """
    iterator: Any = getattr(loader, "_iterator", None)
    queues = list(getattr(iterator, "_index_queues", ()))
    shutdown = getattr(iterator, "_shutdown_workers", None)
    if shutdown is not None:
        shutdown()
    for queue in queues:
        thread = getattr(queue, "_thread", None)
        if thread is not None:
            thread.join(SECONDS_TO_END)


@contextmanager
def seeded_randomness(seed: int) -> Iterator[None]:
    """Seed the global generators of PyTorch, NumPy and Python in the block, and restore them afterwards.

    Code of users draws from any of them.

    Example:
        >>> with seeded_randomness(3):
        ...     first = random.random()
        >>> with seeded_randomness(3):
        ...     first == random.random()
        True
    """
    python, tensors = random.getstate(), torch.default_generator.get_state()
    arrays = np.random.get_state()  # noqa: NPY002 - the generator that users' code draws from
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)  # noqa: NPY002
        torch.default_generator.set_state(tensors)


class _Requests(Generic[Request]):
    """Requests of one round, as the sampler of a loader."""

    values: Iterable[Request] = ()

    def __iter__(self) -> Iterator[Request]:
        return iter(self.values)


class _Calls(Dataset[Any]):
    """The function as a data set, whose indices are requests; workers send errors as values, since a loader would rewrite them."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __getitem__(self, request: Any) -> Any:  # noqa: ANN401 - an argument and a result of any function
        try:
            return self.function(request)
        except PolytaskError as error:
            return error


def _unchanged(result: Any) -> Any:  # noqa: ANN401
    return result
