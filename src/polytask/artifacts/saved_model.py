"""The shipped model: one network or several, with their preprocessing, that predict in original labels and units."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError, StorageError
from polytask.run_files import ModelIndex
from polytask.studies.setup.run_folder import MODEL_INDEX
from polytask.tasks import Predictions, Task
from polytask.training.trained_network import TrainedNetwork, load_network


@dataclass(frozen=True)
class SavedModel:
    """A trained model.

    Attributes:
        networks: One for all tasks, or one per group of tasks.
    """

    networks: tuple[TrainedNetwork, ...]

    def __repr__(self) -> str:
        return f"<Model that predicts {', '.join(task.name for task in self.tasks)} from {', '.join(self.sources)}>"

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What it predicts."""
        return tuple(task for network in self.networks for task in network.tasks)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that its inputs may come from: their normalization differs."""
        return tuple(dict.fromkeys(source for network in self.networks for source in network.normalizations))

    def predict(self, inputs: Any, source: str | None = None) -> pd.DataFrame:  # noqa: ANN401 - an array, texts, or a table
        """Original labels or numbers, one column per task that the source's inputs carry.

        Args:
            inputs: (N, ...) as the source has them: uint8 images, or vectors; texts or a table where it was trained on such.
            source: Which source they are like; needed where the model knows several.

        Raises:
            ConfigError: An unknown source, none where several are known, or inputs of another shape.
        """
        return pd.DataFrame(
            {name: own for task, found in self.answers(inputs, source) for name, own in task.prediction_columns(found.values).items()}
        )

    def predict_proba(self, inputs: Any, source: str | None = None) -> dict[str, pd.DataFrame]:  # noqa: ANN401 - as `predict`
        """Per task that has classes a frame (N, C) with a column per class."""
        found = {task: answer.probabilities for task, answer in self.answers(inputs, source)}
        classes = {task.name: getattr(task, "classes", ()) for task in found}
        return {
            task.name: pd.DataFrame(probabilities, columns=list(classes[task.name]))
            for task, probabilities in found.items()
            if probabilities is not None
        }

    def answers(self, inputs: Any, source: str | None = None) -> list[tuple[Task, Predictions]]:  # noqa: ANN401 - as `predict`
        """Per task that the source's inputs carry its predictions, in the coding that metrics take."""
        chosen = self.resolve_source(source)
        networks = [network for network in self.networks if chosen in network.normalizations]
        found: list[tuple[Task, Predictions]] = []
        for network in networks:
            if chosen not in network.codings:
                _check_shape(network.plan.input_shape_of(chosen), inputs)
            outputs = network.outputs_for(chosen, inputs)
            found.extend((task, task.predict(outputs[task.name])) for task in network.tasks)
        return found

    def resolve_source(self, source: str | None) -> str:
        """The source of that name; of a model that knows one source, that.

        Raises:
            ConfigError: An unknown source, or none where several are known.
        """
        if source is None and len(self.sources) == 1:
            return self.sources[0]
        if source not in self.sources:
            remedy = f"Say which of {', '.join(self.sources)} the inputs are like (source=)"
            raise ConfigError("inputs of several sources are normalized differently", where="source", found=repr(source), remedy=remedy)
        return source


def load(run: str | Path, *, components: Collection[type] | None = ()) -> SavedModel:
    """The model of a run folder, or of its `model` folder.

    A model folder imports nothing: parts of your own are registered (`polytask.register`), or handed in as classes.

    Args:
        run: The folder.
        components: Classes of parts that are not registered. None follows every import path in the folder: only for folders of your own.

    Raises:
        StorageError: There is none, or a file is damaged.
        ConfigError: A part that is neither registered nor among the components.
    """
    folder = Path(run)
    folder = folder / "model" if (folder / "model" / MODEL_INDEX).exists() else folder
    if not (folder / MODEL_INDEX).exists():
        raise StorageError("there is no model here", where=str(run), remedy="Give the folder of a finished run")
    try:
        index = ModelIndex.read(folder / MODEL_INDEX)
    except DataError as error:
        raise StorageError("this is no model index", where=str(folder / MODEL_INDEX), found=error.found) from None
    networks = [folder / _plain_name(entry.folder) for entry in index.networks]
    return SavedModel(tuple(load_network(network, components) for network in networks))


def _plain_name(name: str) -> str:
    """A folder beside the index, and nowhere else."""
    if Path(name).name != name:
        raise StorageError("a model's networks lie beside its index", where=MODEL_INDEX, found=repr(name))
    return name


def _check_shape(shape: tuple[int, ...], inputs: NDArray[Any]) -> None:
    if np.shape(inputs)[1:] != shape:
        found = f"{np.shape(inputs)}"
        raise ConfigError(f"inputs have the shape (N, {', '.join(map(str, shape))})", where="inputs", found=found)
