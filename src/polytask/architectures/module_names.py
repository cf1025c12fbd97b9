"""Tasks' names as PyTorch accepts names of modules, and the name of the usual way of sharing."""

from __future__ import annotations

from functools import cache
from urllib.parse import quote

USUAL_ARCHITECTURE = "hard"


@cache  # asked for several times a step
def module_key(task: str) -> str:
    """A task's name as PyTorch accepts names of modules: no dots, and none of the words that a ModuleDict reserves.

    Example:
        >>> module_key("a.b")
        'head_a%2Eb'
    """
    return f"head_{quote(task, safe=' ').replace('.', '%2E')}"
