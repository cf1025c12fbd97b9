"""Logger of a run of several networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polytask.loggers import LoggedRun, make_logger
from polytask.training import LogTraining


@dataclass(frozen=True)
class RunLogger:
    """Logger of a study or another run, which every process creates anew.

    Attributes:
        logger: Logger as users write it.
        name: Name of the run.
    """

    logger: str
    name: str

    def of_job(self, label: str) -> LogTraining:
        """Return the callback that logs a network of the run."""
        return LogTraining(make_logger(self.logger), LoggedRun(label, parent=self.name))

    def begin(self, options: Mapping[str, Any], *, resumed: bool) -> None:
        """Record the run itself, before its networks are trained, so that they can belong to it.

        Args:
            options: Options of the run.
            resumed: Whether the run was begun before.
        """
        logger = make_logger(self.logger)
        logger.begin(LoggedRun(self.name, options=options, step=int(resumed)))
        logger.end()


def run_logger(logger: str | None, folder: Path) -> RunLogger | None:
    """Return the logger of the run in a folder, which has the folder's name; `None` if there is none."""
    return None if logger is None else RunLogger(logger, folder.resolve().name)
