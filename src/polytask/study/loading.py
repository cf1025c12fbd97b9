"""From a configuration to sources and tasks, and what they say about the configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, cast

from polytask import datasets
from polytask.balancing.factory import uses_task_weights
from polytask.balancing.weighing import USUAL as USUAL_BALANCER
from polytask.balancing.weighing import WEIGHING, balancer_for, check_weights, spoken
from polytask.data import Columns, Sources
from polytask.datasets.download import Progress, ignore
from polytask.datasets.tables import load_tables
from polytask.datasets.tables.opened import TEST_SHARE
from polytask.errors import ConfigError
from polytask.study.arms import parse_arm
from polytask.study.config import Config, NetworkConfig, StudyConfig, TrainConfig
from polytask.study.presets import study_choices
from polytask.study.relate_config import RelateConfig
from polytask.tasks import Task
from polytask.training.presets import preset, training_choices

USUAL = "standard"


@dataclass(frozen=True)
class Opened(Generic[Config]):
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


def opened(config: Config, progress: Progress = ignore) -> Opened[Config]:
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
        sources, tasks = datasets.load(str(config.source), config.size, progress)
        return Opened(_budgeted(config, sources, tasks), sources, tasks, ())
    loaded = load_tables(config.tables, test_share=TEST_SHARE if config.keeps_test_rows else 0.0)
    config = _weighed(_budgeted(_with_kinds(config, loaded.tasks), loaded.sources, loaded.tasks), config.model_fields_set, loaded.tasks)
    return Opened(config, loaded.sources, loaded.tasks, loaded.notes)


def _with_kinds(config: Config, tasks: tuple[Task, ...]) -> Config:
    """The kinds that were inferred, written down: a repeat does not guess again."""
    kinds = {task.name: task.kind for task in tasks}
    tables = {
        name: replace(table, targets={target: kind or kinds[target] for target, kind in table.targets.items()})
        for name, table in config.tables.items()
    }
    return config.model_copy(update={"tables": tables})


def _budgeted(config: Config, sources: Sources, tasks: Sequence[Task]) -> Config:
    """The preset's numbers, where nothing else was said."""
    if config.preset is None and not config.tables:
        return config
    name = config.preset or USUAL
    rows = max(len(source) for source in sources)
    given = config.training.model_fields_set
    choices = {choice: value for choice, value in training_choices(name, rows).items() if choice not in given}
    update: dict[str, Any] = {"preset": name, "training": config.training.model_copy(update=choices), **_heads(config)}
    if isinstance(config, StudyConfig):
        tables = all(isinstance(source.coding, Columns) for source in sources)
        of_study = {"seeds": tuple(range(preset(name).seeds)), **study_choices(name, tasks, tables=tables)}
        update |= {choice: value for choice, value in of_study.items() if choice not in config.model_fields_set}
    return config.model_copy(update=update)


def _weighed(config: Config, given: Collection[str], tasks: Sequence[Task]) -> Config:
    """What is trained with the tasks' weights, where they have any: the plain sum becomes a weighted one unless something else was said.

    Raises:
        ConfigError: Weights that nothing uses, or all of them 0.
    """
    weights = {task.name: task.weight for task in tasks}
    if isinstance(config, TrainConfig | RelateConfig):
        chosen = balancer_for(weights, config.balancer if "balancer" in given else None)
        return cast(Config, config.model_copy(update={"balancer": chosen}))
    check_weights(weights)
    if not isinstance(config, StudyConfig) or all(weight == 1 for weight in weights.values()):
        return config
    arms = config.arms if "arms" in given else tuple(WEIGHING if arm == USUAL_BALANCER else arm for arm in config.arms)
    if not any(
        uses_task_weights(arm.balancer) and not arm.options for arm in (parse_arm(text, list(weights)) for text in arms) if not arm.trees
    ):
        remedy = f"Leave the weights out, or add the arm {WEIGHING!r}"
        raise ConfigError("no arm uses the tasks' weights", where=f"arms {', '.join(map(str, arms))}", found=spoken(weights), remedy=remedy)
    return config.model_copy(update={"arms": arms})


def _heads(config: NetworkConfig) -> Mapping[str, Any]:
    """Tables share all hidden layers, unless heads were given some."""
    return {"hidden": ()} if config.tables and "hidden" not in config.model_fields_set else {}
