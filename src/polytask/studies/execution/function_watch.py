"""Start, watch and end the process of a training function, and read its answer."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import psutil
from joblib.externals.loky.backend.process import LokyProcess

from polytask.errors import ConfigError, PolytaskError, first_line
from polytask.studies.execution.parallel_backends import no_working_folder, start_resource_tracker
from polytask.tasks import Predictions
from polytask.train_functions.function_process import ANSWER, ARRAYS, REPORT, FunctionCall, run_function
from polytask.train_functions.returned_predictions import Returned
from polytask.train_functions.training_request import TEST

POLL_SECONDS = 0.05
MEMORY_INTERVAL = 0.5
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables by which libraries learn their number of threads."""

Report = Mapping[str, Any]


@dataclass(frozen=True)
class FunctionAnswer:
    """What a call has given.

    Attributes:
        predictions: Predictions by part, task and source.
        seconds: Seconds that the function took, without the start of its process.
        whole_seconds: Seconds of the call, with the start and the end of its process.
        peak_memory: Largest memory of its process and of the programs that it has started, in bytes.
    """

    predictions: Returned
    seconds: float
    whole_seconds: float
    peak_memory: int


def call_function(call: FunctionCall, where: str, limit: float | None, report: Callable[[Report], None]) -> FunctionAnswer:
    """Call a training function in a process of its own, and return its answer.

    Nothing of this process reaches the new one but the call: it is a fresh interpreter, not a copy. It is ended with all programs that it
    has started when it exceeds its time, or when this process is interrupted.

    Args:
        call: The call.
        where: Name of the job, for error messages.
        limit: Seconds that the process may take; `None` sets no limit.
        report: Function that is called with every report of the function.

    Raises:
        ConfigError: The function raises an error, ends its process, takes too long, or returns no valid predictions.
    """
    started = time.monotonic()
    with no_working_folder():  # the new process imports from the same folders as this one
        start_resource_tracker()
        threads = dict.fromkeys(THREAD_VARIABLES, str(call.request["threads"]))
        process = LokyProcess(target=run_function, args=(call,), env=threads)
        process.start()
    try:
        memory = _wait(process, call, limit, report)
    finally:
        _end(process)
    if memory is None:
        remedy = "Let it stop by request.seconds, or raise time_limit; finished calls are kept, and the same command resumes"
        raise ConfigError("the training function was ended at its time limit", where=where, found=f"{limit:g} s", remedy=remedy)
    path = call.exchange / ANSWER
    if not path.exists():
        raise ConfigError("the training function ended its process", where=where, found=_ending(process.exitcode), remedy=_remedy(call))
    try:
        return _read_answer(call, where, memory, time.monotonic() - started)
    except PolytaskError:
        raise
    except _SPOILED as error:
        what, remedy = "the training function has changed the answer of its process", "Let it write to request.folder alone"
        raise ConfigError(what, where=where, found=first_line(error), remedy=remedy) from None


_SPOILED = (AttributeError, KeyError, OSError, TypeError, ValueError, BadZipFile)
"""Errors of reading an answer that the process has not written as it does."""


def _read_answer(call: FunctionCall, where: str, memory: int, seconds: float) -> FunctionAnswer:
    """Return the answer that the process has written.

    Raises:
        ConfigError: It is an error.
    """
    answer = json.loads((call.exchange / ANSWER).read_text(encoding="utf-8"))
    if "error" in answer:
        error = answer["error"]
        place = ", ".join(filter(None, [where, error["where"]]))
        raise ConfigError(error["what"], where=place, found=error["found"] or None, remedy=error["remedy"] or _remedy(call))
    predictions = _predictions(answer, call.exchange / ARRAYS)
    for name, rows in call.request["test"].items():
        for task in rows["tasks"]:
            found = len(predictions[TEST][task][name].values)
            if found != len(rows["units"]):
                raise ValueError(f"{found} predictions of {len(rows['units'])} rows")
    return FunctionAnswer(predictions, float(answer["seconds"]), seconds, max(memory, int(answer["peak_memory"])))


def _remedy(call: FunctionCall) -> str:
    return f"Its output is in {call.output}; finished calls are kept, and the same command resumes"


def _ending(code: int | None) -> str:
    """Return a phrase on how a process has ended.

    Example:
        >>> _ending(3), _ending(-9)
        ('exit code 3', 'signal SIGKILL, perhaps for lack of memory')
    """
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"signal {name}, perhaps for lack of memory" if -code == signal.SIGKILL else f"signal {name}"
    return f"exit code {code}"


def _wait(process: LokyProcess, call: FunctionCall, limit: float | None, report: Callable[[Report], None]) -> int | None:
    """Wait until the process has ended, and return the largest memory that was seen; `None` if the limit is exceeded."""
    started, sampled, memory, seen = time.monotonic(), 0.0, 0, 0.0
    while True:
        process.join(POLL_SECONDS)
        if process.exitcode is not None:
            return memory
        now = time.monotonic()
        if limit is not None and now - started > limit:
            return None
        if now - sampled > MEMORY_INTERVAL:
            sampled, memory = now, max(memory, _memory_of(process.pid))
            seen = _pass_report(call.exchange / REPORT, seen, report)


def _pass_report(path: Path, seen: float, report: Callable[[Report], None]) -> float:
    """Pass on the last report if it is a new one, and return the time at which it was written."""
    with suppress(AttributeError, KeyError, OSError, TypeError, ValueError):  # the function may have written something else there
        written = path.stat().st_mtime
        if written != seen:
            report(json.loads(path.read_text(encoding="utf-8")))
        return written
    return seen


def _memory_of(identifier: int | None) -> int:
    """Return the memory of a process and of all programs that it has started, in bytes."""
    with suppress(psutil.Error):
        process = psutil.Process(identifier)
        return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])
    return 0


def _end(process: LokyProcess) -> None:
    """End the process, if it has not ended, and the programs that it has started and left behind."""
    if hasattr(os, "killpg") and process.pid is not None:
        with suppress(OSError):  # there is no such group if nothing is left of it, or not yet
            os.killpg(process.pid, signal.SIGKILL)
    if process.exitcode is None:
        with suppress(psutil.Error):
            psutil.Process(process.pid).kill()
        process.join()


def _predictions(answer: Mapping[str, Any], path: Path) -> Returned:
    found: Returned = {}
    with np.load(path, allow_pickle=False) as arrays:
        for entry in answer["predictions"]:
            values, probabilities = (None if entry[name] is None else arrays[entry[name]] for name in ("values", "probabilities"))
            values = np.asarray(values, dtype=object) if values is not None and values.dtype.kind == "U" else values
            of_task = found.setdefault(entry["part"], {}).setdefault(entry["task"], {})
            of_task[entry["source"]] = Predictions(np.asarray(values), probabilities)
    return found
