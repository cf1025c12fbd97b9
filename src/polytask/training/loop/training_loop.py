"""The training loop, which is independent of balancers and architectures."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from polytask.data import Sampler
from polytask.data.sampling.merge_small_batches import with_minimum_rows
from polytask.devices import CPU, forked_generators, reproducible_kernels, seed_generator
from polytask.errors import NonFiniteError
from polytask.gradients import Report
from polytask.gradients.step_context import UndeclaredSharedError
from polytask.options import TrainingOptions
from polytask.seeds import derive_seed
from polytask.tasks import Loss
from polytask.training.failed_steps import WARN_ABOVE
from polytask.training.hardware import PeakMemory, Precision
from polytask.training.inference import RelativeMetrics, compute_losses, predict_outcomes
from polytask.training.loop.batch_loader import BatchLoader
from polytask.training.loop.checkpoint_writer import CheckpointWriter
from polytask.training.loop.epoch_totals import EpochTotals, history_values, record_epoch, record_failed_steps
from polytask.training.loop.micro_batches import StepBatches, labeled_unit_counts, labels_of_tasks, split_micro_batches
from polytask.training.loop.network_tensors import named_shared_error
from polytask.training.loop.non_finite_rows import located_error, non_finite_rows, refuse_non_finite, row_numbers
from polytask.training.loop.stop_requests import StopRequests, TrainingStoppedError, obeying_stop_requests, stop_requested
from polytask.training.loop.training_progress import ProgressHook, TrainingProgress, ignore_progress, most_opposed_tasks
from polytask.training.loop.training_state import HistoryRow, TrainingState
from polytask.training.optimization.optimizers import step_scheduler
from polytask.training.optimization.param_groups import unfreeze_due
from polytask.training.optimization.task_control import TaskControl, unweighted
from polytask.training.preparation.prepared_data import PreparedData

SECONDS_BETWEEN_REPORTS = 0.25

_LOG = logging.getLogger("polytask")


@dataclass
class TrainingLoop:
    """Loop that trains a state epoch by epoch until it has converged or used its budget.

    Attributes:
        state: State of the run, which every step updates.
        data: Prepared training and validation rows.
        sampler: Sampler of the rows of each step.
        options: Resolved training options.
        precision: Precision of the forward and backward pass.
        seed: Root seed of shuffling and dropout.
        checkpoint: Folder to which the state is saved; None saves nothing.
        progress: Function that is called with progress reports.
        memory: Recorder of the peak memory.
        min_rows: Smallest number of rows of a source in a step that has any.
    """

    state: TrainingState
    data: PreparedData
    sampler: Sampler
    options: TrainingOptions
    precision: Precision
    seed: int
    checkpoint: Path | None = None
    progress: ProgressHook = ignore_progress
    memory: PeakMemory = field(default_factory=PeakMemory)
    min_rows: int = 1

    def __post_init__(self) -> None:
        self._tasks = {task.name: task for task in self.data.tasks}
        self._relative_metrics = RelativeMetrics(self.data.tasks, self.data.training, self.data.validation)
        self._control = TaskControl.of(self.options, tuple(self._tasks))
        self._factors = self._control.factors(self.state.epoch + 1)
        self._dropout = {source: derive_seed(self.seed, "dropout", source) for source in self.data.training}
        self._batches = BatchLoader(self.data.training, self.seed, self.precision.device)
        self._chosen: Mapping[str, Tensor] = {}
        self._steps = self.sampler.steps
        self.state.backward.late = self._control.late
        self._asks_again = self.state.backward.asks_again
        self._mentioned: set[str] = set()
        self._metrics: dict[str, float] = {}
        self._opposed: dict[str, str] = {}
        self._reported = self._started = time.monotonic()
        self._writer = CheckpointWriter(self.checkpoint, self.options.checkpoint_seconds)
        self._before, self._rows_before = self.state.seconds, self.state.rows

    def run(self, stop_after_epoch: int | None = None) -> None:
        """Train, and restore the weights that are kept at the end.

        Args:
            stop_after_epoch: Epoch after which to pause; the state is saved, and a loop that loads it continues as if without a pause.
                `None` does not pause.
        """
        self.state.optimizer.zero_grad()  # discard gradients that the caller may have left
        device, batches = self.precision.device, closing(self._batches)
        with forked_generators(device), reproducible_kernels(device), batches, obeying_stop_requests(), self.state.session(self):
            while not self.state.finished and (stop_after_epoch is None or self.state.epoch < stop_after_epoch):
                self._epoch_or_end()
                self._save(pausing=self.state.epoch == stop_after_epoch)
        self.state.restore_kept()

    def _epoch_or_end(self) -> None:
        """Train for an epoch; if values are no longer finite, the run may end with an earlier one."""
        try:
            self._epoch()
        except NonFiniteError as error:
            if self.options.non_finite != "end" or not self.state.best:
                raise
            self.state.diverged, self.state.finished = str(error), True
            _LOG.warning("training has ended with epoch %d: %s", self.state.best_epoch, error)

    def _epoch(self) -> None:
        if unfreeze_due(self.state.model, self.options.unfreeze, self.state.epoch + 1):
            self.state.backward.share(self.state.model.shared_parameters())
        self.state.stopping.restart(self._control.starting(self.state.epoch + 1))
        self._factors = self._control.factors(self.state.epoch + 1)
        if self.state.averages is not None:
            self.state.averages.track()
        backward = self.state.backward
        failed = {"unsolved": backward.unsolved_steps, "non_finite": backward.non_finite_steps}
        self.state.partial = self.state.partial or {"steps": 0, "numbers": {}, "last": {}, **failed}
        totals = self.train_epoch()
        before, self.state.partial = self.state.partial, {}
        unsolved, non_finite = backward.unsolved_steps - before["unsolved"], backward.non_finite_steps - before["non_finite"]
        self._count_failed_steps({"unsolved steps": unsolved, "non-finite steps": non_finite})
        self.state.epoch += 1
        with self.state.averaged():
            means = totals.means()
            self._opposed = most_opposed_tasks({**means, **record_epoch(self.state, means)})
            self._validate()
        self._freeze_converged()
        for callback in self.state.callbacks.values():
            callback.on_epoch_end(self)

    def _count_failed_steps(self, counts: Mapping[str, int]) -> None:
        """Record the numbers of steps without a solution, or with values that are not finite, and warn once of many."""
        record_failed_steps(self.state, self._tasks, counts)
        for name, count in counts.items():
            if count > WARN_ABOVE * self._steps and name not in self._mentioned:
                self._mentioned.add(name)
                _LOG.warning("epoch %d: %d of %d steps were %s", self.state.epoch + 1, count, self._steps, name)

    def train_epoch(self) -> EpochTotals:
        """Train for one epoch, or for what is left of it, and return the values of its steps."""
        self.state.model.train()
        partial = self.state.partial
        totals = EpochTotals.of(partial.get("numbers", {}), partial.get("last", {}))
        skip = int(partial.get("steps", 0))
        for number, batches in enumerate(self.epoch_batches(skip), start=skip + 1):
            report = self.step(batches)
            totals.add(history_values(report))
            self._tell(number, totals.last)
            self._save_within(number, totals)
        return totals

    def epoch_batches(self, skip: int = 0) -> Iterator[StepBatches]:
        """Yield the rows of every step of the present epoch, by source, after a number of steps that are over."""
        steps = self.sampler.epoch(self.state.epoch, self.seed)
        steps = steps if self.min_rows < 2 else with_minimum_rows(steps, self.min_rows)
        active = self._control.active(self.state.epoch + 1, self.state.frozen)
        for rows, batches in self._batches.of_epoch(steps, self.state.epoch, skip):
            self._chosen = rows
            yield batches if len(active) == len(self._tasks) else labels_of_tasks(batches, active)

    def micro_batches(self, batches: StepBatches, parts: int) -> Iterator[StepBatches]:
        """Split the rows of a step into micro-batches, none of which has a single row of a source if the network mixes rows."""
        return split_micro_batches(batches, parts, min(self.min_rows, 2))

    def step(self, batches: StepBatches) -> Report:
        """Take one step: callbacks, forward, losses, backward, clipping, optimizer, average of the weights, scheduler.

        Args:
            batches: Per source, the rows of the step.

        Returns:
            Report of the backward pass, with losses and weights.
        """
        state = self.state
        for callback in state.callbacks.values():
            callback.on_step_begin(self, batches)
        try:
            report = unweighted(self._backward(batches), self._factors) if self._factors else self._backward(batches)
        except NonFiniteError as error:
            places = non_finite_rows(state.model, self._tasks, batches, self.precision)
            raise located_error(error, places, self._row_numbers, state.epoch + 1) from error
        except UndeclaredSharedError as error:
            raise named_shared_error(state.model, error) from error
        if state.frozen:
            state.clear_frozen()
        if state.scaler is not None:
            state.scaler.unscale_(state.optimizer)
        if self.options.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(state.model.parameters(), self.options.max_grad_norm)
        step: Callable[[], object] = state.optimizer.step if state.scaler is None else state.update_weights
        step()
        state.backward.after_step()
        state.optimizer.zero_grad()
        if state.averages is not None and report.losses and not report.skipped:
            state.averages.update(self._steps)
        if self.options.scheduler_interval == "step":
            step_scheduler(state.schedule, state.stopping.best_mean or 0.0)
        state.step += 1
        state.rows += sum(len(batch) for batch in batches.values())
        for callback in state.callbacks.values():
            callback.on_step_end(self, report)
        return report

    def _backward(self, batches: StepBatches) -> Report:
        """Fill `.grad` from the batches of a step, whole or in micro-batches, with one or several forwards as the balancer needs."""
        state, parts = self.state, self.options.micro_batches
        penalty = state.model.penalty
        if parts == 1 and not self._asks_again:
            features: list[Tensor] = []
            losses = self.losses(batches, head_inputs=features)
            # The graphs end with this step: kept until then, they tell which task has a gradient that is not finite.
            return state.backward(losses, features=features, penalty=penalty, retain_graph=True)
        if state.backward.balancer.batches > 1:
            parts = state.backward.balancer.batches
            return state.backward(self._micro_batch_losses, list(enumerate(self.micro_batches(batches, parts))), penalty=penalty)
        counts = labeled_unit_counts(batches) if parts > 1 else None
        if parts > 1 and not counts:
            return state.backward({}, penalty=penalty)
        report = Report({}, {})
        for numbered in enumerate(self.micro_batches(batches, parts)):
            latest = self._micro_step(numbered, counts)
            report = latest if latest.losses else report  # micro-batches after the last label have no losses
        return report

    def _micro_step(self, numbered: tuple[int, StepBatches], counts: Mapping[str, int] | None) -> Report:
        parts, whole = self.options.micro_batches, self.state.model.penalty

        def penalty() -> Tensor | None:
            """Return the share of one micro-batch in the penalty that the architecture adds to the losses."""
            found = whole()
            return None if found is None else found / parts

        if self._asks_again:
            return self.state.backward(self._micro_batch_losses, [numbered], penalty=penalty, counts=counts)
        return self.state.backward(self._micro_batch_losses(numbered), penalty=penalty, counts=counts)

    def _micro_batch_losses(self, numbered: tuple[int, StepBatches]) -> dict[str, Loss]:
        number, batches = numbered
        return self.losses(batches, number)

    def losses(
        self, batches: StepBatches, part: int = 0, head_inputs: list[Tensor] | None = None, precision: Precision | None = None
    ) -> dict[str, Loss]:
        """Compute the loss of each task that is present in the batches.

        Every source has a separate stream of dropout, which repeated evaluations of the same step repeat.

        Args:
            batches: Per source, the rows of the step or of a micro-batch of it.
            part: Index of the micro-batch.
            head_inputs: List to which the inputs of the heads are appended; `None` does not collect them.
            precision: Precision of the forward pass; by default that of the loop.
        """
        if self.state.model.records_penalty:
            self.state.model.discard_penalty()
        losses: dict[str, Loss] = {}
        for source, batch in batches.items():
            seed = (self._dropout[source] + self.state.step * self.options.micro_batches + part) & _SEED_MASK
            torch.default_generator.manual_seed(seed)
            if self.precision.device != CPU:
                seed_generator(self.precision.device, seed)
            for task, loss in compute_losses(self.state.model, self._tasks, batch, precision or self.precision, head_inputs).items():
                weighted = loss.scaled(self._factors[task]) if task in self._factors else loss
                losses[task] = losses[task] + weighted if task in losses else weighted
        return losses

    def _row_numbers(self, source: str, places: list[int]) -> str:
        return row_numbers(self._chosen.get(source), self.data.training[source].rows.row_indices, places)

    def _validate(self) -> None:
        state = self.state
        outcomes = predict_outcomes(state.model, self.data.tasks, self.data.validation, self.precision)
        values = self._relative_metrics.values(outcomes)
        relative = self._relative_metrics.relative(values)
        self._metrics = {task: next(iter(own.values())) for task, own in values.items()}
        for task, own in values.items():
            for name, value in own.items():
                refuse_non_finite(value, f"task {task!r}, epoch {state.epoch}, step {state.step}")
                state.history.append(HistoryRow(state.epoch, state.step, task, "validation", name, value))
        state.timeline.append((self._seconds(), sum(relative.values()) / len(relative)))
        keeps_last = self.options.keep == "last"
        if state.stopping.update(relative) or keeps_last:
            state.keep_weights()
        if self.options.scheduler_interval == "epoch":
            step_scheduler(state.schedule, sum(relative.values()) / len(relative))
        converged = state.stopping.converged and not keeps_last and state.epoch >= self._control.last_start
        state.finished = converged or state.epoch >= self.options.epochs
        self.memory.sample()

    def _freeze_converged(self) -> None:
        """Freeze the tasks whose patience is over, with the weights that were validated; without another task, the run is finished."""
        state = self.state
        for task in self._control.converged(state.stopping.has_stalled, state.epoch, state.frozen):
            state.freeze(task)
            _LOG.info("epoch %d: task %r has converged and is frozen", state.epoch, task)
        state.finished = state.finished or len(state.frozen) == len(self._tasks)

    def _tell(self, number: int, losses: Mapping[str, float]) -> None:
        now, self.state.seconds = time.monotonic(), self._seconds()
        if number == self._steps or now - self._reported >= SECONDS_BETWEEN_REPORTS:
            self._reported = now
            self.memory.sample()
            speed = (self.state.rows - self._rows_before) / max(now - self._started, 1e-9)
            epoch, epochs = self.state.epoch + 1, self.options.epochs
            progress = TrainingProgress(epoch, epochs, number, self._steps, losses, self._metrics, speed, self.state.seconds, self._opposed)
            self.progress(progress)

    def _seconds(self) -> float:
        """Return the training time so far in seconds, over all sessions."""
        return self._before + time.monotonic() - self._started

    def _save(self, *, pausing: bool) -> None:
        self._measure()
        if self.state.finished or pausing or self._writer.due():
            self._writer.save(self.state)

    def _measure(self) -> None:
        self.state.seconds = self._seconds()
        self.state.peak_memory = max(self.state.peak_memory, self.memory.bytes)

    def _save_within(self, number: int, totals: EpochTotals) -> None:
        """Save the state within an epoch if it is time to, and stop if that was requested.

        A run whose callbacks keep what they learn of an epoch to themselves is saved between epochs.

        Raises:
            TrainingStoppedError: A stop was requested.
        """
        if not StopRequests.stopping and time.monotonic() < self._writer.next_within:
            return
        stopping = stop_requested()
        state = self.state
        if all(callback.saved_within_epochs for callback in state.callbacks.values()):
            state.partial = {**state.partial, "steps": number, "numbers": totals.numbers, "last": totals.last}
            self._measure()
            self._writer.save(state)
        if stopping:
            raise TrainingStoppedError


_SEED_MASK = (1 << 63) - 1
