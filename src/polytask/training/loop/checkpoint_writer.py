"""When a training loop saves its state, and where."""

from __future__ import annotations

import time
from pathlib import Path

from polytask.errors import StorageError
from polytask.storage import save_checkpoint
from polytask.training.loop.training_state import TrainingState

LONGEST_SHARE = 0.1
"""Largest share of the time that saving within epochs may take."""


class CheckpointWriter:
    """Writer of the checkpoints of a run.

    Args:
        folder: Folder of the newest checkpoint; `None` saves nothing.
        seconds: Shortest time between two checkpoints; 0 saves after every epoch, and never within one.

    Attributes:
        next_within: Time, by `time.monotonic`, from which on a checkpoint within an epoch is due.
    """

    def __init__(self, folder: Path | None, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        self._saved = time.monotonic()
        self.next_within = self._saved + seconds if folder is not None and seconds else float("inf")
        self._has_parent = folder is not None and folder.parent.is_dir()

    def due(self) -> bool:
        """Return whether it is time for a checkpoint after an epoch."""
        return self.folder is not None and time.monotonic() - self._saved >= self.seconds

    def save(self, state: TrainingState) -> None:
        """Save a state.

        Raises:
            StorageError: The state cannot be written, or the folder of the run was removed.
        """
        if self.folder is None:
            return
        if self._has_parent and not self.folder.parent.is_dir():
            remedy = "Choose another folder, and leave it alone while the run lasts"
            raise StorageError("the folder of the run was removed while it was running", where=str(self.folder.parent), remedy=remedy)
        started = time.monotonic()
        save_checkpoint(self.folder, state.state_dict())
        self._has_parent, self._saved = True, time.monotonic()
        if self.seconds:
            self.next_within = self._saved + max(self.seconds, (self._saved - started) / LONGEST_SHARE)
