"""Arms of studies of one table that are no networks: trees, linear models and their blend, by task or shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class TableArmSpec:
    """An arm of a table.

    Attributes:
        model: Name of the model in `polytask.table_arms`.
        title: Display name.
        shared: Whether one model learns all tasks.
        package: Package that it needs beyond those of polytask; empty if none.
        extra: Extra of polytask that installs it.
    """

    model: str
    title: str
    shared: bool = False
    package: str = ""
    extra: str = ""


BLEND = "blend"
TABLE_ARMS: Mapping[str, TableArmSpec] = {
    "linear": TableArmSpec("linear", "linear models"),
    "linear@shared": TableArmSpec("linear@shared", "shared linear models", shared=True),
    "trees": TableArmSpec("trees", "boosted trees", package="lightgbm", extra="trees"),
    "trees@apart": TableArmSpec("trees@shared", "extra trees by task", package="sklearn", extra="sklearn"),
    "trees@shared": TableArmSpec("trees@shared", "shared extra trees", shared=True, package="sklearn", extra="sklearn"),
    BLEND: TableArmSpec("", "blend of trees and linear models", shared=True, package="lightgbm", extra="trees"),
}
"""Arms of tables by name."""
BLENDED = ("trivial", "linear", "linear@shared", "trees", "trees@shared")
"""Models that the arm `blend` chooses among."""
SHARING: Mapping[str, tuple[str, ...]] = {"trees@shared": ("trees@apart", "trees"), "linear@shared": ("linear",)}
"""Arms that share, and the arms that they may be compared with, of which the first that is tested counts."""


def is_installed(name: str) -> bool:
    """Return whether the packages of an arm of tables are installed."""
    package = TABLE_ARMS[name].package
    return not package or find_spec(package) is not None


def tested_sharing(arms: Sequence[str]) -> dict[str, str]:
    """Return the tested arms of tables that share, with the arm that each is compared with.

    Example:
        >>> tested_sharing(["single", "equal", "trees", "trees@shared", "linear@shared"])
        {'trees@shared': 'trees'}
    """
    pairs = {arm: next((one for one in others if one in arms), "") for arm, others in SHARING.items() if arm in arms}
    return {arm: other for arm, other in pairs.items() if other}
