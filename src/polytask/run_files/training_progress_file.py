"""Schema of progress.json: how far a network has been trained."""

from __future__ import annotations

from polytask.run_files.base import Number, RunFile


class JobProgress(RunFile):
    """How far a network has been trained.

    Attributes:
        epoch: Epoch after which training paused; the maximum if it has converged.
        scores: Best mean relative validation metric up to each epoch; None if the loss or the gradient became non-finite.
        seconds: Training seconds.
        steps: Training steps.
        rows: Rows seen.
    """

    epoch: int
    scores: tuple[float, ...] | None
    seconds: Number = 0.0
    steps: int = 0
    rows: int = 0
