"""Number of seeds that fits a time, the looks of the plan, and the continuation of a finished study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from scipy.special import stdtrit

from polytask.errors import ConfigError, StorageError
from polytask.options import StudyConfig, checked
from polytask.storage import read_yaml
from polytask.studies.setup.run_folder import RunFolder
from polytask.verdicts.spending.error_split import POOLED_SHARE
from polytask.verdicts.spending.seed_plan import FEWEST_SEEDS, MOST_SEEDS, SeedPlan, planned_looks

FEWEST_OF_ALL = 3
"""Fewest seeds of a study in whose time not even five fit: three or four are trained, with a warning."""


def plan_of(config: StudyConfig) -> SeedPlan:
    """Return the looks of a study, the continuations of its finished plan included; splits of a cross-validation are looked at once.

    Example:
        >>> plan_of(StudyConfig(seeds=8)).looks, plan_of(StudyConfig(looks=(5, 8), continued=(12,))).continuations
        ((8,), 1)
    """
    if config.folds is not None:
        return SeedPlan.final(len(config.seeds))
    return SeedPlan.of(config.looks or (len(config.seeds),), config.continued)


def affordable_seeds(seconds: float, of_seed: float) -> int:
    """Return the number of seeds that fit into a time, between 3 and 20.

    Args:
        seconds: Time for all seeds.
        of_seed: Seconds that one seed takes, all networks together.

    Example:
        >>> [affordable_seeds(600, of_seed) for of_seed in (1.0, 50.0, 1000.0)]
        [20, 12, 3]
    """
    return max(FEWEST_OF_ALL, min(MOST_SEEDS, int(seconds / max(of_seed, 1e-9))))


def seconds_of_seed(facts: Sequence[Mapping[str, Any]], workers: int) -> float:
    """Return the seconds that one seed takes with this many processes, from the facts of the networks of the first seed.

    The seconds of a training function are those of the whole call, with the start of its process.
    """
    seconds = [float(fact["measured"].get("whole", fact["measured"]["seconds"])) for fact in facts]
    return max(sum(seconds) / workers, fmean(seconds) if seconds else 0.0)


def with_planned_seeds(config: StudyConfig, most: int) -> StudyConfig:
    """Return the configuration with this many seeds, and the looks of a plan for them."""
    first = min(config.seeds)
    return config.model_copy(update={"seeds": tuple(range(first, first + most)), "looks": planned_looks(most)})


def time_note(config: StudyConfig, most: int, of_seed: float) -> str:
    """Return a line for the log on the plan that fits the time."""
    looks = ", ".join(map(str, planned_looks(most)))
    return f"{config.minutes:g} minutes, {of_seed:.1f} s a seed: at most {most} seeds, looks after {looks}"


def few_seeds_warning(minutes: float, most: int, of_seed: float) -> str:
    """Return what it means if not even five seeds fit the time, and how long five would take; empty if they fit.

    Example:
        >>> few_seeds_warning(2, 3, 60.0)
        'Fewer than 5 seeds fit into 2 minutes: 3 are trained, and intervals will be wide; 5 seeds would take about 5.0 minutes.'
        >>> few_seeds_warning(2, 5, 20.0)
        ''
    """
    if most >= FEWEST_SEEDS:
        return ""
    needed = FEWEST_SEEDS * of_seed / 60
    return (
        f"Fewer than {FEWEST_SEEDS} seeds fit into {minutes:g} minutes: {most} are trained, and intervals will be wide; "
        f"{FEWEST_SEEDS} seeds would take about {needed:.1f} minutes."
    )


def smallest_visible(tasks: int, plan: SeedPlan) -> float:
    """Return the difference that a plan sees with 80 % power at its last look, in standard deviations of the difference between seeds.

    It holds for one of `tasks` tasks with its base error, where only seeds vary. Families of comparisons share the error.

    Example:
        >>> [round(smallest_visible(2, SeedPlan.of(planned_looks(most))), 2) for most in (5, 20)]
        [2.15, 0.85]
        >>> round(smallest_visible(2, SeedPlan((5,), (0.9,), families=3)), 2)
        2.8
    """
    seeds, error = plan.looks[-1], plan.familywise * (1 - POOLED_SHARE) / tasks
    level = plan.level(len(plan.looks) - 1, error)
    return float((stdtrit(seeds - 1, 1 - level / 2) + stdtrit(seeds - 1, 0.8)) / seeds**0.5)


def reopen(folder: RunFolder, more: int) -> StudyConfig:
    """Return the configuration of a finished study with more seeds, and store it; the next look is a continuation.

    Raises:
        StorageError: The folder holds no finished study, or one whose networks were deleted.
        ConfigError: Looks of the plan were not needed, so that nothing is left to settle.
    """
    if not folder.config.exists() or not folder.finished:
        raise StorageError("only a finished study can be continued", where=str(folder.path), remedy="Run its command again to resume it")
    if not folder.look(1).exists():
        what, remedy = "the networks of this study were deleted, since nothing was unclear", "Run a new study"
        raise StorageError(what, where=str(folder.path), remedy=remedy)
    stored = checked(StudyConfig, read_yaml(folder.config), where=str(folder.config), imports=True)
    if stored.folds is not None:
        what, remedy = "a cross-validation is looked at once, and cannot be continued", "Run a new study with more seeds"
        raise ConfigError(what, where="continue", found=f"folds: {stored.folds}", remedy=remedy)
    plan = plan_of(stored)
    tested = sum(folder.look(number).exists() for number in range(1, len(plan.looks) + 1))
    if tested < len(plan.looks):
        raise ConfigError(
            "the plan ended before all of its seeds, since nothing was unclear", where="continue", found=plan.looks[tested - 1]
        )
    seeds = (*stored.seeds, *range(max(stored.seeds) + 1, max(stored.seeds) + 1 + more))
    update = {"seeds": seeds, "looks": stored.looks or (len(stored.seeds),), "continued": (*stored.continued, len(seeds))}
    config = stored.model_copy(update=update)
    folder.unfinished.touch()
    folder.write_config(config)
    folder.log(f"continued: {more} more seeds")
    return config
