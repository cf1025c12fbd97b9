"""What a training function returns: predictions per task, checked and brought into the form of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.data.input_entries import is_code, padding_mask
from polytask.errors import ConfigError, DataError
from polytask.registry.resolve import described
from polytask.registry.suggestion import nearest
from polytask.tasks import LabelType, Predictions, Task
from polytask.tasks.number_rows import write_rows
from polytask.train_functions.training_request import PARTS_TO_PREDICT, TEST, InputRows, TrainingRequest

Array = NDArray[Any]
OfSources = dict[str, Predictions]
Returned = dict[str, dict[str, OfSources]]
"""Predictions by part (validation, test), task and source."""

_FORM = "Return {task: array} for the test rows, or {'validation': {task: array}, 'test': {task: array}}"
SUM_TOLERANCE = 1e-3
"""Largest distance of a sum of probabilities from 1; they may have been computed in half precision."""


@dataclass(frozen=True)
class Outputs:
    """Outputs of a network's head, such as logits, as a form of predictions that a training function returns.

    `Task.predict` turns them into predictions.

    Attributes:
        values: (N, outputs) array or tensor, or (N,) for a task with one output; (N, L, outputs) if a task has labels per token, where
            the outputs of padding, and of missing steps of sequences, are ignored.
    """

    values: Any


def read_returned(returned: object, request: TrainingRequest) -> Returned:
    """Return the predictions that a training function has returned, by part, task and source.

    Args:
        returned: Result of the function.
        request: Request that it was called with.

    Raises:
        ConfigError: It is no dict of predictions, a task or a source is missing or unknown, or an array has another shape, holds NaN, or
            is in no known form.
    """
    if not isinstance(returned, Mapping):
        raise ConfigError("predictions by task are needed", where="returned", found=described(returned), remedy=_FORM)
    names = tuple(task.name for task in request.tasks)
    in_parts = (
        TEST in returned and set(returned) <= set(PARTS_TO_PREDICT) and all(isinstance(value, Mapping) for value in returned.values())
    )
    by_part = returned if in_parts else {TEST: returned}
    found: Returned = {}
    for part, own in by_part.items():
        _check_names(own, names, f"{part} predictions", "task")
        rows = request.rows_to_predict(part)
        found[part] = {
            task.name: _of_task(own[task.name], task, rows, request, f"{part} predictions, task {task.name!r}") for task in request.tasks
        }
    return found


def _check_names(given: Mapping[Any, Any], known: tuple[str, ...], where: str, what: str) -> None:
    """Check that exactly the known names are given.

    Raises:
        ConfigError: One is missing or unknown.
    """
    for name in given:
        if name not in known:
            raise ConfigError(f"unknown {what}", where=where, found=repr(name), remedy=nearest(str(name), known))
    missing = [name for name in known if name not in given]
    if missing:
        found = f"only {', '.join(map(str, given))}" if given else "nothing"
        raise ConfigError(f"there is none of {what} {missing[0]!r}", where=where, found=found, remedy=_FORM)


def _of_task(given: object, task: Task, rows: Mapping[str, InputRows], request: TrainingRequest, where: str) -> OfSources:
    """Return the predictions of a task by source; a single array holds the rows of all sources, in the order of the request."""
    of_task = {name: own for name, own in rows.items() if task.name in own.tasks}
    example = next(own.targets[task.name] for own in request.training.values() if task.name in own.targets)
    if isinstance(given, Mapping):
        _check_names(given, tuple(of_task), where, "source")
        return {name: _read(given[name], task, [own], example, f"{where}, source {name!r}") for name, own in of_task.items()}
    values, probabilities = _read(given, task, list(of_task.values()), example, where)
    ends = np.cumsum([len(own) for own in of_task.values()])[:-1]
    parts = np.split(values, ends)
    shares = [None] * len(parts) if probabilities is None else np.split(probabilities, ends)
    return {name: Predictions(part, share) for name, part, share in zip(of_task, parts, shares, strict=True)}


def _read(given: object, task: Task, rows: list[InputRows], example: Array, where: str) -> Predictions:
    """Return predictions from any of the forms: outputs, predictions, probabilities, values, or labels.

    Args:
        given: Predictions of all rows.
        task: Task that they are about.
        rows: Rows of one or several sources.
        example: Targets of the task, whose type says what is predicted: class codes, numbers or texts.
        where: Location for error messages.
    """
    count = sum(map(len, rows))
    try:
        if isinstance(given, Outputs):
            return _from_outputs(given, task, rows, where)
        if isinstance(given, Predictions):
            values = _values(_array(given.values, count, where), task, example, where).values
            return Predictions(values, _shares(given.probabilities, task, count, f"{where}, probabilities"))
        return _values(_array(given, count, where), task, example, where)
    except DataError as error:
        raise ConfigError(error.what, where=where, found=error.found, remedy=error.remedy) from None


def _array(given: object, count: int, where: str) -> Array:
    """Return an array with one finite entry per row, from an array or tensor of any library, or a list.

    Raises:
        ConfigError: It is no such array.
    """
    tensor = given.detach().cpu() if hasattr(given, "detach") and hasattr(given, "cpu") else given
    if isinstance(tensor, str | bytes | dict | set) or tensor is None or not (hasattr(tensor, "__len__") or hasattr(tensor, "__array__")):
        raise ConfigError("an array of predictions is needed", where=where, found=described(given), remedy=_FORM)
    try:
        array = np.asarray(tensor)
    except (ValueError, TypeError) as error:
        raise ConfigError("an array of predictions is needed", where=where, found=error, remedy=_FORM) from None
    if not array.ndim or len(array) != count:
        found = f"{len(array)} rows" if array.ndim else "a single value"
        remedy = "Predict every row, in the order of the request"
        raise ConfigError(f"predictions of {count} rows are needed", where=where, found=found, remedy=remedy)
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(array).reshape(count, -1).all(axis=1))
        if len(bad):
            found = f"NaN or infinity in {len(bad)} of {count} rows, first in row {bad[0]}"
            remedy = "Replace them, or train such that there are none, for example with a smaller learning rate"
            raise ConfigError("predictions must be finite", where=where, found=found, remedy=remedy)
    elif array.dtype.kind not in "biuUSO":
        raise ConfigError("predictions must be numbers or labels", where=where, found=f"an array of {array.dtype}", remedy=_FORM)
    return array


def _values(array: Array, task: Task, example: Array, where: str) -> Predictions:
    """Return predictions from an array of values, of probabilities, or of labels.

    Raises:
        ConfigError: The array is in none of these forms.
    """
    learning = task.tabular_learning()
    if array.dtype.kind in "OUS":
        labels = np.asarray(array.astype(str) if array.dtype.kind == "S" else array, dtype=object)
        if labels.ndim != 1:
            raise _no_form(array, task, where)
        return Predictions(labels if example.dtype == object else task.metric_targets(labels), None)
    if array.ndim == 2 and learning is not None and learning.classes == array.shape[1]:
        return learning.predictions(_probabilities(array, where))
    if array.ndim == 2 and learning is not None and not learning.classes and len(learning.options) == array.shape[1]:
        return learning.predictions(array.astype(np.float64))
    if task.label_type is LabelType.VECTOR and array.shape == (len(array), task.outputs):
        return Predictions(write_rows(array.astype(np.float64)), None)
    if array.ndim != 1 or example.dtype == object:
        raise _no_form(array, task, where)
    if example.dtype.kind != "i":
        numbers = array.astype(np.float64)
        return Predictions(numbers, None) if learning is None else learning.predictions(numbers)
    return Predictions(_codes(array, task, where), None)


def _shares(given: object, task: Task, count: int, where: str) -> Array | None:
    """Return probabilities (N, C) that are given besides values: of classes, or of labels that exclude no other one.

    Raises:
        ConfigError: They have another shape, or are no probabilities.
    """
    if given is None:
        return None
    array, learning = _array(given, count, where), task.tabular_learning()
    classes = learning.classes if learning is not None and learning.classes else None
    wanted = (count, classes or task.outputs)
    if array.shape != wanted or array.dtype.kind != "f":
        found = f"{array.dtype} of shape {array.shape}"
        raise ConfigError(f"probabilities of shape {wanted} are needed", where=where, found=found)
    return array.astype(np.float64) if classes is None else _probabilities(array, where)


def _codes(array: Array, task: Task, where: str) -> Array:
    """Return class codes (N,).

    Raises:
        ConfigError: An entry is no code of a class.
    """
    whole = array.astype(np.int64)
    classes = task.tabular_learning()
    most = classes.classes if classes is not None else None
    bad = np.flatnonzero((whole != array) | (whole < 0) | (whole >= (np.inf if most is None else most)))
    if len(bad):
        known = "" if most is None else f" from 0 to {most - 1}"
        remedy = f"Return codes, labels, or probabilities of shape ({len(array)}, {most or 'classes'})"
        raise ConfigError(f"class codes{known} are needed", where=where, found=f"{array[bad[0]]} in row {bad[0]}", remedy=remedy)
    return whole


def _probabilities(array: Array, where: str) -> Array:
    """Return probabilities (N, C) as float64 that sum to exactly 1.

    Raises:
        ConfigError: They are negative, or do not sum to about 1.
    """
    shares = array.astype(np.float64)
    sums = shares.sum(axis=1)
    bad = np.flatnonzero((shares < 0).any(axis=1) | (np.abs(sums - 1) > SUM_TOLERANCE))
    if len(bad):
        found = f"{np.round(shares[bad[0]], 3).tolist()} in row {bad[0]}"
        remedy = "Normalize them, or return logits as pt.Outputs(array)"
        raise ConfigError("probabilities must be at least 0 and sum to 1", where=where, found=found[:120], remedy=remedy)
    return np.asarray(shares / sums[:, None])


def _from_outputs(given: Outputs, task: Task, rows: list[InputRows], where: str) -> Predictions:
    """Return the predictions that outputs of a head stand for.

    Raises:
        ConfigError: The outputs have another shape.
    """
    import torch

    count = sum(map(len, rows))
    values = given.values.detach().cpu() if hasattr(given.values, "detach") else given.values
    array = np.asarray(values)
    array = array[..., None] if task.outputs == 1 and array.ndim == (2 if task.per_token else 1) else array
    wanted = (count, *rows[0].inputs.shape[1:2], task.outputs) if task.per_token else (count, task.outputs)
    if array.shape != wanted or array.dtype.kind not in "fiu":
        raise ConfigError(f"outputs of shape {wanted} are needed", where=where, found=f"{array.dtype} of shape {array.shape}")
    array = array.astype(np.float64 if array.dtype == np.float64 else np.float32)
    if task.per_token:
        inputs = np.concatenate([own.inputs for own in rows])
        padding = padding_mask(torch.from_numpy(inputs), codes=is_code(inputs)).numpy()
        array[padding] = np.nan
        array_to_check = array[~padding]
    else:
        array_to_check = array
    _array(array_to_check, len(array_to_check), where)
    return task.predict(torch.from_numpy(array))


def _no_form(array: Array, task: Task, where: str) -> ConfigError:
    found = f"{array.dtype} of shape {array.shape}"
    remedy = f"Return (N,) values or labels, probabilities per class, or a head's outputs as pt.Outputs(array) of {task.outputs} per row"
    return ConfigError("this is no form of predictions of the task", where=where, found=found, remedy=remedy)
