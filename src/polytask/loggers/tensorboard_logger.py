"""Logger that writes event files of TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from polytask.errors import MissingExtraError
from polytask.loggers.base import LoggedRun, Logger, record_path


@final
class TensorBoardLogger(Logger):
    """One folder of event files per run, `<folder>/<study>/<run>`; `tensorboard --logdir <folder>` shows them.

    The options of the run are its text `options`.

    Args:
        folder: Folder of all runs.

    Raises:
        MissingExtraError: TensorBoard is not installed (raised when a run begins).
    """

    def __init__(self, folder: str = "logs") -> None:
        self.folder = folder
        self._writer: Any = None

    def begin(self, run: LoggedRun) -> None:
        """Open a folder, or continue the latest one; TensorBoard hides values of steps after those that the run has taken."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            remedy = "pip install 'polytask[tensorboard]'"
            raise MissingExtraError("TensorBoard is needed", where="logger", found=error, remedy=remedy) from None
        path = record_path(Path(self.folder), run)
        self._writer = SummaryWriter(path, purge_step=run.step + 1 if run.step else None)
        if run.options and not run.step:
            self._writer.add_text("options", json.dumps(dict(run.options), default=str, ensure_ascii=False))

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add a scalar per value."""
        for name, value in values.items() if self._writer is not None else ():
            self._writer.add_scalar(name, float(value), step)

    def end(self) -> None:
        """Write everything, and close the files."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
