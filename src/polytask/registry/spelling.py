"""Balancers as users write them: `upgrad`, `cagrad(c=0.4)`, `smoothed(a=0.5):cagrad(c=0.4)`."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import yaml

from polytask.errors import ConfigError
from polytask.registry.rows import names, nearest

EXAMPLE = "For example cagrad(c=0.4), or smoothed:upgrad"
_OUTSIDE = r"(?![^()]*\))"  # not within parentheses
_SEGMENT = re.compile(r"\s*([^()\s]+)\s*(?:\((.*)\))?\s*", re.DOTALL)


def spelled_balancer(text: str) -> tuple[str, dict[str, Any]]:
    """Name and options of a balancer: wrappers from the outermost on, colons between, options in parentheses.

    Args:
        text: What the user wrote.

    Returns:
        The names with colons between, and the options of the outermost; those of what it wraps are its option `balancer`.

    Raises:
        ConfigError: An unknown name (the message suggests the nearest), or options that cannot be read.

    Example:
        >>> spelled_balancer("smoothed(a=0.5):cagrad(c=0.4, rescale=0)")
        ('smoothed:cagrad', {'a': 0.5, 'balancer': {'c': 0.4, 'rescale': 0}})
    """
    segments = [_segment(part, text) for part in re.split(f":{_OUTSIDE}", text)]
    *wrappers, (last, options) = segments
    for name, known in (*((name, names("balancer wrapper")) for name, _ in wrappers), (last, names("balancer"))):
        if name not in known:
            raise ConfigError("unknown balancer", where=name, remedy=nearest(name, known))
    for _, outer in reversed(wrappers):
        options = {**outer, "balancer": options} if options else outer
    return ":".join(name for name, _ in segments), options


def spelled_component(group: str, text: str) -> tuple[str, dict[str, Any]]:
    """Name and options of a component of any other group.

    Raises:
        ConfigError: An unknown name (the message suggests the nearest), or options that cannot be read.

    Example:
        >>> spelled_component("architecture", "mmoe(experts=8)")
        ('mmoe', {'experts': 8})
    """
    name, options = _segment(text, text)
    if name not in names(group):
        raise ConfigError(f"unknown {group}", where=name, remedy=nearest(name, names(group)))
    return name, options


def spelled_options(text: str) -> dict[str, Any]:
    """The options in parentheses after any word.

    Example:
        >>> spelled_options("encoder(channels=[8, 16])")
        {'channels': [8, 16]}
    """
    return _segment(text, text)[1]


def split_outside(text: str) -> list[str]:
    """A list as users write it, split at the commas that stand outside of parentheses.

    Example:
        >>> split_outside("single, cagrad(c=0.4, rescale=0), equal")
        ['single', 'cagrad(c=0.4, rescale=0)', 'equal']
    """
    return [part.strip() for part in re.split(f",{_OUTSIDE}", text)]


def _segment(part: str, text: str) -> tuple[str, dict[str, Any]]:
    found = _SEGMENT.fullmatch(part)
    if found is None:
        raise ConfigError("a balancer is a name, with options in parentheses if it has any", where=text, remedy=EXAMPLE)
    name, inside = found.groups()
    return name, {} if not inside else dict(_option(pair, text) for pair in _pairs(inside))


def _pairs(inside: str) -> list[str]:
    """Split at commas outside of brackets and braces."""
    pairs, depth = [""], 0
    for letter in inside:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            pairs.append("")
        else:
            pairs[-1] += letter
    return pairs


def _option(pair: str, text: str) -> tuple[str, Any]:
    name, equals, value = pair.partition("=")
    if not equals or not name.strip().isidentifier():
        raise ConfigError("an option is written name=value", where=text, found=pair.strip(), remedy=EXAMPLE)
    with contextlib.suppress(ValueError):
        number = float(value)  # YAML takes 1e-3 for a word
        return name.strip(), int(number) if value.strip().lstrip("+-").isdecimal() else number
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError("the value of an option cannot be read", where=text, found=pair.strip(), remedy=EXAMPLE) from None
