"""A kind of task of a user's own, as CONTRIBUTING.md has it: a direction on a circle, in degrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from polytask.tasks import Metric, Outcome, Predictions, Runs, Targets, Task


def errors(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """How many degrees lie between two directions, 180 at most."""
    return 180 - np.abs(180 - np.abs(targets - predictions) % 360)


def mean_error(outcome: Outcome) -> float:
    """The mean angle between target and prediction."""
    return float(errors(outcome.targets, outcome.predictions).mean())


def influence(targets: np.ndarray, runs: Runs) -> np.ndarray:
    """A mean has its terms as influences."""
    return errors(targets, runs.predictions)


ANGULAR_ERROR = Metric("angular-error", mean_error, higher_is_better=False, perfect=0.0, influence=influence)


@dataclass(frozen=True, kw_only=True)
class Angle(Task):
    """A direction, with one minus the cosine of the error.

    From outputs z (2,) comes the direction of the point (z_1, z_2).
    """

    kind: ClassVar[str] = "angle"
    metrics: ClassVar[tuple[str | Metric, ...]] = (ANGULAR_ERROR,)

    @property
    def outputs(self) -> int:
        """A point in the plane."""
        return 2

    def encode(self, labels: Any) -> Targets:
        """Radians."""
        degrees = np.asarray(labels, dtype=np.float64)
        return Targets(np.deg2rad(np.nan_to_num(degrees)).astype(np.float32), ~np.isnan(degrees))

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Degrees, as they are."""
        return values

    def metric_targets(self, labels: Any) -> np.ndarray:
        """Degrees."""
        return np.asarray(labels, dtype=np.float64)

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """1 − cos(error), and a pull of the point towards the circle."""
        point = torch.stack([torch.cos(targets), torch.sin(targets)], dim=1).to(outputs.dtype)
        return (outputs - point).square().sum(dim=1)

    def predict(self, outputs: Tensor) -> Predictions:
        """The point's direction, from 0 to 360."""
        return Predictions(np.rad2deg(torch.atan2(outputs[:, 1], outputs[:, 0]).double().numpy(force=True)) % 360, None)

    def trivial_predictions(self, training: np.ndarray, targets: np.ndarray) -> Predictions:
        """The direction of the mean point."""
        radians = np.deg2rad(training)
        mean = np.rad2deg(np.arctan2(np.sin(radians).mean(), np.cos(radians).mean())) % 360
        return Predictions(np.full(len(targets), mean), None)
