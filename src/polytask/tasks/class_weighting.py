"""What a loss may stress or soften: weights of classes, and smoothed labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from polytask.errors import ConfigError

BALANCED = "balanced"


def validated_weight(task: str, weight: Any, what: str) -> float:  # noqa: ANN401 - whatever was given
    """The weight as a plain number.

    Raises:
        ConfigError: It is no number above 0.
    """
    if isinstance(weight, bool) or not isinstance(weight, int | float | np.integer | np.floating) or not 0 < weight < np.inf:
        remedy = f"Give a number above 0, or {BALANCED!r}"
        raise ConfigError("a weight in the loss is a number above 0", where=f"task {task!r}, {what}", found=repr(weight), remedy=remedy)
    return float(weight)


def validated_smoothing(task: str, smoothing: Any) -> float:  # noqa: ANN401 - whatever was given
    """The share ε of a label that is spread over all classes.

    Raises:
        ConfigError: It is no number from 0 to below 1.
    """
    if isinstance(smoothing, bool) or not isinstance(smoothing, int | float | np.integer | np.floating) or not 0 <= smoothing < 1:
        where = f"task {task!r}, label_smoothing"
        raise ConfigError("a share from 0 to below 1 is needed", where=where, found=repr(smoothing))
    return float(smoothing)


def weights_not_fitted_error(task: str, what: str) -> ConfigError:
    """The complaint about balanced weights that nobody has counted yet."""
    remedy = "Use task.fitted(labels)"
    return ConfigError("balanced weights are counted in the training labels first", where=f"task {task!r}, {what}", remedy=remedy)
