"""Chosen models of a table as a folder: safetensors, JSON with LightGBM's texts, and networks; nothing is pickled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from polytask.data import TablePreprocessor, preprocessor_from_dict
from polytask.errors import StorageError
from polytask.storage import load_state, save_state
from polytask.table_arms.blend import TaskBlend
from polytask.table_arms.model_choice import CLASSICAL, ChosenModel, Member
from polytask.table_arms.network_arm import NetworkArm
from polytask.table_arms.table_model_base import TableArm
from polytask.tasks import Predictions, Task, task_from_dict
from polytask.training.trained_network import load_network, save_network


@dataclass(frozen=True)
class TrainedChoice:
    """Chosen models of one table, ready to predict, in the place of a network of a saved model.

    Attributes:
        model: Models and their weights.
        codings: Preprocessor of the table, by the name of its source.
    """

    model: ChosenModel
    codings: Mapping[str, TablePreprocessor]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Tasks that the models predict."""
        return self.model.tasks

    @property
    def normalizations(self) -> Mapping[str, None]:
        """Names of the sources whose rows the models take; they need no further normalization."""
        return dict.fromkeys(self.codings)

    def answers(self, source: str, inputs: pd.DataFrame) -> list[tuple[Task, Predictions]]:
        """Return each task with its predictions for rows of a table."""
        coding = self.codings[source]
        found = self.model.predict(coding.encode(inputs), coding)
        return [(task, found[task.name]) for task in self.tasks]


def save_choice(folder: Path, model: ChosenModel, source: str, coding: TablePreprocessor, facts: Mapping[str, Any] | None = None) -> None:
    """Save chosen models to a folder, with one folder in it per network.

    Args:
        folder: Folder to write.
        model: Models and their weights.
        source: Name of the table.
        coding: Preprocessor of the table.
        facts: Facts on the fit that belong to it.

    Raises:
        StorageError: The folder cannot be written.
    """
    arms = {
        arm: {str(place): _with_tensors(own.state()) for place, own in enumerate(members) if isinstance(own, TableArm)}
        for arm, members in model.members.items()
    }
    networks = {arm: [len(own.runs) for own in members if isinstance(own, NetworkArm)] for arm, members in model.members.items()}
    blends = {name: {**vars(own), "weights": dict(own.weights), "losses": dict(own.losses)} for name, own in model.blends.items()}
    state = {
        "tasks": [task.to_dict() for task in model.tasks],
        "coding": {"source": source, "columns": coding.to_dict()},
        "arms": arms,
        "networks": networks,
        "blends": blends,
        "decisions": model.decisions,
        "notes": list(model.notes),
        **({} if facts is None else {"facts": dict(facts)}),
    }
    save_state(folder, state)
    for arm, members in model.members.items():
        for place, member in enumerate(members):
            for number, (plan, run) in enumerate(member.runs if isinstance(member, NetworkArm) else ()):
                save_network(folder / _network_folder(arm, place, number), plan, run, {})


def load_choice(folder: Path, components: Collection[Callable[..., Any]] = ()) -> TrainedChoice:
    """Load chosen models; a file whose checksum is wrong is refused before any library sees its content.

    Raises:
        StorageError: A file is missing or damaged.
        MissingExtraError: A package that a model needs is not installed.
    """
    state = load_state(folder)
    tasks = tuple(task_from_dict(own, [one for one in components if isinstance(one, type)]) for own in state["tasks"])
    learnings = {task.name: learning for task in tasks if (learning := task.tabular_learning()) is not None}
    members: dict[str, list[Member]] = {}
    for arm, own in state["arms"].items():
        if own and arm not in CLASSICAL:
            raise StorageError("a model of this kind is not known", where=str(folder), found=repr(arm))
        classical = [CLASSICAL[arm].from_state(learnings, _with_arrays(own[str(place)])) for place in range(len(own))]
        members[arm] = [*classical, *_networks(folder, arm, state["networks"][arm], components)]
    blends = {name: TaskBlend(**own) for name, own in state["blends"].items()}
    coding = preprocessor_from_dict(state["coding"]["columns"])
    if not isinstance(coding, TablePreprocessor):
        raise StorageError("the preprocessor of a table is needed", where=str(folder))
    chosen = ChosenModel(tasks, members, blends, state["decisions"], tuple(state["notes"]))
    return TrainedChoice(chosen, {state["coding"]["source"]: coding})


def _networks(folder: Path, arm: str, counts: list[int], components: Collection[Callable[..., Any]]) -> list[NetworkArm]:
    found = []
    for place, count in enumerate(counts):
        loaded = [load_network(folder / _network_folder(arm, place, number), components) for number in range(count)]
        found.append(NetworkArm(arm.endswith("@apart"), networks=loaded))
    return found


def _network_folder(arm: str, place: int, number: int) -> str:
    return f"{arm.replace('@', '-')}-{place + 1}-{number + 1}"


def _with_tensors(value: Any) -> Any:  # noqa: ANN401 - nested dictionaries
    """Return nested dictionaries with tensors in the place of arrays."""
    if isinstance(value, Mapping):
        return {str(name): _with_tensors(own) for name, own in value.items()}
    return torch.from_numpy(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value


def _with_arrays(value: Any) -> Any:  # noqa: ANN401 - nested dictionaries
    """Return nested dictionaries with arrays in the place of tensors."""
    if isinstance(value, Mapping):
        return {name: _with_arrays(own) for name, own in value.items()}
    return value.numpy() if isinstance(value, torch.Tensor) else value
