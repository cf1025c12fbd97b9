"""Module names derived from task names, and the name of the default architecture."""

from __future__ import annotations

from functools import cache
from urllib.parse import quote

USUAL_ARCHITECTURE = "hard"


@cache  # called several times per step
def module_key(task: str) -> str:
    """Return a task's name as a valid module name: without dots, and none of the names that `ModuleDict` reserves.

    Example:
        >>> module_key("a.b")
        'head_a%2Eb'
    """
    return f"head_{quote(task, safe=' ').replace('.', '%2E')}"
