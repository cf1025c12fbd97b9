"""Checks of balancers' options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from polytask.balancing.needs import ParameterGrouping
from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest


def check_positive(value: float, where: str) -> float:
    """Return a number after checking that it is finite and above 0.

    Raises:
        ConfigError: The number is outside this range.

    Example:
        >>> check_positive(0.5, "moco, gamma")
        0.5
    """
    if not 0 < value < float("inf"):
        raise ConfigError("a number above 0 is needed", where=where, found=value)
    return float(value)


def check_non_negative(value: float, where: str) -> float:
    """Return a number after checking that it is finite and at least 0.

    Raises:
        ConfigError: The number is outside this range.
    """
    if not 0 <= value < float("inf"):
        raise ConfigError("a number from 0 up is needed", where=where, found=value)
    return float(value)


def check_finite(value: float, where: str) -> float:
    """Return a number after checking that it is finite.

    Raises:
        ConfigError: The number is infinite or NaN.
    """
    if not abs(value) < float("inf"):
        raise ConfigError("a finite number is needed", where=where, found=value)
    return float(value)


def check_count(value: int, where: str) -> int:
    """Return a number after checking that it is at least 1.

    Raises:
        ConfigError: The number is below 1.
    """
    if value < 1:
        raise ConfigError("an integer of at least 1 is needed", where=where, found=value)
    return value


def check_fraction(value: float, where: str) -> float:
    """Return a number after checking that it lies in [0, 1].

    Raises:
        ConfigError: The number is outside this range.
    """
    if not 0 <= value <= 1:
        raise ConfigError("a number from 0 to 1 is needed", where=where, found=value)
    return float(value)


def check_below_one(value: float, where: str) -> float:
    """Return a number after checking that it lies in [0, 1), as the decay of a running mean must.

    Raises:
        ConfigError: The number is outside this range.
    """
    if not 0 <= value < 1:
        raise ConfigError("a number from 0 up and below 1 is needed", where=where, found=value)
    return float(value)


def check_grouping(groups: str | Sequence[str], known: tuple[str, ...], where: str) -> ParameterGrouping:
    """Return a grouping of parameters after checking it: one of the known names, or names of parts of the network.

    Raises:
        ConfigError: The name is unknown, or the parts are none, not unique or no names.

    Example:
        >>> check_grouping(["encoder", "decoder"], ("layer", "part"), "per-group, groups")
        ('encoder', 'decoder')
    """
    if isinstance(groups, str):
        if groups not in known:
            remedy = f"{nearest(groups, known)}, or a list of submodules, such as [encoder, decoder]"
            raise ConfigError("unknown groups", where=where, found=groups, remedy=remedy)
        return cast("ParameterGrouping", groups)
    parts = tuple(groups)
    if not parts or len(set(parts)) < len(parts) or not all(isinstance(part, str) and part for part in parts):
        raise ConfigError("names of submodules are needed, each once", where=where, found=parts)
    return parts
