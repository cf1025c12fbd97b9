"""All that a training run is, in one object with one state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from polytask.architectures import MultiTaskModel
from polytask.gradients import Backward
from polytask.training.callback import Callback, by_name
from polytask.training.loop.early_stopping import EarlyStopping


class HistoryRow(NamedTuple):
    """One number of the history, which is a tidy table.

    Attributes:
        epoch: From 1; after which it was taken.
        step: How many steps had been taken.
        task: Whose.
        split: `training`, `validation`, `sharing`, or `observed`.
        name: `loss`, `weight`, what the tasks' gradients say (`Conflicts.by_task`), or a metric's name.
        value: The number.
    """

    epoch: int
    step: int
    task: str
    split: str
    name: str
    value: float


@dataclass
class TrainingState:
    """A training run: what it trains, what it trains it with, and how far it is.

    Shuffling and dropout have no state: their streams are functions of the seed, the source, the epoch and the step.

    Attributes:
        model: The network.
        optimizer: Steps its parameters.
        schedule: Steps the learning rate, if there is one.
        backward: Fills the gradients; holds the balancer.
        stopping: The policy of convergence.
        epoch: Epochs completed.
        step: Steps taken.
        rows: Rows seen.
        seconds: Time spent, over all sessions.
        peak_memory: The largest of the process in bytes, over all sessions.
        finished: Whether the run has converged or used its budget.
        best_epoch: The epoch whose weights `best` holds.
        best: The weights with the best mean relative validation metric.
        history: One row per number.
        timeline: Per epoch the seconds spent, and the mean relative validation metric that it reached.
        identity: What its result depends on: a state with another one is not loaded.
        callbacks: Look on.
    """

    model: MultiTaskModel
    optimizer: Optimizer
    schedule: LRScheduler | None
    backward: Backward
    stopping: EarlyStopping
    epoch: int = 0
    step: int = 0
    rows: int = 0
    seconds: float = 0.0
    peak_memory: int = 0
    finished: bool = False
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[HistoryRow] = field(default_factory=list)
    timeline: list[tuple[float, float]] = field(default_factory=list)
    identity: Mapping[str, Any] = field(default_factory=dict)
    callbacks: tuple[Callback, ...] = ()

    def keep_best(self) -> None:
        """Remember the weights of this epoch."""
        self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.best_epoch = self.epoch

    def restore_best(self) -> None:
        """Bring back the best weights."""
        self.model.load_state_dict(self.best)

    def state_dict(self) -> dict[str, Any]:
        """Nested dictionaries of tensors and plain data."""
        optimizer = self.optimizer.state_dict()
        return {
            "model": self.model.state_dict(),
            "optimizer": {
                "state": {str(number): values for number, values in optimizer["state"].items()},
                "param_groups": optimizer["param_groups"],
            },
            "scheduler": {} if self.schedule is None else _plain_scheduler_state(self.schedule.state_dict()),
            "backward": self.backward.state_dict(),
            "stopping": self.stopping.state_dict(),
            "counters": {name: getattr(self, name) for name in _COUNTERS},
            "best": self.best,
            "history": [list(row) for row in self.history],
            "timeline": [list(point) for point in self.timeline],
            "identity": self.identity,
            "callbacks": {name: callback.state_dict() for name, callback in by_name(self.callbacks).items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self.model.load_state_dict(state["model"])
        numbered = {int(number): dict(values) for number, values in state["optimizer"]["state"].items()}
        self.optimizer.load_state_dict({"state": numbered, "param_groups": state["optimizer"]["param_groups"]})
        self._restore_memory_format()
        if self.schedule is not None:
            self.schedule.load_state_dict(dict(state["scheduler"]))
        self.backward.load_state_dict(state["backward"])
        self.stopping.load_state_dict(state["stopping"])
        for name in _COUNTERS:
            setattr(self, name, state["counters"][name])
        self.best = dict(state["best"])
        self.history = [HistoryRow(*row) for row in state["history"]]
        self.timeline = [(seconds, relative) for seconds, relative in state["timeline"]]
        for name, callback in by_name(self.callbacks).items():
            callback.load_state_dict(state["callbacks"][name])

    def _restore_memory_format(self) -> None:
        """Files hold tensors row by row; fused optimizers walk memory, so moments need their parameter's own layout."""
        for parameter, moments in self.optimizer.state.items():
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


_COUNTERS = ("epoch", "step", "rows", "seconds", "peak_memory", "finished", "best_epoch")


def _plain_scheduler_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """What of a schedule's state is plain data: functions that the user gave come from the options again."""
    return {name: value for name, value in state.items() if isinstance(value, int | float | str | list | type(None))}
