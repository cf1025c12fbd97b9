"""Preferences among tasks, as arguments of methods that have them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from polytask.errors import ConfigError

TaskPreferences = Mapping[str, float]


def validate_preferences(preference: TaskPreferences | None, method: str) -> dict[str, float]:
    """The preferences by task.

    Raises:
        ConfigError: One is not above 0.
    """
    for task, value in (preference or {}).items():
        if not 0 < value < float("inf"):
            raise ConfigError("a preference is a number above 0", where=f"{method}, preference of task {task!r}", found=value)
    return {task: float(value) for task, value in (preference or {}).items()}


def preference_vector(preference: TaskPreferences, names: tuple[str, ...]) -> np.ndarray:
    """(T,) the preferences of these tasks; 1 for tasks that have none."""
    return np.array([preference.get(name, 1.0) for name in names])
