"""Schema of model.json: the networks of a saved model."""

from __future__ import annotations

from polytask.run_files.base import FileSection, RunFile


class ModelNetwork(FileSection):
    """One network of a saved model.

    Attributes:
        folder: Name of its folder, next to the index.
        tasks: The tasks that it predicts.
        arm: The arm that trained it.
        seed: The seed that it was trained with.
        chosen: Whether the folder holds models of a table that were chosen out of fold, in the place of a network.
    """

    folder: str
    tasks: tuple[str, ...] = ()
    arm: str = ""
    seed: int | None = None
    chosen: bool = False


class ModelIndex(RunFile):
    """Content of model.json: the networks of a saved model.

    Attributes:
        networks: The networks.
        function: Import path of the training function whose own files the folders hold, which only its code can load; null for networks
            of polytask.
    """

    networks: tuple[ModelNetwork, ...]
    function: str | None = None
