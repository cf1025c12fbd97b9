"""A finished network that a new run starts from: its weights, and whether they mean the same for the new data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from polytask.architectures import Network
from polytask.data import Source
from polytask.errors import ConfigError, StorageError, shown
from polytask.run_files.model_index import stored_networks
from polytask.storage import load_state, state_digest
from polytask.tasks import Task
from polytask.training.network_file import StoredNetwork, stored_network_errors

REMEDY = "Train without init_from, or choose the data, tasks and network that it was trained with"


@dataclass(frozen=True)
class StartingNetwork:
    """Stored network whose weights, heads included, are the first ones of another network.

    Statistics of inputs and targets are not taken over: they are those of the new training rows.

    Attributes:
        run: Folder that the user named.
        weights: Weights and buffers by name.
        tasks: Tasks as plain data, in any order.
        codings: Per source of texts or tables, the preprocessor as plain data.
        digest: SHA-256 of the file of the weights.
    """

    run: str
    weights: Mapping[str, Any]
    tasks: Sequence[Mapping[str, Any]]
    codings: Mapping[str, Mapping[str, Any]]
    digest: str

    @classmethod
    def read(cls, run: str, digest: str | None = None) -> Self:
        """Read the network of a run or model folder. Nothing is imported that the folder names.

        Args:
            run: Run folder or model folder.
            digest: SHA-256 that its weights must have; `None` accepts any.

        Raises:
            StorageError: The folder has no model, a file is damaged, or the weights are not those of the digest.
            ConfigError: The model has several networks, or is no network.
        """
        networks = stored_networks(Path(run))
        if len(networks) > 1 or networks[0][1].chosen:
            found = f"{len(networks)} networks" if len(networks) > 1 else "models of a table that were chosen out of fold"
            raise ConfigError("a run starts from one network", where=f"init_from {run!r}", found=found, remedy="Give a run of one network")
        folder = networks[0][0]
        state = load_state(folder)
        with stored_network_errors(folder):
            stored = StoredNetwork.model_validate(state)
        present = state_digest(folder)
        if digest not in (None, present):
            what, remedy = "the weights are not those that this run started from", "Restore them, or start another run"
            raise StorageError(what, where=f"init_from {run!r}", found=present, remedy=remedy)
        return cls(run, stored.weights, state["tasks"], stored.codings, present)

    def check(self, sources: Sequence[Source], tasks: Sequence[Task]) -> None:
        """Check that inputs and outputs mean what they meant for the stored network.

        Raises:
            ConfigError: Tasks have another name, kind or classes, or the columns or words of a source are others.
        """
        now, before = _meanings([task.to_dict() for task in tasks]), _meanings(self.tasks)
        for name in sorted(now.keys() | before.keys()):
            if now.get(name) != before.get(name):
                there, here = (_described(each.get(name)) for each in (before, now))
                raise ConfigError(
                    "the tasks must be those of the model", where=self._place(name), found=f"{there}, now {here}", remedy=REMEDY
                )
        present = {source.name: source.preprocessor.to_dict() for source in sources if source.preprocessor is not None}
        for name, coding, stored in _pairs(present, self.codings):
            if _words(coding) != _words(stored):
                found = f"source {name!r}{_first_difference(_words(coding), _words(stored))}"
                what = "the columns, categories and words of the inputs must be those of the model"
                raise ConfigError(what, where=self._place(), found=found, remedy=REMEDY)

    def copy_to(self, model: Network) -> None:
        """Give a network the stored weights, in place.

        Raises:
            ConfigError: A name or shape differs; the message names the first one.
        """
        try:
            model.load_state_dict(dict(self.weights))
        except RuntimeError as error:
            found = str(error).splitlines()[1].strip().rstrip(".")
            raise ConfigError("the weights do not fit this network", where=self._place(), found=found, remedy=REMEDY) from None

    def _place(self, task: str = "") -> str:
        return f"init_from {self.run!r}" + (f", task {task!r}" if task else "")


def _meanings(tasks: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what the outputs of each task mean: its kind, and its classes if it has any."""
    return {str(task["name"]): {name: task[name] for name in ("kind", "classes") if name in task} for task in tasks}


def _described(meaning: Mapping[str, Any] | None) -> str:
    if meaning is None:
        return "no such task"
    return str(meaning["kind"]) + (f" of {shown(meaning['classes'])}" if meaning.get("classes") else "")


def _pairs(
    now: Mapping[str, Mapping[str, Any]], before: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]]:
    """Return the present and the stored preprocessor of each source; a single source may have another name."""
    if len(now) == len(before) == 1:
        return [(*next(iter(now.items())), next(iter(before.values())))]
    return [(name, now.get(name), before.get(name)) for name in sorted(now.keys() | before.keys())]


def _words(coding: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 - plain data
    """Return a preprocessor as plain data without its numbers, such as the centers of columns, and without the written form of dates."""
    if not isinstance(coding, Mapping):
        return [_words(inner) for inner in coding] if isinstance(coding, list | tuple) else coding
    return {name: _words(value) for name, value in coding.items() if not isinstance(value, float) and name != "form"}


def _first_difference(now: Any, before: Any) -> str:  # noqa: ANN401 - plain data
    """Return the first column in which two preprocessors of tables differ, as an end of a phrase; empty if there are no columns."""
    here, there = ({column["name"]: column for column in (each or {}).get("columns") or []} for each in (now, before))
    for name in (*here, *there):
        if here.get(name) != there.get(name):
            return f", column {name!r}"
    return ", columns in another order" if here else ""
