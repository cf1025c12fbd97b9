"""Schema of the facts that are stored with a trained network, from which the files of a run are computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from polytask.run_files.base import FileSection, RunFile
from polytask.training.loop.training_state import HistoryRow

Figure = StrictInt | StrictFloat


class CostFacts(FileSection):
    """Sizes of a network."""

    parameters: Figure
    multiply_adds: Figure
    shared_parameters: Figure
    saved_multiply_adds: Figure


class UsedFacts(FileSection):
    """What the training used."""

    epochs: Figure
    best_epoch: Figure
    steps: Figure
    rows: Figure
    unsolved_steps: Figure = 0
    non_finite_steps: Figure = 0


class MeasuredFacts(FileSection):
    """Seconds, bytes, and per epoch the seconds and the mean relative metric."""

    seconds: Figure
    whole: Figure | None = None
    peak_memory: Figure
    timeline: tuple[tuple[Figure, Figure], ...] = ()


class HistoryFacts(FileSection):
    """Values of all epochs, as rows of a table."""

    columns: tuple[StrictStr, ...]
    data: tuple[tuple[Any, ...], ...] = ()

    @model_validator(mode="after")
    def _whole_rows(self) -> Self:
        if self.data and set(self.columns) != set(HistoryRow._fields):
            raise ValueError(f"the columns must be {', '.join(HistoryRow._fields)}")
        if any(len(row) != len(self.columns) for row in self.data):
            raise ValueError("every row must have a value per column")
        return self


class PartFacts(FileSection):
    """Part of a network, and the tasks that share it."""

    name: StrictStr
    tasks: tuple[StrictStr, ...]
    parameters: Figure


class StoredFacts(RunFile):
    """Facts on the training of a network, a baseline or a training function; those that only some of them have are optional."""

    validation: dict[str, dict[str, Figure | None]]
    relative: Figure
    used: UsedFacts
    measured: MeasuredFacts
    cost: CostFacts | None = None
    history: HistoryFacts | None = None
    parts: tuple[PartFacts, ...] = ()
    source_buffers: tuple[StrictStr, ...] = ()
    diverged: StrictStr = ""
    undertrained: StrictBool = False
    matched: StrictStr | None = None
    observed: dict[str, Any] = Field(default_factory=dict)
    callbacks: dict[str, Any] = Field(default_factory=dict)


def checked_facts(facts: object, where: str) -> Mapping[str, Any]:
    """Return facts as they were stored, after checking them.

    Args:
        facts: Decoded JSON.
        where: The file, for the error message.

    Raises:
        DataError: An entry is missing or has the wrong type; the message names the first one.

    Example:
        >>> checked_facts({"validation": {}}, "values.json")
        Traceback (most recent call last):
        polytask.errors.DataError: values.json, relative: field required (found {'validation': {}}). Run the study again.
    """
    StoredFacts.parse(facts, where)
    return facts if isinstance(facts, Mapping) else {}
