"""Check of the tasks that a user passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from polytask.errors import ConfigError
from polytask.registry.resolve import described
from polytask.tasks.base import Task


def check_tasks(tasks: Iterable[Task], where: str = "tasks") -> tuple[Task, ...]:
    """Return the tasks that a user has passed, checked.

    Args:
        tasks: Task objects.
        where: Argument that the tasks were passed as, named in error messages.

    Raises:
        ConfigError: The value is not a sequence, an entry is not a task, there is none, or a name occurs twice.

    Example:
        >>> check_tasks(["regression"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        polytask.errors.ConfigError: tasks, entry 1: a task is needed (found 'regression'). Create an object, such as ...
    """
    remedy = "Create an object, such as polytask.tasks.Regression(name='price')"
    if isinstance(tasks, Task | str | bytes | Mapping) or not isinstance(tasks, Iterable):
        raise ConfigError("a sequence of tasks is needed", where=where, found=described(tasks), remedy="Pass a list of tasks")
    found = tuple(tasks)
    for number, task in enumerate(found, start=1):
        if not isinstance(task, Task):
            raise ConfigError("a task is needed", where=f"{where}, entry {number}", found=described(task), remedy=remedy)
    names = [task.name for task in found]
    if not names or len(set(names)) < len(names):
        raise ConfigError("at least one task is required, and each name only once", where=where, found=tuple(names))
    return found
