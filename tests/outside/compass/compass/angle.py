"""A kind of task: a direction on a circle, in degrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from polytask.tasks import Metric, Outcome, Predictions, Runs, Targets, Task, has_label, labels_as_floats


def errors(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return the angles between directions: 180 degrees at most."""
    return 180 - np.abs(180 - np.abs(targets - predictions) % 360)


def mean_error(outcome: Outcome) -> float:
    """Return the mean angle between target and prediction."""
    return float(errors(outcome.targets, outcome.predictions).mean())


def influence(targets: np.ndarray, runs: Runs) -> np.ndarray:
    """Return the terms of the mean: they are its influences."""
    return errors(targets, runs.predictions)


ANGULAR_ERROR = Metric("angular-error", mean_error, higher_is_better=False, perfect=0.0, influence=influence)


@dataclass(frozen=True, kw_only=True)
class Angle(Task):
    """A direction. From outputs z (2,) comes that of the point (z_1, z_2); the loss is its squared distance to the target's."""

    kind: ClassVar[str] = "angle"
    metrics: ClassVar[tuple[str | Metric, ...]] = (ANGULAR_ERROR,)

    @property
    def outputs(self) -> int:
        return 2

    def encode(self, labels: Any) -> Targets:
        return Targets(np.deg2rad(labels_as_floats(self.name, labels)).astype(np.float32), has_label(labels))

    def decode(self, values: np.ndarray) -> np.ndarray:
        return values

    def metric_targets(self, labels: Any) -> np.ndarray:
        return labels_as_floats(self.name, labels)

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        radians = targets.to(outputs.dtype)
        return (outputs - torch.stack([torch.cos(radians), torch.sin(radians)], dim=1)).square().sum(dim=1)

    def predict(self, outputs: Tensor) -> Predictions:
        return Predictions(np.rad2deg(torch.atan2(outputs[:, 1], outputs[:, 0]).double().numpy(force=True)) % 360, None)

    def trivial_predictions(self, training: np.ndarray, targets: np.ndarray) -> Predictions:
        radians = np.deg2rad(training)
        mean = np.rad2deg(np.arctan2(np.sin(radians).mean(), np.cos(radians).mean())) % 360
        return Predictions(np.full(len(targets), mean), None)


def formula(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the loss once more: |z|² + 1 − 2 z · (cos, sin)."""
    return (outputs**2).sum(1) + 1 - 2 * (outputs[:, 0] * np.cos(targets) + outputs[:, 1] * np.sin(targets))


KINDS = ({"task": Angle(name="wind"), "labels": [350.0, np.nan, 10.0, 90.0], "foreign": "north", "formula": formula},)
