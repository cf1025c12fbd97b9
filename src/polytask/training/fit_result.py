"""A trained network, and how it came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from polytask.architectures import MultiTaskModel
from polytask.data import Normalization, Preprocessor
from polytask.encoders.initialization import LoadedWeights
from polytask.options import TrainingOptions
from polytask.tasks import Task
from polytask.training.hardware import Precision


@dataclass(frozen=True)
class FitResult:
    """A trained network, and how it came to be.

    Attributes:
        model: With the weights of the best epoch.
        tasks: With what they learned from the training labels.
        normalizations: Per source.
        precision: Of the forward pass.
        options: Resolved: every measured choice is in them.
        validation: Per task every metric on the validation part.
        relative_score: The mean relative validation metric of the best epoch, by which models are chosen.
        history: A tidy table: epoch, step, task, split, name, value.
        epochs: How many were trained.
        best_epoch: Whose weights these are.
        steps: How many were taken.
        rows: How many were seen.
        seconds: How long it took.
        peak_memory: Bytes of the process, sampled; the largest of all sessions.
        timeline: Per epoch the seconds spent, and the mean relative validation metric that it reached.
        finished: Whether it has converged or used its budget; a run that was paused has not.
        preprocessors: Per source of texts or tables, what made its inputs.
        loaded_weights: What a weights file and the network had in common, if one was given.
        callback_results: Per callback, by its name, what it has found.
    """

    model: MultiTaskModel
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
    loaded_weights: LoadedWeights | None = None
    preprocessors: Mapping[str, Preprocessor] = field(default_factory=dict)
    callback_results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Run of {self.epochs} epochs on {', '.join(self.validation)}>"

    def __str__(self) -> str:
        """How long it took, and every metric on the validation part."""
        state = "" if self.finished else ", paused"
        head = f"{self.epochs} epochs, the best is {self.best_epoch}; {self.steps} steps in {self.seconds:.1f} s{state}"
        lines = [f"{task}: {', '.join(f'{name} {value:.4g}' for name, value in own.items())}" for task, own in self.validation.items()]
        return "\n".join([head, *lines])
