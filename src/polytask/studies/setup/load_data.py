"""From a configuration to sources and tasks, and what they say about the configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, cast

from polytask import datasets
from polytask.balancing.factory import uses_task_weights
from polytask.balancing.task_weights import DEFAULT_BALANCER as USUAL_BALANCER
from polytask.balancing.task_weights import WEIGHTED_BALANCER, check_task_weights, default_balancer, format_weights
from polytask.data import Sources, TablePreprocessor
from polytask.datasets.download import DownloadProgress, no_download_progress
from polytask.datasets.tables import load_tables
from polytask.datasets.tables.labeled_table import TEST_SHARE
from polytask.errors import ConfigError
from polytask.options import NetworkConfig, RelateConfig, StudyConfig, TrainConfig
from polytask.options.network_config import Config
from polytask.options.training_presets import find_preset, preset_training_options
from polytask.studies.spec.arms import parse_arm
from polytask.studies.spec.study_presets import preset_study_options
from polytask.tasks import Task

DEFAULT_PRESET = "standard"


@dataclass(frozen=True)
class LoadedData(Generic[Config]):
    """What a configuration names.

    Attributes:
        config: With the kinds of targets and the budget of the preset in it.
        sources: Training sources, and the door to the test rows.
        tasks: What to predict.
        notes: What is odd about the data, a line each.
    """

    config: Config
    sources: Sources
    tasks: tuple[Task, ...]
    notes: tuple[str, ...]


def load_data(config: Config, progress: DownloadProgress = no_download_progress) -> LoadedData[Config]:
    """The sources and tasks of a configuration.

    Args:
        config: It names a built-in data set, or tables in files.
        progress: Is told how far fetching is.

    Raises:
        ConfigError: It names neither or both; a data set, a column or a kind that does not exist.
        DataError: What a table holds is not what it must be.
    """
    if bool(config.tables) == (config.source is not None):
        found = "both" if config.tables else "neither"
        raise ConfigError("a built-in data set or tables are needed", where="source, tables", found=found)
    if not config.tables:
        sources, tasks = datasets.load_dataset(str(config.source), config.size, progress)
        return LoadedData(_with_preset(config, sources, tasks), sources, tasks, ())
    loaded = load_tables(config.tables, test_fraction=TEST_SHARE if config.keeps_test_rows else 0.0)
    config = _with_task_weights(
        _with_preset(_with_kinds(config, loaded.tasks), loaded.sources, loaded.tasks), config.model_fields_set, loaded.tasks
    )
    return LoadedData(config, loaded.sources, loaded.tasks, loaded.notes)


def _with_kinds(config: Config, tasks: tuple[Task, ...]) -> Config:
    """The kinds that were inferred, written down: a repeat does not guess again."""
    kinds = {task.name: task.kind for task in tasks}
    tables = {
        name: replace(table, targets={target: kind or kinds[target] for target, kind in table.targets.items()})
        for name, table in config.tables.items()
    }
    return config.model_copy(update={"tables": tables})


def _with_preset(config: Config, sources: Sources, tasks: Sequence[Task]) -> Config:
    """The preset's numbers, where nothing else was said."""
    if config.preset is None and not config.tables:
        return config
    name = config.preset or DEFAULT_PRESET
    rows = max(len(source) for source in sources)
    given = config.training.model_fields_set
    choices = {choice: value for choice, value in preset_training_options(name, rows).items() if choice not in given}
    update: dict[str, Any] = {"preset": name, "training": config.training.model_copy(update=choices), **_tabular_heads(config)}
    if isinstance(config, StudyConfig):
        tables = all(isinstance(source.preprocessor, TablePreprocessor) for source in sources)
        asked = config.trials if "trials" in config.model_fields_set else None
        of_study = {"seeds": tuple(range(find_preset(name).seeds)), **preset_study_options(name, tasks, tables=tables, trials=asked)}
        update |= {choice: value for choice, value in of_study.items() if choice not in config.model_fields_set}
    return config.model_copy(update=update)


def _with_task_weights(config: Config, given: Collection[str], tasks: Sequence[Task]) -> Config:
    """What is trained with the tasks' weights, where they have any: the plain sum becomes a weighted one unless something else was said.

    Raises:
        ConfigError: Weights that nothing uses, or all of them 0.
    """
    weights = {task.name: task.weight for task in tasks}
    if isinstance(config, TrainConfig | RelateConfig):
        chosen = default_balancer(weights, config.balancer if "balancer" in given else None)
        return cast(Config, config.model_copy(update={"balancer": chosen}))
    check_task_weights(weights)
    if not isinstance(config, StudyConfig) or all(weight == 1 for weight in weights.values()):
        return config
    arms = config.arms if "arms" in given else tuple(WEIGHTED_BALANCER if arm == USUAL_BALANCER else arm for arm in config.arms)
    if not any(
        uses_task_weights(arm.balancer) and not arm.options for arm in (parse_arm(text, list(weights)) for text in arms) if not arm.is_trees
    ):
        remedy = f"Leave the weights out, or add the arm {WEIGHTED_BALANCER!r}"
        where = f"arms {', '.join(map(str, arms))}"
        raise ConfigError("no arm uses the tasks' weights", where=where, found=format_weights(weights), remedy=remedy)
    return config.model_copy(update={"arms": arms})


def _tabular_heads(config: NetworkConfig) -> Mapping[str, Any]:
    """Tables share all hidden layers, unless heads were given some."""
    return {"hidden": ()} if config.tables and "hidden" not in config.model_fields_set else {}
