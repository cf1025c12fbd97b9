"""Base class of loggers, and the runs that they record."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polytask.registry import Component
from polytask.registry.resolve import resolve

_UNSAFE = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class LoggedRun:
    """A run that is recorded.

    Attributes:
        name: Name of the run.
        parent: Name of the run that it is a part of, such as a study; empty if there is none.
        options: Options of the run, as plain data.
        step: Number of steps that were taken before: 0 for a new run. The record of a run that goes on continues after them.
    """

    name: str = "run"
    parent: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0

    @property
    def path(self) -> Path:
        """The names as a relative path: parent and name, in letters that every file system takes.

        Example:
            >>> LoggedRun("equal, seed 0", "demo").path.as_posix()
            'demo/equal-seed-0'
        """
        parts = [_UNSAFE.sub("-", part).strip("-.") or "run" for part in (self.parent, self.name) if part]
        return Path(*parts)


class Logger(Component, ABC):
    """Base class of loggers: three methods that a training run, or a loop of your own, calls.

    Names of values are `train/<task>/loss`, `val/<task>/<metric>`, `weight/<task>` and `cosine/<a>/<b>`.

    Example:
        >>> class Memory(Logger):
        ...     def begin(self, run): self.seen = {}
        ...     def log(self, values, step): self.seen[step] = dict(values)
        ...     def end(self): ...
        >>> logger = Memory()
        >>> logger.begin(LoggedRun("mine"))
        >>> logger.log({"train/a/loss": 0.5}, step=1)
        >>> logger.end()
        >>> logger.seen
        {1: {'train/a/loss': 0.5}}
    """

    component_group = "logger"

    @abstractmethod
    def begin(self, run: LoggedRun) -> None:
        """Begin a run, or continue the latest one of its name if it has taken steps before."""

    @abstractmethod
    def log(self, values: Mapping[str, float], step: int) -> None:
        """Record values.

        Args:
            values: Values by name.
            step: Number of steps taken so far.
        """

    @abstractmethod
    def end(self) -> None:
        """End the run: everything is written."""


def make_logger(given: str | type[Logger] | Logger) -> Logger:
    """Return the logger that a user names or gives.

    Args:
        given: Registry name with options, `csv(folder=logs)`; import path; class; or object.

    Raises:
        ConfigError: The name or an option is unknown, or the value is no logger.

    Example:
        >>> make_logger("csv(folder=logs)")
        CsvLogger(folder='logs')
    """
    found = resolve("logger", given, where="logger")
    logger: Logger = found.build() if found.object is None else found.object
    return logger


def record_path(base: Path, run: LoggedRun, suffix: str = "") -> Path:
    """Return the path of a run's record: that of the latest run of this name if it goes on, otherwise a new one.

    Args:
        base: Folder of all runs.
        run: The run; later ones of the same name are numbered, `name-2`.
        suffix: Suffix of the file; empty for a folder.

    Example:
        >>> record_path(Path("logs"), LoggedRun("mine", "study"), ".csv").as_posix()
        'logs/study/mine.csv'
    """
    folder, name = (base / run.path).parent, run.path.name
    number = 1

    def numbered() -> Path:
        return folder / f"{name}{'' if number == 1 else f'-{number}'}{suffix}"

    latest = numbered()
    while numbered().exists():
        latest = numbered()
        number += 1
    return latest if run.step else numbered()
