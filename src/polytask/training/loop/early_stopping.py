"""Early stopping by a policy over the tasks' validation metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polytask.options.training_options import Policy

MEAN_KEY = ""  # key of the mean over tasks: no task has this name


class EarlyStopping:
    """Early stopping, from the number of epochs for which each task, and the mean over tasks, has not improved.

    Metrics are relative: 0 is the trivial predictor (fitted on training rows), 1 a perfect one, so that tasks with different metrics can be
    averaged. The best epoch is the one with the best mean, whatever the policy.

    Args:
        tasks: Names of the tasks, in order; the policy `first` uses the first of them.
        policy: Which metrics must have stopped improving: that of the `first` task, of `any` task, of `all` tasks, or their `mean`.
        patience: Number of epochs without improvement after which to stop; None disables early stopping.
        share: Stop only if at least this share of the epochs so far was without improvement, so that slow runs get more patience.
        min_delta: An increase must exceed this to count as an improvement.

    Example:
        >>> stopping = EarlyStopping(("a", "b"), "first", patience=1, min_delta=0.0)
        >>> stopping.update({"a": 0.5, "b": 0.1}), stopping.converged
        (True, False)
        >>> stopping.update({"a": 0.5, "b": 0.4}), stopping.converged
        (True, True)
    """

    def __init__(self, tasks: Sequence[str], policy: Policy, patience: int | None, min_delta: float, share: float = 0.0) -> None:
        self.tasks, self.policy, self.patience, self.min_delta, self.share = tuple(tasks), policy, patience, min_delta, share
        self.epochs = 0
        self.best: dict[str, float] = {}
        self.stalled: dict[str, int] = {}
        self.best_mean: float | None = None

    def update(self, relative: Mapping[str, float]) -> bool:
        """Add the relative metrics of an epoch, and return whether their mean is the best so far."""
        self.epochs += 1
        mean = sum(relative[task] for task in self.tasks) / len(self.tasks)
        for name, value in {**{task: relative[task] for task in self.tasks}, MEAN_KEY: mean}.items():
            if name not in self.best or value > self.best[name] + self.min_delta:
                self.best[name], self.stalled[name] = value, 0
            else:
                self.stalled[name] += 1
        improved = self.best_mean is None or mean > self.best_mean
        if improved:
            self.best_mean = mean
        return improved

    def restart(self, tasks: Sequence[str]) -> None:
        """Forget the best values of tasks that start now, and of the mean over tasks: the next epoch is the best so far."""
        if not tasks:
            return
        for name in (*tasks, MEAN_KEY):
            self.best.pop(name, None)
            self.stalled.pop(name, None)
        self.best_mean = None

    def has_stalled(self, name: str, patience: int) -> bool:
        """Return whether a task, or the mean over tasks, has not improved for so many epochs and for the share of the epochs so far."""
        return self.stalled.get(name, 0) >= max(patience, self.share * self.epochs)

    @property
    def converged(self) -> bool:
        """Whether training should stop according to the policy."""
        if self.patience is None or not self.stalled:
            return False
        through = {name: self.has_stalled(name, self.patience) for name in self.stalled}
        verdicts = {
            "first": through[self.tasks[0]],
            "any": any(through[task] for task in self.tasks),
            "all": all(through[task] for task in self.tasks),
            "mean": through[MEAN_KEY],
        }
        return verdicts[self.policy]

    def state_dict(self) -> dict[str, Any]:
        """Return the best values so far, and the epochs without improvement."""
        return {"best": dict(self.best), "stalled": dict(self.stalled), "best_mean": self.best_mean, "epochs": self.epochs}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state from `state_dict`."""
        self.best, self.stalled = dict(state["best"]), dict(state["stalled"])
        self.best_mean, self.epochs = state["best_mean"], state["epochs"]
