"""Saved models: one or several networks with their preprocessing, which predict in original labels and units."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from polytask.data import TablePreprocessor
from polytask.datasets.tables import to_dataframe
from polytask.devices import resolve_device
from polytask.errors import ConfigError
from polytask.registry import Component
from polytask.registry.resolve import given_components
from polytask.run_files.model_index import stored_networks
from polytask.table_arms.saved_choice import TrainedChoice, load_choice
from polytask.tasks import Predictions, Task
from polytask.training.trained_network import TrainedNetwork, load_network

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class SavedModel:
    """Trained model, consisting of one or several networks.

    Attributes:
        networks: One network for all tasks, or one per group of tasks; or the models of a table that were chosen out of fold.
    """

    networks: tuple[TrainedNetwork | TrainedChoice, ...]

    def __repr__(self) -> str:
        return f"<SavedModel that predicts {', '.join(task.name for task in self.tasks)} from {', '.join(self.sources)}>"

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Tasks that the model predicts."""
        return tuple(task for network in self.networks for task in network.tasks)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources from which inputs may come; each has its own normalization."""
        return tuple(dict.fromkeys(source for network in self.networks for source in network.normalizations))

    def predict(self, inputs: Any, source: str | None = None) -> pd.DataFrame:  # noqa: ANN401 - an array, texts, or a table
        """Predict original labels or numbers, with one column per task whose network was trained on the source.

        A frame of pandas keeps its index.

        Args:
            inputs: Inputs (N, ...) in the form of the source: uint8 images or vectors, a dict of such arrays, or texts or a table if it was
                trained on such (pandas, polars, Arrow, or a mapping of columns).
            source: Name of the source that the inputs are like; `None` is allowed if the model knows a single source.

        Raises:
            ConfigError: The source is unknown, none is given although several are known, or inputs have another shape.
        """
        columns = {name: own for task, found in self.answers(inputs, source) for name, own in task.prediction_columns(found.values).items()}
        return pd.DataFrame(columns, index=_index_of(inputs))

    def predict_proba(self, inputs: Any, source: str | None = None) -> dict[str, pd.DataFrame]:  # noqa: ANN401 - as `predict`
        """Predict the probabilities of classes: a frame (N, C) with one column per class, for each task that has classes."""
        found = {task: answer.probabilities for task, answer in self.answers(inputs, source)}
        classes = {task.name: getattr(task, "classes", ()) for task in found}
        return {
            task.name: pd.DataFrame(probabilities, columns=list(classes[task.name]), index=_index_of(inputs))
            for task, probabilities in found.items()
            if probabilities is not None
        }

    def answers(self, inputs: Any, source: str | None = None) -> list[tuple[Task, Predictions]]:  # noqa: ANN401 - as `predict`
        """Return each task whose network was trained on the source, with its predictions in the coding that metrics take."""
        chosen = self.resolve_source(source)
        networks = [network for network in self.networks if chosen in network.normalizations]
        found: list[tuple[Task, Predictions]] = []
        for network in networks:
            if isinstance(network, TrainedChoice):
                found.extend(network.answers(chosen, to_dataframe(inputs, "inputs")))
                continue
            if chosen not in network.codings:
                _check_shape(network.plan.input_shape_of(chosen), inputs)
            if isinstance(network.codings.get(chosen), TablePreprocessor):
                inputs = to_dataframe(inputs, "inputs")
            outputs = network.outputs_for(chosen, inputs)
            found.extend((task, task.predict(outputs[task.name])) for task in network.tasks)
        return found

    def resolve_source(self, source: str | None) -> str:
        """Return the source after checking that the model knows it; `None` gives the only source of the model.

        Raises:
            ConfigError: The source is unknown, or none is given although several are known.
        """
        if source is None and len(self.sources) == 1:
            return self.sources[0]
        if source not in self.sources:
            remedy = f"Give the one that the inputs are like as source=, one of: {', '.join(self.sources)}"
            raise ConfigError(
                "a known source is required, since each has its own normalization", where="source", found=repr(source), remedy=remedy
            )
        return source


def load(run: str | Path, *, components: Collection[Callable[..., Any] | Component] = (), device: str | torch.device = "cpu") -> SavedModel:
    """Load the model of a run folder, or of its `model` folder.

    Loading never imports code that a model folder names: your own components must be registered (`polytask.register`, or the entry
    points of an installed package) or given.

    Args:
        run: Path of the folder.
        components: Classes or objects of the model's components that are not registered, such as `[Mine]`, and the function that makes
            its networks, if it is your own.
        device: Device on which the model predicts, whatever the device on which it was trained: `cpu`, `auto` (the first accelerator, or
            the CPU if there is none), `cuda:1`, … Predictions on another device are the same up to round-off.

    Raises:
        StorageError: The folder has no model, or a file is damaged.
        ConfigError: A component is neither registered nor among `components` (the message names those that are missing), one of
            `components` is no component, the machine has no such device, or a training function of the user's own trained the model.
    """
    classes, place = given_components(components), resolve_device(device)
    found = [(folder, entry.chosen) for folder, entry in stored_networks(Path(run))]
    return SavedModel(tuple(load_choice(own, classes) if chosen else load_network(own, classes, place) for own, chosen in found))


def _index_of(inputs: Any) -> pd.Index[Any] | None:  # noqa: ANN401 - as `SavedModel.predict`
    """Return the index of a frame or a column of pandas; `None` for everything else."""
    return inputs.index if isinstance(inputs, pd.DataFrame | pd.Series) else None


def _check_shape(shape: Any, inputs: Any, where: str = "inputs") -> None:  # noqa: ANN401 - a shape and an array, or both by name
    if isinstance(shape, Mapping):
        if not isinstance(inputs, Mapping) or inputs.keys() != shape.keys():
            found = f"entries {', '.join(map(str, inputs))}" if isinstance(inputs, Mapping) else type(inputs).__name__
            raise ConfigError(f"inputs must be a dict with the entries {', '.join(shape)}", where=where, found=found)
        for name, own in shape.items():
            _check_shape(own, inputs[name], f"{where}, entry {name!r}")
    elif np.shape(inputs)[1:] != shape:
        raise ConfigError(f"inputs must have the shape (N, {', '.join(map(str, shape))})", where=where, found=f"{np.shape(inputs)}")
