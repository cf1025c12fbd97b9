"""A baseline: what the most similar training row has."""

from __future__ import annotations

from typing import Any

import numpy as np

import polytask as pt
from polytask.baselines import TaskRows
from polytask.tasks import Predictions


class NearestRow(pt.Baseline):
    """Every row has the label of the nearest among the first training rows."""

    spec = pt.ComponentSpec("baseline", "nearest-row", summary="the label of the nearest training row", display="nearest row")

    def __init__(self, rows: int = 1000) -> None:
        self.rows = rows

    def fit(self, task: pt.Task, training: TaskRows, validation: TaskRows, seed: int) -> None:
        self._inputs = training.inputs[: self.rows].astype(np.float64)
        self._targets = training.targets[: self.rows]

    def predict(self, inputs: Any) -> Predictions:
        distances = ((inputs[:, None].astype(np.float64) - self._inputs) ** 2).sum(axis=2)
        return Predictions(self._targets[distances.argmin(axis=1)], None)
