"""Presets of studies and measurements of relatedness, and the options that only commands use."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from polytask.data import Source, TablePreprocessor
from polytask.datasets import get_dataset
from polytask.errors import ConfigError
from polytask.options import CurveConfig, NetworkConfig, StudyConfig
from polytask.options.train_config import Config
from polytask.options.training_options import FUNCTION_TRAINING
from polytask.options.training_presets import find_preset, preset_training_options
from polytask.studies.spec.arms_of_tables import is_installed
from polytask.studies.spec.study_presets import preset_study_options
from polytask.studies.tables.accepted_arms import why_not_of_tables
from polytask.tasks import Task

_LOG = logging.getLogger("polytask")
DEFAULT_PRESET, UNTUNED_PRESET = "standard", "quick"
FIXED_PLAN = frozenset({"seeds", "looks", "minutes"})
"""Options of a study by which its number of seeds is the user's own, not that which fits the minutes of the preset."""
COMMAND_OPTIONS = ("source", "size", "tables", "version")
"""Fields of a configuration that name the data or the program; in Python, the sources and tasks are passed instead."""


def reject_command_options(given: Collection[str], where: str) -> None:
    """Check that no option is given that only commands use.

    Args:
        given: Names of the options.
        where: Name of the caller, for the error message.

    Raises:
        ConfigError: An option has no effect in Python.

    Example:
        >>> reject_command_options(["size"], "study")
        Traceback (most recent call last):
        polytask.errors.ConfigError: study: only commands and files use this option (found size). Pass the data instead: ...
    """
    found = [name for name in given if name in COMMAND_OPTIONS]
    if found:
        remedy = "Pass the data instead: a table or its path, the name of a data set, or sources with their tasks"
        raise ConfigError("only commands and files use this option", where=where, found=", ".join(found), remedy=remedy)


def with_preset(config: Config, sources: Sequence[Source], tasks: Sequence[Task]) -> Config:
    """Return the configuration with the options of the preset, or else of the data set's plan, except those that the user set.

    In a study and a curve, a network whose values are no longer finite after its first epoch ends with an earlier one, unless the user
    chose otherwise.

    Args:
        config: Configuration from the user. Without a preset, tables have the default one, and other data sets their own plan.
        sources: Training sources.
        tasks: Tasks to learn.

    Raises:
        ConfigError: There is no such preset.
    """
    # A curve says so as well: its studies, resumed from its file or not, must have the same options.
    training: dict[str, Any] = {"non_finite": "end"} if isinstance(config, StudyConfig | CurveConfig) else {}
    if config.preset is None and not config.tables:
        return _with_plan(config, training)
    name = config.preset or DEFAULT_PRESET
    find_preset(name)
    rows = max((len(source) for source in sources), default=0)
    config = _with_training(config, training | preset_training_options(name, rows))
    update: dict[str, Any] = {"preset": name, **_tabular_heads(config)}
    if isinstance(config, StudyConfig):
        tables = all(isinstance(source.preprocessor, TablePreprocessor) for source in sources)
        trials = config.trials if "trials" in config.model_fields_set else None
        budget = UNTUNED_PRESET if config.folds is not None else name  # what is tuned before would be chosen on rows that are tested
        shipped = config.train is None and not why_not_of_tables(sources, tasks)
        chosen = preset_study_options(budget, tasks, tables=tables, shipped=shipped, trials=trials)
        fixed = config.folds is not None or config.model_fields_set & FIXED_PLAN
        timed = {} if fixed else {"minutes": float(find_preset(name).minutes)}
        of_study = {**timed, **chosen}
        if shipped and "arms" not in config.model_fields_set and "trials" in chosen and not is_installed("trees"):
            _LOG.warning("boosted trees take no part: LightGBM is not installed (pip install 'polytask[trees]')")
        kept = {*config.model_fields_set, *(("trials", "tune") if config.train is not None else ())}
        update |= {choice: value for choice, value in of_study.items() if choice not in kept}
    return config.model_copy(update=update)


def _with_training(config: Config, choices: Mapping[str, Any]) -> Config:
    """Return the configuration with these training options, except those that the user set."""
    by_function = isinstance(config, StudyConfig) and config.train is not None
    known = {name: value for name, value in choices.items() if not by_function or name in FUNCTION_TRAINING}
    new = {name: value for name, value in known.items() if name not in config.training.model_fields_set}
    return config.model_copy(update={"training": config.training.with_changes(new)}) if new else config


def _with_plan(config: Config, training: Mapping[str, Any]) -> Config:
    """Return the configuration with these training options and those of its data set, if it names one, except those that the user set.

    Who gives a patience wants early stopping, and who gives seeds or minutes has a plan of looks.
    """
    if config.source is None:
        return _with_training(config, training)
    dataset = get_dataset(config.source)
    plan = {name: value for name, value in dataset.plan.items() if name != "keep" or "patience" not in config.training.model_fields_set}
    config = _with_training(config, {**training, **plan})
    if not isinstance(config, StudyConfig):
        return config
    given = config.model_fields_set
    of_study = {name: value for name, value in dataset.study_plan.items() if name not in given}
    if given & {"seeds", "minutes"}:
        of_study.pop("looks", None)
    if "looks" in of_study:
        of_study["seeds"] = tuple(range(of_study["looks"][-1]))
    return config.model_copy(update=of_study)


def _tabular_heads(config: NetworkConfig) -> Mapping[str, Any]:
    """Return options by which tasks of tables share all hidden layers, unless the user gave the heads hidden layers, or the network."""
    own = config.model is not None or (isinstance(config, StudyConfig) and config.train is not None)
    return {"hidden": ()} if config.tables and not own and "hidden" not in config.model_fields_set else {}
