"""Rows and options of runs that take a moment."""

from __future__ import annotations

from typing import Any

import numpy as np

import polytask as pt

ROWS = 48
X = np.random.default_rng(0).normal(size=(ROWS, 6)).astype("float32")
LABELS = {"a": X[:, 0], "b": (X[:, 1] > 0).astype("int64"), "c": np.where(X[:, 3] > 0.5, np.nan, X[:, 2])}
TASKS = (pt.tasks.Regression(name="a"), pt.tasks.Binary(name="b"), pt.tasks.Regression(name="c"))
SHORT: dict[str, Any] = {"epochs": 1, "batch_size": 16, "threads": 1, "precision": "float32", "optimizer": "SGD", "lr": 0.01}


def source() -> pt.Source:
    """Rows of three tasks, of which one lacks labels."""
    return pt.Source("rows", X, LABELS)
