"""Validation of class weights and label smoothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from polytask.errors import ConfigError

BALANCED = "balanced"


def validated_weight(task: str, weight: Any, what: str) -> float:  # noqa: ANN401 - user input
    """Return a class weight as a float.

    Args:
        task: Name of the task, for the error message.
        weight: Weight to check.
        what: Name of the option, for the error message.

    Raises:
        ConfigError: The weight is not a finite number above 0.
    """
    if isinstance(weight, bool) or not isinstance(weight, int | float | np.integer | np.floating) or not 0 < weight < np.inf:
        remedy = f"Give a number above 0, or {BALANCED!r}"
        raise ConfigError("a weight must be a finite number above 0", where=f"task {task!r}, {what}", found=repr(weight), remedy=remedy)
    return float(weight)


def validated_smoothing(task: str, smoothing: Any) -> float:  # noqa: ANN401 - user input
    """Return the label smoothing ε, the part of a label that is spread over all classes, as a float.

    Raises:
        ConfigError: The smoothing is not a number in [0, 1).
    """
    if isinstance(smoothing, bool) or not isinstance(smoothing, int | float | np.integer | np.floating) or not 0 <= smoothing < 1:
        where = f"task {task!r}, label_smoothing"
        raise ConfigError("the smoothing must be a number in [0, 1)", where=where, found=repr(smoothing))
    return float(smoothing)


def weights_not_fitted_error(task: str, what: str) -> ConfigError:
    """Return the error for balanced weights that were not yet computed from training labels."""
    remedy = "Call task.fitted(labels)"
    return ConfigError("balanced weights must first be computed from training labels", where=f"task {task!r}, {what}", remedy=remedy)
