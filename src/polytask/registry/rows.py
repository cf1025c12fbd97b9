"""The shape of a row, and looking rows up."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import Any

from polytask.errors import ConfigError

GROUPS = ("task kind", "encoder", "architecture", "balancer", "balancer wrapper", "data set")
BALANCERS = ("balancers_from_losses", "balancers_from_gramians", "balancers_with_memory", "balancers_with_look_ahead", "balancer_wrappers")


@dataclass(frozen=True)
class Range:
    """Where a number is looked for when it is tuned.

    Attributes:
        name: Of the argument.
        low: The smallest value.
        high: The largest.
        log: Whether equal ratios are equally far apart, instead of equal differences.

    Example:
        >>> Range("lr", 0.01, 1.0, log=True).at(0.5)
        0.1
    """

    name: str
    low: float
    high: float
    log: bool = False

    def at(self, share: float) -> float:
        """The value that far along, from 0 to 1."""
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return float(self.low + share * (self.high - self.low))


@dataclass(frozen=True)
class Row:
    """One component of polytask.

    Attributes:
        group: One of `GROUPS`.
        name: The registry name, in kebab case: what users and files write.
        target: Where the component is defined, as `module:attribute`.
        summary: What it does, in one line.
        paper: Who invented it, as `authors, venue year`.
        needs: What it asks of its surroundings.
        cost: What it adds to one training step: backward passes first.
        memory: What it adds to peak memory.
        state: What it remembers between steps.
        ranges: Its own numbers that a study may tune.
    """

    group: str
    name: str
    target: str
    summary: str
    paper: str = ""
    needs: str = ""
    cost: str = ""
    memory: str = ""
    state: str = ""
    ranges: tuple[Range, ...] = ()

    def resolve(self) -> Any:  # noqa: ANN401 - a class or a function of whichever kind the group holds
        """Import the component itself."""
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


def all_rows() -> tuple[Row, ...]:
    """Every row, group by group."""
    tables = ("task_kinds", "encoders", "architectures", *BALANCERS, "datasets")
    modules = (importlib.import_module(f"polytask.registry.{table}") for table in tables)
    return tuple(row for module in modules for row in module.ROWS)


def rows_of(group: str) -> tuple[Row, ...]:
    """The rows of one group, in the order of their table."""
    return tuple(row for row in all_rows() if row.group == group)


def names(group: str) -> tuple[str, ...]:
    """The registry names of one group."""
    return tuple(row.name for row in rows_of(group))


def nearest(name: str, known: tuple[str, ...]) -> str:
    """A sentence that names what the user may have meant; all of those that are equally near.

    Example:
        >>> nearest("binray", ("binary", "ternary"))
        "Did you mean 'binary'? Choose from: binary, ternary"
    """
    likeness = {other: difflib.SequenceMatcher(None, other.lower(), name.lower()).ratio() for other in known}
    best = max(likeness.values(), default=0.0)
    close = [repr(other) for other, value in likeness.items() if value == best >= 0.5]
    choices = f"Choose from: {', '.join(known)}"
    return f"Did you mean {' or '.join(close)}? {choices}" if close else choices


def find(group: str, name: str) -> Row:
    """The row of that name.

    Raises:
        ConfigError: There is none; the message suggests the nearest.

    Example:
        >>> find("balancer", "equal").target
        'polytask.balancing.equal:Equal'
    """
    for row in rows_of(group):
        if row.name == name:
            return row
    raise ConfigError(f"unknown {group}", where=name, remedy=nearest(name, names(group)))
