"""Schema of model.json: the networks of a saved model."""

from __future__ import annotations

import re
from pathlib import Path

from polytask.errors import ConfigError, DataError, StorageError
from polytask.run_files.base import FileSection, RunFile

MODEL_INDEX = "model.json"
_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,99}")


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


def stored_networks(run: Path) -> tuple[tuple[Path, ModelNetwork], ...]:
    """Return the folder of each network of a model, with its entry in the index.

    Args:
        run: Run folder, or its `model` folder.

    Raises:
        StorageError: The folder has no model, or its index is damaged or names a folder that is not next to it.
        ConfigError: A training function of the user's own trained the model.
    """
    folder = run / "model" if (run / "model" / MODEL_INDEX).exists() else run
    if not (folder / MODEL_INDEX).exists():
        raise StorageError("this folder has no model", where=str(run), remedy="Give the folder of a finished run")
    try:
        index = ModelIndex.read(folder / MODEL_INDEX)
    except DataError as error:
        raise StorageError("this file is not a valid model index", where=str(folder / MODEL_INDEX), found=error.found) from None
    if index.function is not None:
        what, remedy = "a model that a training function has trained is loaded by its own code", f"What it has written is in {folder}"
        raise ConfigError(what, where=str(run), found=index.function, remedy=remedy)
    names = [_plain_name(entry.folder) for entry in index.networks]
    if not names or len(set(names)) < len(names):
        raise StorageError("a model has networks, each once", where=str(folder / MODEL_INDEX), found=", ".join(names) or "none")
    return tuple((folder / entry.folder, entry) for entry in index.networks)


def _plain_name(name: str) -> str:
    """Return the name of a network's folder after checking that it lies next to the index.

    A path to another place could read files outside the model folder.
    """
    if not _FOLDER_NAME.fullmatch(name):
        raise StorageError("the folders of a model's networks must lie next to its index", where=MODEL_INDEX, found=repr(name))
    return name
