"""Preferences among tasks, as an argument of balancers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from polytask.errors import ConfigError

TaskPreferences = Mapping[str, float]


def validate_preferences(preference: TaskPreferences | None, method: str) -> dict[str, float]:
    """Return the preferences by task, after checking them; empty for `None`.

    Raises:
        ConfigError: A preference is not finite and above 0.
    """
    for task, value in (preference or {}).items():
        if not 0 < value < float("inf"):
            raise ConfigError("a number above 0 is needed", where=f"{method}, preference of task {task!r}", found=value)
    return {task: float(value) for task, value in (preference or {}).items()}


def preference_vector(preference: TaskPreferences, names: tuple[str, ...]) -> np.ndarray:
    """Return the preferences of these tasks: (T,), 1 for tasks that have none."""
    return np.array([preference.get(name, 1.0) for name in names])
