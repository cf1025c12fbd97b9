"""Check of the sources that a user passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from polytask.data.source import Source
from polytask.errors import ConfigError
from polytask.registry.resolve import described


def check_sources(sources: Iterable[Source], where: str = "sources") -> tuple[Source, ...]:
    """Return the sources that a user has passed, checked.

    Args:
        sources: Source objects.
        where: Argument that the sources were passed as, named in error messages.

    Raises:
        ConfigError: The value is not a sequence, an entry is not a source, or there is none.

    Example:
        >>> check_sources([3])
        Traceback (most recent call last):
        polytask.errors.ConfigError: sources, entry 1: a source is needed (found 3). Create one: polytask.data.Source(name, inputs, labels).
    """
    remedy = "Create one: polytask.data.Source(name, inputs, labels)"
    if isinstance(sources, Source | str | bytes | Mapping) or not isinstance(sources, Iterable):
        raise ConfigError("a sequence of sources is needed", where=where, found=described(sources), remedy="Pass a list of sources")
    found = tuple(sources)
    for number, source in enumerate(found, start=1):
        if not isinstance(source, Source):
            raise ConfigError("a source is needed", where=f"{where}, entry {number}", found=described(source), remedy=remedy)
    if not found:
        raise ConfigError("at least one source is needed", where=where, remedy=remedy)
    return found
