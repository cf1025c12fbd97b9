"""Complete state of a training run, as one object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from polytask.architectures import Network
from polytask.gradients import Backward
from polytask.training.loop.averaged_weights import AveragedWeights
from polytask.training.loop.early_stopping import EarlyStopping
from polytask.training.loop.network_tensors import load_network_tensors, network_tensors


class HistoryRow(NamedTuple):
    """One value of the history, which is a tidy table.

    Attributes:
        epoch: Epoch at whose end the value was recorded, from 1.
        step: Number of steps taken before the value was recorded.
        task: Name of the task.
        split: `training`, `validation`, `sharing`, or `observed` (by a callback).
        name: `loss`, `weight`, a statistic of the tasks' gradients (`Conflicts.by_task`), `direction cosine` (`Report.cosine`), or the
            name of a metric, of a statistic of the sharing, or of a callback's value.
        value: The value.
    """

    epoch: int
    step: int
    task: str
    split: str
    name: str
    value: float


class LoopCallback(Protocol):
    """What a training loop calls of a callback; `polytask.training.Callback` documents the hooks.

    The loop is typed loosely here, so that the modules of the loop do not depend on those of callbacks, which depend on them.
    """

    @property
    def saved_within_epochs(self) -> bool:
        """Whether the state may be saved between two steps of an epoch."""

    def on_fit_begin(self, loop: Any) -> None:  # noqa: ANN401
        """Run before the first step."""

    def on_step_begin(self, loop: Any, batches: Any) -> None:  # noqa: ANN401
        """Run before every training step."""

    def on_step_end(self, loop: Any, report: Any) -> None:  # noqa: ANN401
        """Run after every training step."""

    def on_epoch_end(self, loop: Any) -> None:  # noqa: ANN401
        """Run after every epoch."""

    def on_fit_end(self, loop: Any) -> None:  # noqa: ANN401
        """Run after the last step."""

    def epoch_values(self) -> Mapping[str, Mapping[str, float]]:
        """Return values of an epoch for the history, by name and task."""

    def results(self) -> Mapping[str, Any]:
        """Return the results so far."""

    def identity(self) -> Mapping[str, Any]:
        """Return the configuration."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state."""


@dataclass
class TrainingState:
    """State of a training run: the network, the means of training it, and the progress.

    Shuffling and dropout have no state: their random streams are functions of the seed, the source, the epoch and the step.

    Attributes:
        model: Network that is trained.
        optimizer: Optimizer of the network's parameters.
        schedule: Learning rate scheduler; None for a constant rate.
        backward: Backward pass, which computes the gradients and holds the balancer.
        stopping: Early stopping.
        scaler: Loss scaler of training in float16; None otherwise.
        averages: Moving average of the weights, which is validated and kept; None validates and keeps the weights themselves.
        epoch: Number of completed epochs.
        step: Number of steps taken.
        rows: Number of rows seen.
        seconds: Training time in seconds, over all sessions.
        peak_memory: Largest sampled memory of the process in bytes, over all sessions.
        finished: Whether the run has converged or used its budget.
        diverged: Message of the error that ended training early, because values were no longer finite; empty if none did.
        best_epoch: Epoch of the weights in `best`.
        best: Weights and buffers that are kept: those with the best mean relative validation metric, or the last finite ones.
        history: Rows of the history, one per value.
        timeline: Per epoch, the seconds spent so far and the mean relative validation metric.
        identity: Signature of the run; a state with another signature is not loaded.
        frozen: Epoch after which each task that has converged was frozen, by task.
        callbacks: Callbacks by name, whose states are part of this one.
        partial: Of an epoch that has begun, the number of its steps so far (`steps`), their values (`numbers`, `last`), and the failed
            steps before it (`unsolved`, `non_finite`); empty between epochs.
    """

    model: Network
    optimizer: Optimizer
    schedule: LRScheduler | None
    backward: Backward
    stopping: EarlyStopping
    scaler: GradScaler | None = None
    averages: AveragedWeights | None = None
    epoch: int = 0
    step: int = 0
    rows: int = 0
    seconds: float = 0.0
    peak_memory: int = 0
    finished: bool = False
    diverged: str = ""
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[HistoryRow] = field(default_factory=list)
    timeline: list[tuple[float, float]] = field(default_factory=list)
    identity: Mapping[str, Any] = field(default_factory=dict)
    frozen: dict[str, int] = field(default_factory=dict)
    _still: list[nn.Parameter] = field(default_factory=list)
    callbacks: Mapping[str, LoopCallback] = field(default_factory=dict)
    partial: Mapping[str, Any] = field(default_factory=dict)

    @contextmanager
    def session(self, loop: Any) -> Iterator[None]:  # noqa: ANN401
        """Let the callbacks of a loop begin, and end even if training ends with an error."""
        with ExitStack() as stack:
            for callback in self.callbacks.values():
                callback.on_fit_begin(loop)
                stack.callback(callback.on_fit_end, loop)
            yield

    def averaged(self) -> AbstractContextManager[None]:
        """Let the averaged weights, if there are any, take the places of the weights in the network during a `with` block."""
        return nullcontext() if self.averages is None else self.averages.applied()

    def update_weights(self) -> None:
        """Take the optimizer's step with a scaler, which leaves out a step whose gradients are not finite."""
        if self.scaler is not None:
            self.scaler.step(self.optimizer)
            self.scaler.update()

    @property
    def score(self) -> float:
        """Mean relative validation metric of the weights that are kept; 0 before the first epoch."""
        return self.timeline[self.best_epoch - 1][1] if self.best_epoch else 0.0

    def keep_weights(self) -> None:
        """Store a copy of the weights and all buffers in the network as those that are kept."""
        self.best = {name: tensor.detach().clone() for name, tensor in network_tensors(self.model).items()}
        self.best_epoch = self.epoch

    def freeze(self, task: str) -> None:
        """Note that a task is frozen, and leave its private parameters at the weights that were validated."""
        own = self.model.private_parameters(task)
        self.frozen[task] = self.epoch
        self._still += own
        if self.averages is not None:
            self.averages.settle(own)

    def clear_frozen(self) -> None:
        """Clear the gradients of frozen tasks' private parameters, which a penalty may reach, so that no optimizer moves them."""
        for parameter in self._still:
            parameter.grad = None

    def restore_kept(self) -> None:
        """Load the weights and buffers that are kept into the network."""
        load_network_tensors(self.model, self.best)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested dictionaries of tensors and plain data."""
        optimizer = self.optimizer.state_dict()
        return {
            "model": network_tensors(self.model),
            "averages": {} if self.averages is None else self.averages.state_dict(),
            "optimizer": {
                "state": {str(number): values for number, values in optimizer["state"].items()},
                "param_groups": optimizer["param_groups"],
            },
            "scheduler": {} if self.schedule is None else _plain_scheduler_state(self.schedule.state_dict()),
            "backward": self.backward.state_dict(),
            "stopping": self.stopping.state_dict(),
            "scaler": {} if self.scaler is None else self.scaler.state_dict(),
            "counters": {name: getattr(self, name) for name in _COUNTERS},
            "best": self.best,
            "history": [list(row) for row in self.history],
            "timeline": [list(point) for point in self.timeline],
            "identity": self.identity,
            "frozen": self.frozen,
            "callbacks": {name: callback.state_dict() for name, callback in self.callbacks.items()},
            "partial": self.partial,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state from `state_dict`."""
        load_network_tensors(self.model, state["model"])
        if self.averages is not None:
            self.averages.load_state_dict(state["averages"])
        numbered = {int(number): dict(values) for number, values in state["optimizer"]["state"].items()}
        self.optimizer.load_state_dict({"state": numbered, "param_groups": state["optimizer"]["param_groups"]})
        self._restore_memory_format()
        if self.schedule is not None:
            self.schedule.load_state_dict(dict(state["scheduler"]))
        self.backward.load_state_dict(state["backward"])
        self.stopping.load_state_dict(state["stopping"])
        if self.scaler is not None:
            self.scaler.load_state_dict(dict(state["scaler"]))
        for name in _COUNTERS:
            setattr(self, name, state["counters"][name])
        self.best = dict(state["best"])
        self.history = [HistoryRow(*row) for row in state["history"]]
        self.timeline = [(seconds, relative) for seconds, relative in state["timeline"]]
        self.partial, self.frozen = state.get("partial", {}), dict(state.get("frozen", {}))
        self._still = [parameter for task in self.frozen for parameter in self.model.private_parameters(task)]
        for name, callback in self.callbacks.items():
            callback.load_state_dict(state["callbacks"][name])

    def _restore_memory_format(self) -> None:
        """Give the optimizer's moments the memory format of their parameters.

        Files store tensors contiguously, but fused optimizers iterate over memory and need the layouts to match.
        """
        for parameter, moments in self.optimizer.state.items():
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


_COUNTERS = ("epoch", "step", "rows", "seconds", "peak_memory", "finished", "diverged", "best_epoch")


def _plain_scheduler_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain data of a scheduler's state; functions that the user has given are in the options."""
    return {name: value for name, value in state.items() if isinstance(value, int | float | str | list | type(None))}
