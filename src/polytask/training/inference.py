"""Forward passes of a network: losses, outputs, predictions and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polytask.architectures import Network
from polytask.data.input_entries import padding_mask
from polytask.devices import reproducible_kernels
from polytask.encoders.evaluation_mode import eval_mode
from polytask.metrics.metric_functions import compute_metrics, metric_of, relative_score, selection_metric_of
from polytask.metrics.trivial_predictor import trivial_predictions
from polytask.tasks import Loss, Outcome, Task, masked_loss
from polytask.tasks.grouped_losses import FEWEST_LOSSES, masked_losses
from polytask.training.hardware import Precision
from polytask.training.preparation.batch import Batch
from polytask.training.preparation.prepared_data import PreparedSource

INFERENCE_BATCH_SIZE = 1_000


def forward_batch(model: Network, batch: Batch, precision: Precision, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
    """Return the outputs (N, task.outputs) of one batch per task; by default of the tasks that its source labels."""
    if batch.device != precision.device:
        batch = batch.to(precision.device)
    inputs = precision.format_inputs(batch.normalization(batch.inputs))
    with precision.autocast():
        outputs: dict[str, Tensor] = model(inputs, batch.tasks if tasks is None else tasks, batch.source)
    return outputs


def compute_losses(
    model: Network, tasks: Mapping[str, Task], batch: Batch, precision: Precision, head_inputs: list[Tensor] | None = None
) -> dict[str, Loss]:
    """Compute the loss of each task over the labeled units of one batch; tasks without a labeled unit are absent.

    Args:
        model: Network to evaluate.
        tasks: Tasks by name.
        batch: Rows of one source.
        precision: Precision of the forward pass.
        head_inputs: List to which the inputs of the heads are appended, each tensor once; `None` does not collect them.
    """
    if batch.device != precision.device:
        batch = batch.to(precision.device)
    inputs = precision.format_inputs(batch.normalization(batch.inputs))
    with precision.autocast():
        features, outputs = model.features_and_outputs(inputs, tuple(batch.targets), batch.source)
    if head_inputs is not None:
        head_inputs.extend({id(values): values for values in features.values()}.values())
    if len(batch.targets) >= FEWEST_LOSSES:
        return masked_losses(tasks, outputs, batch.targets, batch.labeled, batch.weights)
    losses = {
        name: masked_loss(tasks[name], outputs[name], batch.targets[name], batch.labeled[name], batch.weights.get(name))
        for name in batch.targets
    }
    return {name: loss for name, loss in losses.items() if loss is not None}


def predict_outputs(model: Network, rows: Batch, precision: Precision, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
    """Return the outputs (N, task.outputs) per task for any number of rows on the CPU, in evaluation mode and without a graph.

    Rows are processed in chunks. Outputs are float32, or float64 for a network of that type.

    Args:
        model: Network to evaluate.
        rows: Rows of one source.
        precision: Precision of the forward pass.
        tasks: Names of the tasks; by default those that the source labels.
    """
    with eval_mode(model), torch.inference_mode(), reproducible_kernels(precision.device):
        chunks = [_predict_batch(model, chunk, precision, tasks) for chunk in rows.chunks(INFERENCE_BATCH_SIZE)]
    return {task: torch.cat([chunk[task] for chunk in chunks]).cpu() for task in chunks[0]} if chunks else {}


def _predict_batch(model: Network, rows: Batch, precision: Precision, tasks: Sequence[str] | None) -> dict[str, Tensor]:
    return {task: _mask_padding(_at_least_float32(outputs), rows) for task, outputs in forward_batch(model, rows, precision, tasks).items()}


def _at_least_float32(outputs: Tensor) -> Tensor:
    return outputs if outputs.dtype == torch.float64 else outputs.float()


def _mask_padding(outputs: Tensor, rows: Batch) -> Tensor:
    """Replace the outputs (N, L, C) of padding tokens, whose codes are 0, and of missing steps, whose numbers are NaN, by NaN."""
    if outputs.dim() < 3:
        return outputs
    inputs, are_codes = rows.inputs, not rows.normalization.mean
    if not are_codes and not (inputs.dim() == 3 and inputs.shape[:2] == outputs.shape[:2]):
        return outputs
    return outputs.masked_fill(padding_mask(inputs, codes=are_codes).unsqueeze(2), torch.nan)


def task_outcome(task: Task, outputs: Tensor, source: PreparedSource) -> Outcome:
    """Return the true and the predicted values for the labeled rows of a source."""
    mask = source.rows.labeled_rows(task.name)
    values, probabilities = task.predict(outputs if mask is None else outputs[mask])
    return Outcome(source.truths[task.name], values, probabilities)


def predict_outcomes(
    model: Network, tasks: Sequence[Task], sources: Mapping[str, PreparedSource], precision: Precision
) -> dict[str, Outcome]:
    """Return the true and the predicted values per task, over all sources that label it."""
    found: dict[str, list[Outcome]] = {task.name: [] for task in tasks}
    for source in sources.values():
        outputs = predict_outputs(model, source.rows, precision)
        for task in tasks:
            if task.name in source.truths:
                found[task.name].append(task_outcome(task, outputs[task.name], source))
    return {task: join_outcomes(outcomes) for task, outcomes in found.items() if outcomes}


def compute_task_metrics(tasks: Sequence[Task], outcomes: Mapping[str, Outcome]) -> dict[str, dict[str, float]]:
    """Compute all available metrics of each task."""
    return {task.name: compute_metrics(outcomes[task.name], task.available_metrics) for task in tasks}


class RelativeMetrics:
    """Relative metrics: the selection metric on a scale from the trivial predictor (0) to a perfect one (1).

    The trivial predictor is fitted on training targets and applied to the validation part.

    Args:
        tasks: Tasks to evaluate.
        training: Training part of each source.
        validation: Validation part of each source.
    """

    def __init__(self, tasks: Sequence[Task], training: Mapping[str, PreparedSource], validation: Mapping[str, PreparedSource]) -> None:
        self._deciding = {task.name: metric_of(task) for task in tasks}
        self._selecting = {task.name: selection_metric_of(task) for task in tasks}
        self._trivial = {task.name: self._trivial_value(task, training, validation) for task in tasks}

    def values(self, outcomes: Mapping[str, Outcome]) -> dict[str, dict[str, float]]:
        """Compute, per task, the deciding metric, and after it the selection metric if that is a different one."""
        return {
            task: compute_metrics(outcomes[task], dict.fromkeys((metric, self._selecting[task]))) for task, metric in self._deciding.items()
        }

    def relative(self, values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """Return the selection metric of each task as a relative metric."""
        return {task: relative_score(metric, values[task][metric.name], self._trivial[task]) for task, metric in self._selecting.items()}

    def _trivial_value(self, task: Task, training: Mapping[str, PreparedSource], validation: Mapping[str, PreparedSource]) -> float:
        seen, held_out = (_all_labels(task.name, sources) for sources in (training, validation))
        return self._selecting[task.name].function(trivial_predictions(task, seen, held_out))


def _all_labels(task: str, sources: Mapping[str, PreparedSource]) -> NDArray[Any]:
    return np.concatenate([source.truths[task] for source in sources.values() if task in source.truths])


def join_outcomes(outcomes: Sequence[Outcome]) -> Outcome:
    """Concatenate outcomes over their units."""
    if len(outcomes) == 1:
        return outcomes[0]
    probabilities = [outcome.probabilities for outcome in outcomes if outcome.probabilities is not None]
    return Outcome(
        np.concatenate([outcome.targets for outcome in outcomes]),
        np.concatenate([outcome.predictions for outcome in outcomes]),
        np.concatenate(probabilities) if probabilities else None,
    )
