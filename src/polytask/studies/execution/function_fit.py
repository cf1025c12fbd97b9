"""Calls of a training function for the jobs of a study, each in a process of its own that never holds a test label."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from polytask.data import Source, fingerprint
from polytask.errors import ConfigError, DataError
from polytask.metrics.metric_functions import compute_metrics, metric_of, selection_metric_of
from polytask.options import TrainingOptions
from polytask.registry.importing import import_paths
from polytask.registry.registered import registrations
from polytask.storage import make_folder, storage_errors
from polytask.studies.execution.function_watch import FunctionAnswer, Report, call_function
from polytask.tasks import Outcome, Predictions, Task
from polytask.train_functions.function_process import REPORTS, FunctionCall
from polytask.train_functions.stored_arrays import store_inputs
from polytask.train_functions.training_request import TEST, VALIDATION
from polytask.training import PreparedSource, ProgressHook, TrainingProgress, prepare_data
from polytask.training.inference import RelativeMetrics, join_outcomes
from polytask.training.preparation.prepared_data import PreparedData

Array = NDArray[Any]

HISTORY_COLUMNS = ("epoch", "step", "task", "split", "name", "value")
LARGEST_SEED = 2**32
OUTPUT, OWN_FOLDER = "output.txt", "work"


@dataclass(frozen=True)
class TrainFunction:
    """The training function of a study, and the test rows that it predicts.

    Attributes:
        path: Import path of the function, with options.
        test_tasks: Tasks that each test source labels.
        test: Test sources, without labels.
        time_limit: Seconds after which a call is ended; `None` sets no limit.
        compares: Whether validation predictions have to choose between several joint arms.
        digests: Digest of the rows of each test source, by which they are known again when their labels are read.
    """

    path: str
    test_tasks: Mapping[str, tuple[str, ...]]
    test: tuple[Source, ...] = ()
    time_limit: float | None = None
    compares: bool = False
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FunctionJob:
    """What a job of a study tells the function.

    Attributes:
        label: Name of the job in messages.
        arm: Name of the arm.
        options: Options of the arm.
        seed: Seed of the job.
        folder: Folder of the job.
        tasks: Tasks to learn.
    """

    label: str
    arm: str
    options: Mapping[str, Any]
    seed: int
    folder: Path
    tasks: tuple[Task, ...]


def fit_function(
    function: TrainFunction, job: FunctionJob, sources: Sequence[Source], options: TrainingOptions, progress: ProgressHook
) -> dict[str, Any]:
    """Call the training function for a job, and return the state of the job: facts, fitted tasks and test predictions.

    Args:
        function: Training function with its test rows.
        job: Job that the call is for.
        sources: Training sources.
        options: Training options: epochs, threads, and the fraction of validation rows.
        progress: Function that is called with the progress that the function reports.

    Raises:
        ConfigError: The function fails, or returns no valid predictions.
    """
    where = f"train {function.path}, {job.label}"
    data = prepare_data(sources, job.tasks, validation_fraction=options.validation_fraction, seed=job.seed)
    with _exchange(job.folder) as exchange:
        request = _request(function, job, data, sources, options, exchange)
        call = FunctionCall(function.path, request, exchange, job.folder / OUTPUT, os.getpid(), tuple(import_paths()), registrations())
        answer = call_function(call, where, function.time_limit, _progress_of(options.epochs, progress))
        reports = _reports(exchange / REPORTS)
    _check_validation(function, answer, where)
    _check_metrics(data, answer, where)
    facts = _facts(data, answer, reports, options.epochs)
    facts["test_rows"] = dict(function.digests)
    return {"facts": facts, "tasks": [task.to_dict() for task in data.tasks], "predictions": _stored(answer)}


@contextmanager
def _exchange(folder: Path) -> Iterator[Path]:
    """Give a folder for the rows and the answer of a call, and delete it afterwards; a resumed run deletes that of a killed one."""
    make_folder(folder / OWN_FOLDER)
    with storage_errors(folder):
        exchange = Path(tempfile.mkdtemp(prefix=".call-", suffix=".part", dir=folder)).absolute()
    try:
        yield exchange
    finally:
        shutil.rmtree(exchange, ignore_errors=True)


def _request(
    function: TrainFunction, job: FunctionJob, data: PreparedData, sources: Sequence[Source], options: TrainingOptions, folder: Path
) -> dict[str, Any]:
    """Return the fields of the request, with large arrays in files of a folder."""
    given = {source.name: source for source in sources}
    content: dict[str, Any] = {"training": {}, "validation": {}, "test": {}}
    for number, name in enumerate(data.training):
        for part, prepared in (("training", data.training[name]), ("validation", data.validation[name])):
            rows = torch.arange(len(given[name])) if prepared.rows.row_indices is None else prepared.rows.row_indices
            inputs = _input_fields(given[name], rows.numpy(), folder / f"{part}-{number}.npy", data.tasks)
            content[part][name] = inputs | _label_fields(given[name], rows.numpy(), prepared, data.tasks)
    for number, source in enumerate(function.test):
        tasks = [task for task in data.tasks if task.name in function.test_tasks[source.name]]
        if tasks and source.name in data.training:
            content["test"][source.name] = _input_fields(source, None, folder / f"test-{number}.npy", tasks)
    seed = job.seed % LARGEST_SEED
    fields = {"tasks": data.tasks, "arm": job.arm, "options": dict(job.options), "seed": seed, "epochs": options.epochs}
    own = (job.folder / OWN_FOLDER).absolute()
    return {**content, **fields, "seconds": function.time_limit, "threads": options.threads or 1, "folder": own}


def _input_fields(source: Source, rows: NDArray[np.int64] | None, file: Path, tasks: Sequence[Task]) -> dict[str, Any]:
    """Return the fields of `InputRows`."""
    known = tuple(task.name for task in tasks)
    columns, cardinalities = _columns(source)
    units = source.units if rows is None else source.units[rows]
    inputs = store_inputs(source.inputs, rows, file)
    return {"inputs": inputs, "units": np.array(units), "tasks": known, "columns": columns, "cardinalities": cardinalities}


def _columns(source: Source) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the columns that the inputs of a table come from, and the number of codes of each input; empty for other inputs."""
    columns = getattr(source.preprocessor, "columns", ())
    pairs = [(column.name, count) for column in columns for count in column.cardinalities]
    return tuple(name for name, _ in pairs), tuple(int(count) for _, count in pairs)


def _label_fields(source: Source, rows: NDArray[np.int64], prepared: PreparedSource, tasks: Sequence[Task]) -> dict[str, Any]:
    """Return the fields that `LabeledRows` adds."""
    known = [task for task in tasks if task.name in prepared.truths]
    labels = {task.name: np.array(source.labels[task.name][rows]) for task in known}
    targets = {task.name: _spread(prepared.truths[task.name], task.labeled_rows(labels[task.name])) for task in known}
    weights = {name: own.numpy() for name, own in prepared.rows.weights.items()}
    return {"tasks": tuple(labels), "labels": labels, "targets": targets, "weights": weights}


def _spread(values: Array, mask: NDArray[np.bool_]) -> Array:
    """Return values of the labeled rows in an array of all rows, with −1, NaN or None in the others.

    Example:
        >>> _spread(np.array([3, 5]), np.array([True, False, True])).tolist()
        [3, -1, 5]
    """
    if mask.all():
        return np.array(values)
    none: Any = -1 if values.dtype.kind in "iu" else np.nan if values.dtype.kind == "f" else None
    full = np.full(len(mask), none, dtype=values.dtype)
    full[mask] = values
    return full


def _progress_of(epochs: int, progress: ProgressHook) -> Callable[[Report], None]:
    def report(content: Report) -> None:
        metrics, losses = content.get("validation", {}), content.get("loss", {})
        progress(TrainingProgress(epoch=content["epoch"] + 1, epochs=epochs, step=0, steps=1, losses=losses, metrics=metrics))

    return report


def _reports(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [_report(line) for line in lines]
    return [report for report in found if report is not None]


def _report(line: str) -> dict[str, Any] | None:
    """Return a report; `None` if it is none, because the function has written to the file itself."""
    try:
        report = json.loads(line)
        return report if isinstance(report["epoch"], int) else None
    except (KeyError, TypeError, ValueError):
        return None


def _check_validation(function: TrainFunction, answer: FunctionAnswer, where: str) -> None:
    """Check that validation rows are predicted if they have to choose.

    Raises:
        ConfigError: They are not.
    """
    if function.compares and VALIDATION not in answer.predictions:
        remedy = "Return {'validation': {task: array}, 'test': {task: array}}, or leave one joint arm"
        raise ConfigError("predictions of validation rows choose between several joint arms", where=where, found="none", remedy=remedy)


def _check_metrics(data: PreparedData, answer: FunctionAnswer, where: str) -> None:
    """Check that the predictions can be decoded, and allow the deciding and the selecting metric of every task.

    The labels of test rows are not at hand: where there are no probabilities, those of training rows take their place.

    Raises:
        ConfigError: Predictions are not in the encoding of the task, or a metric needs probabilities.
    """
    for part, of_part in answer.predictions.items():
        for task in data.tasks:
            truths = np.concatenate([source.truths[task.name] for source in data.training.values() if task.name in source.truths])
            for found in of_part[task.name].values():
                place = f"{where}, {part} predictions, task {task.name!r}"
                count = min(len(truths), len(found.values))
                try:
                    task.decode(found.values)
                    for metric in (metric_of(task), selection_metric_of(task)) if found.probabilities is None and count else ():
                        metric.function(Outcome(truths[:count], found.values[:count]))
                except DataError as error:
                    remedy = "Return probabilities per class, or a head's outputs as pt.Outputs(array)"
                    raise ConfigError(error.what, where=place, found=error.found, remedy=remedy) from None
                except (IndexError, TypeError, ValueError) as error:
                    what, remedy = "predictions in the encoding of the targets are needed", "See the targets of the request"
                    raise ConfigError(what, where=place, found=error, remedy=remedy) from None


def labeled_outcome(found: Predictions, truths: Array, mask: NDArray[np.bool_]) -> Outcome:
    """Return targets and predictions of the labeled rows.

    Args:
        found: Predictions of all N rows.
        truths: Targets of the labeled rows.
        mask: (N,) mask of the labeled rows.
    """
    return Outcome(truths, found.values[mask], None if found.probabilities is None else found.probabilities[mask])


def possible_metrics(task: Task, outcome: Outcome) -> dict[str, float]:
    """Return all metrics of a task that its predictions allow: some need probabilities."""
    found: dict[str, float] = {}
    for metric in task.available_metrics:
        try:
            found |= compute_metrics(outcome, [metric])
        except DataError:
            continue
    return found


def rows_digest(source: Source) -> str:
    """Return the SHA-256 digest of the inputs and units of a source, without its labels."""
    return fingerprint(Source(source.name, source.inputs, {}, source.units, source.preprocessor))


def _facts(data: PreparedData, answer: FunctionAnswer, reports: Sequence[Report], epochs: int) -> dict[str, Any]:
    """Return the facts on a call that the files of a study need."""
    outcomes = _validation_outcomes(data, answer)
    relative = 0.0
    if outcomes:
        yardstick = RelativeMetrics(data.tasks, data.training, data.validation)
        scores = yardstick.relative(yardstick.values(outcomes))
        relative = sum(scores.values()) / len(scores)
    reached = max((report["epoch"] for report in reports), default=epochs)
    rows = reached * sum(map(len, data.training.values()))
    return {
        "validation": {task.name: possible_metrics(task, outcomes[task.name]) for task in data.tasks if outcomes},
        "relative": relative,
        "used": {"epochs": reached, "best_epoch": reached, "steps": 0, "rows": rows},
        "measured": {"seconds": answer.seconds, "whole": answer.whole_seconds, "peak_memory": answer.peak_memory, "timeline": []},
        "history": {"columns": list(HISTORY_COLUMNS), "data": [list(row) for row in _history(data.tasks, reports)]},
    }


def _validation_outcomes(data: PreparedData, answer: FunctionAnswer) -> dict[str, Outcome]:
    """Return the targets and predictions per task on validation rows; empty if they are not predicted."""
    found: dict[str, Outcome] = {}
    for task in data.tasks if VALIDATION in answer.predictions else ():
        parts = []
        for name, predictions in answer.predictions[VALIDATION][task.name].items():
            source = data.validation[name]
            mask = source.rows.labeled_rows(task.name)
            known = np.ones(len(source), dtype=np.bool_) if mask is None else mask.numpy()
            parts.append(labeled_outcome(predictions, source.truths[task.name], known))
        found[task.name] = join_outcomes(parts)
    return found


def _history(tasks: Sequence[Task], reports: Sequence[Report]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the history that the reports stand for."""
    names = {task.name: metric_of(task).name for task in tasks}
    for report in reports:
        for split, values in report.items():
            for task, value in values.items() if isinstance(values, Mapping) else ():
                is_loss = split == "loss"
                yield report["epoch"], 0, task, "training" if is_loss else split, "loss" if is_loss else names[task], value


def _stored(answer: FunctionAnswer) -> dict[str, Any]:
    """Return the test predictions in the form of a state folder: numbers as tensors, texts as lists."""
    return {
        task: {
            source: {
                "values": _leaf(found.values),
                **({} if found.probabilities is None else {"probabilities": _leaf(found.probabilities)}),
            }
            for source, found in own.items()
        }
        for task, own in answer.predictions[TEST].items()
    }


def _leaf(array: Array) -> Any:  # noqa: ANN401 - a tensor, or a list of texts
    return [str(entry) for entry in array.tolist()] if array.dtype == object else torch.from_numpy(np.ascontiguousarray(array))


def stored_predictions(state: Mapping[str, Any], task: str, source: str) -> Predictions | None:
    """Return the test predictions of a finished job for a task and a source; `None` if it has none."""
    found = state["predictions"].get(task, {}).get(source)
    if found is None:
        return None
    values = found["values"]
    probabilities = found["probabilities"].numpy() if "probabilities" in found else None
    return Predictions(np.asarray(values, dtype=object) if isinstance(values, list) else values.numpy(), probabilities)
