"""Values of the steps of an epoch, for the history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from polytask.gradients import Report
from polytask.training.loop.training_state import HistoryRow, TrainingState


@dataclass
class EpochTotals:
    """Losses, weights and other values of the steps of an epoch, per task.

    Attributes:
        numbers: Values of all steps, by name and task.
        last: Losses of the last step, by task.
    """

    numbers: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, numbers: Mapping[str, Mapping[str, Sequence[float]]], last: Mapping[str, float]) -> EpochTotals:
        """Return the totals of the steps so far of an epoch that goes on."""
        return cls({name: {task: list(own) for task, own in values.items()} for name, values in numbers.items()}, dict(last))

    def add(self, step: Mapping[str, Mapping[str, float]]) -> None:
        """Add the values of a step, by name and task."""
        self.last = dict(step["loss"])
        for name, values in step.items():
            for task, value in values.items():
                self.numbers.setdefault(name, {}).setdefault(task, []).append(value)

    def means(self) -> dict[str, dict[str, float]]:
        """Return means by name and task, over the steps in which the task was present."""
        return {name: {task: sum(v) / len(v) for task, v in values.items()} for name, values in self.numbers.items()}


def history_values(report: Report) -> dict[str, dict[str, float]]:
    """Return the values of a step for the history, by name and task; those of a task that was dropped are left out.

    The cosine of the direction with the mean gradient is among them where it follows from the Gramian, which costs nothing.
    """
    bad = () if report.bad is None else report.dropped
    losses = {task: float(loss) for task, loss in report.losses.items() if task not in bad}
    seen = {} if report.conflicts is None else report.conflicts.by_task()
    cosine = report.cosine if seen else None
    turned = {} if cosine is None else {"direction cosine": dict.fromkeys(losses, cosine)}
    return {"loss": losses, "weight": report.weights, **seen, **turned}


def record_epoch(state: TrainingState, means: Mapping[str, Mapping[str, float]]) -> dict[str, Mapping[str, float]]:
    """Add the values of an epoch to the history: means over its steps, values of the sharing, and of callbacks, which are returned."""
    observed = {name: values for callback in state.callbacks.values() for name, values in callback.epoch_values().items()}
    for split, found in {"training": means, "sharing": state.model.describe_sharing(), "observed": observed}.items():
        for name, values in found.items():
            state.history.extend(HistoryRow(state.epoch, state.step, task, split, name, value) for task, value in values.items())
    return observed


def record_failed_steps(state: TrainingState, tasks: Iterable[str], counts: Mapping[str, int]) -> None:
    """Add the numbers of steps without a solution, or with values that are not finite, to the history of an epoch that has any."""
    for name, count in counts.items():
        if count:
            state.history.extend(HistoryRow(state.epoch + 1, state.step, task, "training", name, float(count)) for task in tasks)
