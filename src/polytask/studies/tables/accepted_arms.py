"""Which arms of tables a study can have: those of one table, with tasks of kinds that trees and linear models learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from polytask.data import Source, TablePreprocessor
from polytask.errors import ConfigError, MissingExtraError
from polytask.studies.spec.arms import ResolvedArm
from polytask.studies.spec.arms_of_tables import TABLE_ARMS, is_installed
from polytask.table_arms.table_model_base import supported
from polytask.tasks import Task


def with_arms_of_tables(
    arms: Sequence[ResolvedArm], sources: Sequence[Source], tasks: Sequence[Task], *, by_function: bool = False
) -> tuple[ResolvedArm, ...]:
    """Return the arms of a study, of which `linear` and `trees` without options are arms to ship if it is about one table.

    In other studies they stay baselines, for comparison only.

    Args:
        arms: All arms.
        sources: Training sources.
        tasks: Tasks to learn.
        by_function: Whether a training function takes the place of networks.

    Raises:
        ConfigError: An arm of tables cannot learn the sources or a task.
        MissingExtraError: An arm needs a package that is not installed.
    """
    reason = "a training function" if by_function else why_not_of_tables(sources, tasks)
    found = []
    for arm in arms:
        if arm.baseline in TABLE_ARMS and not reason:
            arm = replace(arm, table=arm.baseline, baseline="")
        if arm.table:
            check_arm_of_tables(arm.name, reason)
        found.append(arm)
    return tuple(found)


def check_networks(arms: Sequence[ResolvedArm]) -> None:
    """Check that no arm is one of tables, which only studies have.

    Raises:
        ConfigError: One is.
    """
    for arm in arms:
        if arm.table:
            raise ConfigError("only studies have this arm", where=arm.name, remedy="Leave it out")


def why_not_of_tables(sources: Sequence[Source], tasks: Sequence[Task]) -> str:
    """Return why trees and linear models cannot be arms of a study; empty if they can.

    Args:
        sources: Training sources.
        tasks: Tasks to learn.
    """
    if len(sources) != 1 or not isinstance(sources[0].preprocessor, TablePreprocessor):
        return f"the sources {', '.join(source.name for source in sources)}"[:80]
    unknown = [task for task in tasks if not supported(task.tabular_learning())]
    return f"task {unknown[0].name!r}, {unknown[0].kind}" if unknown else ""


def check_arm_of_tables(name: str, reason: str) -> None:
    """Check that an arm can be trained on a table.

    Args:
        name: Name of the arm.
        reason: Why the study has no arms of tables; empty if it has.

    Raises:
        ConfigError: The study has no single table, or a task of a kind that only networks learn.
        MissingExtraError: A package is not installed.
    """
    if reason:
        what = "this arm learns classes, numbers and counts of one table"
        raise ConfigError(what, where=f"arms, {name!r}", found=reason, remedy="Leave the arm out")
    if not is_installed(name):
        what = f"this arm needs {'LightGBM' if TABLE_ARMS[name].package == 'lightgbm' else 'scikit-learn'}"
        raise MissingExtraError(what, where=f"arms, {name!r}", remedy=f"pip install 'polytask[{TABLE_ARMS[name].extra}]'")
