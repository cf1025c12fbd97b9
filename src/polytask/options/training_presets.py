"""Named budgets for training: number of steps and batch size."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

SMALLEST_BATCH, LARGEST_BATCH = 32, 256
STEPS_PER_EPOCH = 20


@dataclass(frozen=True)
class TrainingPreset:
    """Budget of a training run.

    Attributes:
        steps: Approximate number of training steps, whatever the number of rows.
        least: Minimum number of epochs.
        most: Maximum number of epochs.
        minutes: Time of a study, from which its number of seeds follows.
    """

    steps: int
    least: int
    most: int
    minutes: int


TRAINING_PRESETS: Mapping[str, TrainingPreset] = MappingProxyType(
    {
        "quick": TrainingPreset(600, 4, 60, 2),
        "standard": TrainingPreset(4_000, 15, 200, 10),
        "thorough": TrainingPreset(20_000, 40, 500, 60),
    }
)


def find_preset(name: str) -> TrainingPreset:
    """Return the preset with this name.

    Raises:
        ConfigError: There is no such preset.
    """
    if name not in TRAINING_PRESETS:
        raise ConfigError("unknown preset", where=repr(name), remedy=nearest(str(name), tuple(TRAINING_PRESETS)))
    return TRAINING_PRESETS[name]


def preset_training_options(name: str, rows: int) -> dict[str, Any]:
    """Return the training options of a preset for a table with `rows` training rows.

    Small tables get small batches, so that an epoch has about twenty steps. The number of epochs follows from the steps of the preset;
    patience is that of `TrainingOptions`, which grows with the epochs.

    Args:
        name: Name of the preset: quick, standard or thorough.
        rows: Number of training rows.

    Raises:
        ConfigError: There is no such preset.

    Example:
        >>> preset_training_options("standard", rows=1_000)
        {'batch_size': 32, 'epochs': 125}
    """
    budget = find_preset(name)
    batch = SMALLEST_BATCH
    while batch < LARGEST_BATCH and rows // (2 * batch) >= STEPS_PER_EPOCH:
        batch *= 2
    epochs = min(max(-(-budget.steps // -(-rows // batch)), budget.least), budget.most)
    return {"batch_size": batch, "epochs": epochs}
