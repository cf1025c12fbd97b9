"""The sections of the options of a run, and which section an option belongs to by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polytask.errors import ConfigError
from polytask.options.base import fields_of
from polytask.options.table_options import TableOptions
from polytask.options.train_config import NetworkConfig
from polytask.options.training_options import TrainingOptions
from polytask.registry.suggestion import nearest

TRAINING, TABLE = "training", "table"
"""Names of the sections of an option model, in addition to its own fields, whose section is the empty string."""


def option_sections(config: type[NetworkConfig]) -> dict[str, type]:
    """Return the option models whose fields a run offers under their own names: those of a table, of the run, and of training."""
    return {TABLE: TableOptions, "": config, TRAINING: TrainingOptions}


def sort_into_sections(config: type[NetworkConfig], given: Mapping[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """Sort options that are given by name alone into the sections to which they belong.

    Args:
        config: Option model of the run.
        given: Values by name.
        where: Name of the caller, for error messages.

    Raises:
        ConfigError: No section has an option of this name.

    Example:
        >>> from polytask.options import TrainConfig
        >>> sort_into_sections(TrainConfig, {"epochs": 3, "group": "customer", "seed": 1}, "train")
        {'table': {'group': 'customer'}, '': {'seed': 1}, 'training': {'epochs': 3}}
    """
    sections: dict[str, dict[str, Any]] = {section: {} for section in option_sections(config)}
    section_of = {field.name: section for section, model in option_sections(config).items() for field in fields_of(model)}
    for name, value in given.items():
        if name not in section_of:
            raise ConfigError("there is no such option", where=where, found=name, remedy=nearest(name, tuple(section_of)))
        sections[section_of[name]][name] = value
    return sections
