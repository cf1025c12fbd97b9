"""Loading of the sources and tasks that a configuration names, and defaults that depend on them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Generic, cast

from polytask import datasets
from polytask.balancing.choose_default import DEFAULT_BALANCER, WEIGHTED_BALANCER, check_task_weights, default_balancer, format_weights
from polytask.balancing.factory import uses_task_weights
from polytask.data import Sources
from polytask.datasets.download import DownloadProgress, no_download_progress
from polytask.datasets.tables import load_tables
from polytask.datasets.tables.labeled_table import TEST_SHARE
from polytask.errors import ConfigError
from polytask.options import CurveConfig, RelateConfig, StudyConfig, TrainConfig
from polytask.options.train_config import Config
from polytask.studies.setup.apply_preset import with_preset
from polytask.studies.setup.resolve_config import is_trained_by_function
from polytask.studies.spec.arms import parse_arm
from polytask.tasks import Task


@dataclass(frozen=True)
class LoadedData(Generic[Config]):
    """Sources and tasks of a configuration.

    Attributes:
        config: Configuration with the inferred kinds of targets and the options of the preset filled in.
        sources: Training sources, which also load the test rows.
        tasks: Tasks to learn.
        notes: Peculiarities of the data, one line each.
    """

    config: Config
    sources: Sources
    tasks: tuple[Task, ...]
    notes: tuple[str, ...]


def load_data(config: Config, progress: DownloadProgress = no_download_progress) -> LoadedData[Config]:
    """Load the sources and tasks of a configuration.

    Args:
        config: Configuration that names a built-in data set or tables in files.
        progress: Function that is called with the progress of downloads.

    Raises:
        ConfigError: The configuration names neither or both, or a data set, column or kind does not exist.
        DataError: The content of a table is invalid.
    """
    if bool(config.tables) == (config.source is not None):
        found = "both" if config.tables else "neither"
        raise ConfigError("either a built-in data set or tables must be given", where="source, tables", found=found)
    if not config.tables:
        sources, tasks = datasets.load_dataset(str(config.source), config.size, progress)
        return LoadedData(with_preset(config, sources, tasks), sources, tasks, ())
    loaded = load_tables(config.tables, test_fraction=TEST_SHARE if config.keeps_test_rows else 0.0)
    config = _with_task_weights(
        with_preset(_with_kinds(config, loaded.tasks), loaded.sources, loaded.tasks), config.model_fields_set, loaded.tasks
    )
    return LoadedData(config, loaded.sources, loaded.tasks, loaded.notes)


def _with_kinds(config: Config, tasks: tuple[Task, ...]) -> Config:
    """Return the configuration with the inferred kinds of targets, so that a repeated run does not infer them again."""
    kinds = {task.name: task.kind for task in tasks}
    tables = {
        name: replace(table, targets={target: kind or kinds[target] for target, kind in table.targets.items()})
        for name, table in config.tables.items()
    }
    return config.model_copy(update={"tables": tables})


def _with_task_weights(config: Config, given: Collection[str], tasks: Sequence[Task]) -> Config:
    """Return the configuration with balancers or arms that use the task weights.

    If any weight differs from 1, the plain sum becomes a weighted sum, unless the user chose the balancer or the arms.

    Raises:
        ConfigError: No balancer or arm uses the weights, or all of them are 0.
    """
    weights = {task.name: task.weight for task in tasks}
    if isinstance(config, TrainConfig | RelateConfig):
        chosen = default_balancer(weights, config.balancer if "balancer" in given else None)
        return cast(Config, config.model_copy(update={"balancer": chosen}))
    check_task_weights(weights)
    if (
        not isinstance(config, StudyConfig | CurveConfig)
        or is_trained_by_function(config)
        or all(weight == 1 for weight in weights.values())
    ):
        return config
    arms = config.arms if "arms" in given else tuple(WEIGHTED_BALANCER if arm == DEFAULT_BALANCER else arm for arm in config.arms)
    if not any(
        uses_task_weights(arm.balancer) and not arm.options for arm in (parse_arm(text, list(weights)) for text in arms) if arm.is_network
    ):
        remedy = f"Leave the weights out, or add the arm {WEIGHTED_BALANCER!r}"
        where = f"arms {', '.join(map(str, arms))}"
        raise ConfigError("no arm uses the tasks' weights", where=where, found=format_weights(weights), remedy=remedy)
    return cast(Config, config.model_copy(update={"arms": arms}))
