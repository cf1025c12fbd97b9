"""Result of training a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from polytask.architectures import Network
from polytask.data import Normalization, Preprocessor
from polytask.encoders.initial_weights import LoadedWeights
from polytask.metrics.notebook_html import html_paragraphs, html_table
from polytask.options import TrainingOptions
from polytask.tasks import Task
from polytask.training.failed_steps import FailedSteps
from polytask.training.hardware import Precision


@dataclass(frozen=True)
class FitResult:
    """A trained network with the history, the metrics and the costs of its training.

    Attributes:
        model: Network with the weights of the epoch that was kept, averaged as the option `averaging` says.
        tasks: Tasks with what they learned from the training labels, such as their classes.
        normalizations: Per source, the normalization of its inputs.
        precision: Precision of the forward pass.
        options: Resolved options, including every choice that was measured.
        validation: Per task, every metric on the validation part.
        relative_score: Mean relative validation metric of the epoch that was kept, by which models are chosen.
        history: Tidy table with the columns epoch, step, task, split, name, value.
        epochs: Number of epochs trained.
        best_epoch: Epoch of the weights, from 1.
        steps: Number of steps taken.
        rows: Number of rows seen, counting repetitions.
        seconds: Training time in seconds, over all sessions.
        peak_memory: Largest sampled memory of the process in bytes, over all sessions.
        timeline: Per epoch, the seconds spent so far and the mean relative validation metric.
        diverged: Why training ended early with an earlier epoch: values were no longer finite; empty if they were.
        finished: Whether the run has converged or used its budget; False for a paused run.
        loaded_weights: Parameters that a weights file and the network had in common; None if no file was given.
        preprocessors: Per source of texts or tables, the preprocessor of its inputs.
        callback_results: Results of each callback, by its name.
        unsolved_steps: Number of steps in which the balancer's condition had no solution.
        non_finite_steps: Number of steps in which a value was not finite.
        frozen: Epoch after which each task was frozen that had converged (`task_patience`), by task.
    """

    model: Network
    tasks: tuple[Task, ...]
    normalizations: Mapping[str, Normalization]
    precision: Precision
    options: TrainingOptions
    validation: Mapping[str, Mapping[str, float]]
    relative_score: float
    history: pd.DataFrame
    epochs: int
    best_epoch: int
    steps: int
    rows: int
    seconds: float
    peak_memory: int
    timeline: tuple[tuple[float, float], ...] = ()
    finished: bool = True
    diverged: str = ""
    loaded_weights: LoadedWeights | None = None
    preprocessors: Mapping[str, Preprocessor] = field(default_factory=dict)
    callback_results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unsolved_steps: int = 0
    non_finite_steps: int = 0
    frozen: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<FitResult of {self.epochs} epochs on {', '.join(self.validation)}>"

    def __str__(self) -> str:
        """Return a summary: epochs, steps, seconds, why it ended early, frozen tasks, validation metrics, and steps that went wrong."""
        state = "" if self.finished else ", paused"
        kept = "the last was kept" if self.options.keep == "last" else f"the best is {self.best_epoch}"
        head = f"{self.epochs} epochs, {kept}; {self.steps} steps in {self.seconds:.1f} s{state}"
        ended = [f"ended early: {self.diverged.rstrip('.')}; epoch {self.best_epoch} was kept"] if self.diverged else []
        if self.frozen:
            ended.append("frozen: " + ", ".join(f"{task} after epoch {epoch}" for task, epoch in self.frozen.items()))
        return "\n".join([head, *ended, *self._metric_lines, *self.failed_steps.sentences(above=0.0)])

    def _repr_html_(self) -> str:
        """Return the summary for notebooks, with a table of the metrics on the validation part."""
        head, *rest = str(self).splitlines()
        names = list(dict.fromkeys(name for own in self.validation.values() for name in own))
        rows = [(task, *(f"{own[name]:.4g}" if name in own else "" for name in names)) for task, own in self.validation.items()]
        told = [line for line in rest if line not in self._metric_lines]
        return html_paragraphs([head, *told]) + html_table(["task", *names], rows, "Metrics on the validation part")

    @property
    def _metric_lines(self) -> list[str]:
        return [f"{task}: {', '.join(f'{name} {value:.4g}' for name, value in own.items())}" for task, own in self.validation.items()]

    @property
    def failed_steps(self) -> FailedSteps:
        """Steps without a solution, and with values that are not finite."""
        policies = self.options.model_dump(include={"unsolved", "non_finite"})
        return FailedSteps(self.steps, self.unsolved_steps, self.non_finite_steps, policies)
