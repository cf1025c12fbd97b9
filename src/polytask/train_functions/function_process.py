"""The process in which a training function runs: it holds the request and nothing else of the study."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polytask.errors import ConfigError, PolytaskError
from polytask.registry import ComponentSpec, add_import_path
from polytask.registry.model_factories import factory_at, read_factory
from polytask.registry.registered import take_over
from polytask.train_functions.returned_predictions import Returned, read_returned
from polytask.train_functions.stored_arrays import opened
from polytask.train_functions.training_request import InputRows, LabeledRows, TrainingRequest

ANSWER, ARRAYS, REPORT, REPORTS = "answer.json", "answer.npz", "report.json", "reports.jsonl"
PARENT_POLL_SECONDS = 0.2
LONGEST_FOUND = 200
REPORTED = ("validation", "training", "loss")
"""Names under which a function reports values by task."""


@dataclass(frozen=True)
class FunctionCall:
    """A call of a training function, sent to its process.

    Attributes:
        function: Import path of the function, with options.
        request: Fields of the request; rows are mappings of the fields of `LabeledRows` or `InputRows`, with large arrays in files.
        exchange: Folder in which the answer and the reports are written.
        output: File that gets what the function prints.
        parent: Identifier of the process that waits for the answer.
        folders: Folders from which modules may be imported.
        components: Components that are registered in the process of the study.
    """

    function: str
    request: Mapping[str, Any]
    exchange: Path
    output: Path
    parent: int
    folders: Sequence[str]
    components: tuple[ComponentSpec, ...]


def run_function(call: FunctionCall) -> None:
    """Call the function in this new process, and write its predictions or its error to the exchange folder.

    The process leads a group of its own: Ctrl-C does not reach it, and it is ended together with the programs that it has started.
    """
    if hasattr(os, "setsid"):
        with suppress(OSError):
            os.setsid()
    _redirect_output(call.output)
    os.environ.pop("PYTHONSAFEPATH", None)  # set for the start of this process; programs of the user import as they always do
    multiprocessing.set_start_method(None, force=True)  # loky's own method, by which this process was started, is no default
    threading.Thread(target=_exit_with, args=(call.parent,), daemon=True).start()
    try:
        content = _answer(call)
    except BaseException as error:  # noqa: BLE001 - whatever a user's function raises, SystemExit and KeyboardInterrupt included
        with suppress(Exception):  # the function may have closed its output
            traceback.print_exc()
        content = {"error": _error_parts(error)}
    _write(call.exchange / ANSWER, content)
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)  # threads that the function has left behind are not waited for


def _answer(call: FunctionCall) -> dict[str, Any]:
    for folder in call.folders:
        add_import_path(folder)
    take_over(call.components)
    path, options = read_factory(call.function, "train")
    function = factory_at(path, "train")
    request = make_request(call.request, _Reporter(call.exchange, [task.name for task in call.request["tasks"]]))
    os.chdir(request.folder)
    started = time.monotonic()
    returned = function(request, **options)
    seconds = time.monotonic() - started
    predictions = read_returned(returned, request)
    return {"seconds": seconds, "peak_memory": peak_memory(), "predictions": _store(predictions, call.exchange / ARRAYS)}


def make_request(content: Mapping[str, Any], report: Callable[..., None]) -> TrainingRequest:
    """Return the request with its rows mapped from files."""
    parts = {
        name: {source: kind(**opened(rows)) for source, rows in content[name].items()}
        for name, kind in (("training", LabeledRows), ("validation", LabeledRows), ("test", InputRows))
    }
    return TrainingRequest(**{**content, **parts, "report": report})


class _Reporter:
    """Function object that writes the reports of a function: the last one for displays, and all of them for the history."""

    def __init__(self, folder: Path, tasks: Sequence[str]) -> None:
        self._folder, self._tasks = folder, tuple(tasks)

    def __call__(self, epoch: int, **scores: Mapping[str, float]) -> None:
        """Report values by task after an epoch, counted from 1: `validation` and `training` metrics, and the `loss`."""
        content = {"epoch": int(epoch), **{name: self._checked(name, values) for name, values in scores.items()}}
        _write(self._folder / REPORT, content)
        with (self._folder / REPORTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(content) + "\n")

    def _checked(self, name: str, values: object) -> dict[str, float]:
        if name not in REPORTED or not isinstance(values, Mapping):
            remedy = 'Write request.report(3, validation={"task": 0.9})'
            raise ConfigError(f"values by task are reported as {', '.join(REPORTED)}", where="report", found=name, remedy=remedy)
        unknown = [task for task in values if task not in self._tasks]
        if unknown:
            raise ConfigError("the request has no such task", where="report", found=repr(unknown[0]))
        return {task: float(value) for task, value in values.items()}


def _store(predictions: Returned, path: Path) -> list[dict[str, Any]]:
    """Write the arrays of predictions to a file, and return which array is what."""
    arrays: dict[str, Any] = {}
    index = []
    for part, of_part in predictions.items():
        for task, of_task in of_part.items():
            for source, (values, probabilities) in of_task.items():
                names = []
                for array in (values, probabilities):
                    names.append(None if array is None else f"array{len(arrays)}")
                    if array is not None:
                        arrays[f"array{len(arrays)}"] = array.astype(str) if array.dtype == object else array
                index.append({"part": part, "task": task, "source": source, "values": names[0], "probabilities": names[1]})
    np.savez(path, **arrays)
    return index


def _error_parts(error: BaseException) -> dict[str, str]:
    """Return what went wrong as the parts of an error of one line: polytask's own errors as they are."""
    place = _place(error)
    if isinstance(error, PolytaskError):
        found = "" if error.found is None else str(error.found)
        return {"what": error.what, "where": error.where, "found": found, "remedy": error.remedy}
    text = type(error).__name__
    with suppress(Exception):  # the text of an error is code of a user too
        text += f": {error}" if str(error) else ""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    found = " ".join(printable.split())[:LONGEST_FOUND] + (f", at {place}" if place else "")
    return {"what": "the training function failed", "where": "", "found": found, "remedy": ""}


def _place(error: BaseException) -> str:
    """Return the file and line of the innermost frame outside of installed packages; empty if there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = str(Path(__file__).parent)
    users = [frame for frame in frames if "site-packages" not in frame.filename and not frame.filename.startswith((own, sys.base_prefix))]
    return f"{Path(users[-1].filename).name} line {users[-1].lineno}" if users else ""


def peak_memory() -> int:
    """Return the largest resident memory that this process has had, in bytes; 0 if the system does not tell."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _write(path: Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(path)


def _redirect_output(path: Path) -> None:
    """Let everything that the function and the programs that it starts print go to a file, and let them read nothing."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    empty = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, empty), (1, handle), (2, handle)):
        os.dup2(source, target)
    os.close(handle)
    os.close(empty)


def _exit_with(parent: int) -> None:
    """End this process and the programs that it has started when its parent has ended."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    if hasattr(os, "killpg"):
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)
