"""Callback that passes the history of a run to a logger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

from polytask.loggers import LoggedRun, Logger, make_logger
from polytask.training.callback import Callback
from polytask.training.loop.training_loop import TrainingLoop
from polytask.training.loop.training_progress import COSINE_PREFIX
from polytask.training.loop.training_state import HistoryRow

LOGGER = "logger"
"""Name of the callback among those of a run."""
_PREFIXES = {"training": "train", "validation": "val"}


def log_name(row: HistoryRow) -> str:
    """Return the name under which loggers record a value of the history.

    Example:
        >>> log_name(HistoryRow(1, 10, "a", "training", "loss", 0.5)), log_name(HistoryRow(1, 10, "a", "validation", "accuracy", 0.5))
        ('train/a/loss', 'val/a/accuracy')
        >>> log_name(HistoryRow(1, 10, "a", "training", "weight", 0.5)), log_name(HistoryRow(1, 10, "a", "training", "cosine with b", 0.5))
        ('weight/a', 'cosine/a/b')
    """
    if row.split == "training" and row.name == "weight":
        return f"weight/{row.task}"
    if row.split == "training" and row.name.startswith(COSINE_PREFIX):
        return f"cosine/{row.task}/{row.name.removeprefix(COSINE_PREFIX).strip()}"
    return f"{_PREFIXES.get(row.split, row.split)}/{row.task}/{row.name.replace(' ', '_')}"


def logging_callbacks(given: str | type[Logger] | Logger | LogTraining | None) -> dict[str, LogTraining]:
    """Return the callback that logs to what a user gives, by its name; nothing without a logger."""
    if given is None:
        return {}
    return {LOGGER: given if isinstance(given, LogTraining) else LogTraining(make_logger(given), LoggedRun())}


@final
class LogTraining(Callback):
    """Callback that passes the values of every epoch to a logger, which changes neither the run nor its checkpoint.

    Args:
        logger: Logger.
        run: Name of the run, and of the study that it belongs to.
    """

    def __init__(self, logger: Logger, run: LoggedRun) -> None:
        self.logger, self.run = logger, run
        self._seen = 0

    def on_fit_begin(self, loop: TrainingLoop) -> None:
        """Begin the run, or continue it."""
        self._seen = len(loop.state.history)
        options = {**loop.options.model_dump(mode="json"), "balancer": str(loop.state.backward.balancer), "seed": loop.seed}
        self.logger.begin(replace(self.run, options={**options, **self.run.options}, step=loop.state.step))

    def on_epoch_end(self, loop: TrainingLoop) -> None:
        """Log the values that the epoch has added to the history."""
        rows = loop.state.history[self._seen :]
        self._seen += len(rows)
        if rows:
            self.logger.log({log_name(row): row.value for row in rows}, loop.state.step)

    def on_fit_end(self, loop: TrainingLoop) -> None:
        """End the run, or pause it."""
        del loop
        self.logger.end()

    def results(self) -> Mapping[str, Any]:
        """Return where the values are."""
        return {"to": str(self.logger), "run": self.run.path.as_posix()}
