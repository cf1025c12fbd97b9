"""Schema of the facts that are stored with a trained network, from which the files of a run are computed.

A network's folder becomes the model folder of a run, whose bytes a repeat of the run gives again. So what differs between repeats is
stored next to it, in `measured.json`: seconds, bytes of memory, and the results of callbacks, which may hold such.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from polytask.run_files.base import FileSection, RunFile
from polytask.storage import load_state
from polytask.training.loop.training_state import HistoryRow

Figure = StrictInt | StrictFloat

MEASURED_FILE = "measured.json"


class CostFacts(FileSection):
    """Sizes of a network."""

    parameters: StrictInt
    multiply_adds: StrictInt
    shared_parameters: StrictInt
    saved_multiply_adds: StrictInt


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
    peak_memory: StrictInt
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
    parameters: StrictInt


class MeasuredFile(RunFile):
    """Content of measured.json: what differs between repeats of a job."""

    measured: MeasuredFacts
    observed: dict[str, Any] = Field(default_factory=dict)
    callbacks: dict[str, Any] = Field(default_factory=dict)


class StoredFacts(MeasuredFile):
    """Facts on the training of a network, a baseline or a training function; those that only some of them have are optional."""

    validation: dict[str, dict[str, Figure | None]]
    relative: Figure
    used: UsedFacts
    cost: CostFacts | None = None
    history: HistoryFacts | None = None
    parts: tuple[PartFacts, ...] = ()
    source_buffers: tuple[StrictStr, ...] = ()
    diverged: StrictStr = ""
    undertrained: StrictBool = False
    matched: StrictStr | None = None


def store_measured(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Store what differs between repeats of a job, and return the other facts, which are stored with the network.

    It is written before the network, whose presence says that the job has finished.

    Args:
        folder: Folder of the job.
        facts: All facts on the training.

    Raises:
        StorageError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> store_measured(folder, {"relative": 0.5, "measured": {"seconds": 2.0, "peak_memory": 3}})
        {'relative': 0.5}
        >>> MeasuredFile.read(folder / MEASURED_FILE).measured.seconds
        2.0
    """
    apart = MeasuredFile.model_fields.keys()
    MeasuredFile.from_content({name: facts[name] for name in apart & facts.keys()}).write(folder / MEASURED_FILE)
    return {name: value for name, value in facts.items() if name not in apart}


def load_facts(network: Path) -> Mapping[str, Any]:
    """Load all facts on the network of a job.

    Args:
        network: Folder of the network, in that of its job. Networks of older versions hold what was measured themselves.

    Raises:
        StorageError: A file is missing or damaged.
        DataError: An entry is missing or has the wrong type; the message names the first one.
    """
    facts, path = load_state(network).get("facts"), network.parent / MEASURED_FILE
    if isinstance(facts, dict) and "measured" not in facts and path.exists():
        facts |= MeasuredFile.read(path).to_dict()
    return checked_facts(facts, f"{network / 'values.json'}, facts")


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
        polytask.errors.DataError: values.json, measured: field required (found {'validation': {}}). Run the study again.
    """
    StoredFacts.parse(facts, where)
    return facts if isinstance(facts, Mapping) else {}
