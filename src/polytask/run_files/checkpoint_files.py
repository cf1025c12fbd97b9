"""Schema of the small files: training progress, openings of the test data, and the index of the saved model."""

from __future__ import annotations

from polytask.run_files.base import FileSection, Number, RunFile


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


class OpeningCount(RunFile):
    """How often the test data were opened."""

    openings: int = 0


class ModelNetwork(FileSection):
    """One network of a saved model.

    Attributes:
        folder: Name of its folder, next to the index.
        tasks: The tasks that it predicts.
        arm: The arm that trained it.
        seed: The seed that it was trained with.
    """

    folder: str
    tasks: tuple[str, ...] = ()
    arm: str = ""
    seed: int | None = None


class ModelIndex(RunFile):
    """Content of model.json: the networks of a saved model."""

    networks: tuple[ModelNetwork, ...]
