"""Search for the rows of a step whose losses or gradients are not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from polytask.architectures import Network
from polytask.encoders.evaluation_mode import eval_mode
from polytask.errors import NonFiniteError
from polytask.gradients.primitives.grad_accumulator import all_finite
from polytask.tasks import Task
from polytask.training.hardware import Precision
from polytask.training.inference import compute_losses
from polytask.training.preparation.batch import Batch

MOST = 5
"""Largest number of rows that are named per source and task."""


def non_finite_rows(
    model: Network, tasks: Mapping[str, Task], batches: Mapping[str, Batch], precision: Precision
) -> dict[tuple[str, str], list[int]]:
    """Return the places within each batch of the first rows with a loss or gradient that is not finite, by source and task.

    Every row is evaluated by itself, without dropout and with the running statistics of normalization layers, so that it does not depend
    on its neighbors. Values that arise only from several rows together are therefore not found.

    Args:
        model: Network.
        tasks: Tasks by name.
        batches: Rows of the step per source.
        precision: Precision of the forward pass.
    """
    found: dict[tuple[str, str], list[int]] = {}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with eval_mode(model), torch.enable_grad():
        for source, batch in batches.items():
            for row in range(len(batch)):
                for task, loss in compute_losses(model, tasks, batch.slice_rows(slice(row, row + 1)), precision).items():
                    places = found.get((source, task), [])
                    if len(places) < MOST and not _is_finite(loss.sum, parameters):
                        found[source, task] = [*places, row]
    return found


def _is_finite(loss: torch.Tensor, parameters: list[torch.nn.Parameter]) -> bool:
    if not bool(torch.isfinite(loss)):
        return False
    if not loss.requires_grad:
        return True
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return all_finite(gradient for gradient in gradients if gradient is not None)


def refuse_non_finite(value: float, where: str) -> None:
    """Check the value of a validation metric.

    Raises:
        NonFiniteError: It is NaN or infinite.
    """
    if not math.isfinite(value):
        remedy = "Lower the learning rate (lr), clip the gradient (max_grad_norm), or look for extreme inputs"
        raise NonFiniteError("the validation metric is no longer a finite number", where=where, found=value, remedy=remedy)


def located_error(
    error: NonFiniteError,
    places: Mapping[tuple[str, str], list[int]],
    numbers: Callable[[str, list[int]], str],
    epoch: int,
) -> NonFiniteError:
    """Return an error of the backward pass with the epoch, and the source and the rows from which the values come.

    Args:
        error: Error without them.
        places: What `non_finite_rows` returned.
        numbers: Function from a source and places in its batch to the numbers of the rows, as text.
        epoch: Epoch, from 1.
    """
    found = [f"task {task!r}, source {source!r}, rows {numbers(source, rows)}" for (source, task), rows in places.items()]
    remedy = "Lower the learning rate (lr), clip the gradient (max_grad_norm), look at these rows, or set non_finite to drop or skip"
    where = error.where.replace(", step ", f", epoch {epoch}, step ")
    return NonFiniteError(error.what, where=where, found="; ".join(found) or error.found, remedy=remedy)


def row_numbers(chosen: Tensor | None, known: Tensor | None, places: list[int]) -> str:
    """Return the numbers in the source, from 0, of rows at these places of a step.

    Args:
        chosen: Rows of the step; `None` if they are not known.
        known: Numbers in the source of the rows of training; `None` if all rows are for training.
        places: Places in the step.
    """
    if chosen is None:
        return "of the step: " + ", ".join(map(str, places))
    rows = chosen[places] if known is None else known[chosen[places]]
    return ", ".join(map(str, rows.tolist()))
