"""How tasks stand to each other, as plain data: relate.json and what lies beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pydantic import Field

from polytask.errors import DataError, StorageError
from polytask.report.contents import Entries, entries_of, files_of
from polytask.report.outcome import ArmCost, Number, Part, parse
from polytask.report.tables import HISTORY_COLUMNS, Curve, curve_of, read_table
from polytask.storage import read_json, read_yaml

RELATE = "relate.json"
NEEDED = ("run.yaml", "environment.json", RELATE, "cost.json", "history.csv")
MOST_CURVES = 8  # colours that can be told apart
LONGEST = 7  # characters of a number in a matrix

NAMES = {
    "cosine": "Gradient cosine",
    "lookahead": "Look-ahead affinity",
    "transfer": "Transfer",
    "similarity": "Similarity of features",
}
MEANINGS = {
    "cosine": "The cosine of two tasks' gradients of what they share, averaged over the measured steps. Below zero they oppose each other.",
    "lookahead": "The share of its loss that the column's task loses by one gradient step on the row's task, averaged over the measured "
    "steps. Below zero the step does harm.",
    "transfer": "What the column's task gains on validation data by starting from the network trained on the row's task, against a fresh "
    "start: 1 is the way from a predictor that never looks to a perfect one.",
    "similarity": "How alike the features of two single-task networks are on validation rows (linear CKA): 1 is alike up to a rotation.",
}
SEEN = ("cosine with", "affinity onto")

Matrix = tuple[tuple[Number, ...], ...]


class Measure(Part):
    """One measure: means over seeds and half-widths of their intervals, from the row's task to the column's."""

    mean: Matrix = ()
    half_width: Matrix = ()
    agreement: Number = None
    told_apart: int | None = None


class Groups(Part):
    """The networks that are proposed."""

    by: str = ""
    at_most: int | None = None
    networks: tuple[tuple[str, ...], ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    gap: Number = None


class Relatedness(Part):
    """The content of relate.json."""

    source: str = ""
    version: str | None = None
    seeds: tuple[int | str, ...] = ()
    tasks: tuple[str, ...] = ()
    measures: dict[str, Measure] = Field(default_factory=dict)
    grouping: Groups | None = None
    notes: tuple[str, ...] = ()


class MeasureCost(Part):
    """What a measure cost."""

    seconds: Number = None
    share_of_joint_training: Number = None


class RelateCosts(Part):
    """The content of cost.json."""

    arms: dict[str, ArmCost] = Field(default_factory=dict)
    measures: dict[str, MeasureCost] = Field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class RelationContents:
    """What the run folder of `polytask relate` holds.

    Attributes:
        relatedness: relate.json.
        costs: cost.json.
        curves: Per task what was measured between it and each other task, epoch by epoch, from history.csv.
        configuration: Dotted names and values of run.yaml.
        environment: Names and values of environment.json.
        files: What lies in the folder, and what it holds.
    """

    relatedness: Relatedness
    costs: RelateCosts
    curves: tuple[Curve, ...]
    configuration: Entries
    environment: Entries
    files: Entries


def read_relations(folder: Path) -> RelationContents:
    """Read the run folder of `polytask relate`.

    Raises:
        StorageError: A file is missing, or cannot be read.
        DataError: A file holds something else than it should.
    """
    for name in NEEDED:
        if not (folder / name).is_file():
            raise StorageError("this file is missing", where=str(folder / name), remedy="Give the folder of a finished run")
    relatedness = as_relatedness(read_json(folder / RELATE), str(folder / RELATE))
    return RelationContents(
        relatedness=relatedness,
        costs=parse(RelateCosts, read_json(folder / "cost.json"), str(folder / "cost.json")),
        curves=observed_curves(read_table(folder / "history.csv", HISTORY_COLUMNS), relatedness.tasks),
        configuration=entries_of(read_yaml(folder / "run.yaml"), folder / "run.yaml"),
        environment=entries_of(read_json(folder / "environment.json"), folder / "environment.json"),
        files=files_of(folder),
    )


def as_relatedness(content: object, where: str = RELATE) -> Relatedness:
    """The content of relate.json, checked: its matrices are square.

    Raises:
        DataError: An entry of the wrong kind, or a matrix of another size than there are tasks.
    """
    found = content if isinstance(content, Relatedness) else parse(Relatedness, content, where)
    size = len(found.tasks)
    for name, measure in found.measures.items():
        for matrix in (measure.mean, measure.half_width):
            if len(matrix) != size or any(len(row) != size for row in matrix):
                raise DataError("a row and a column for every task are needed", where=f"{where}, measures.{name}", found=f"{size} tasks")
    return found


def observed_curves(history: pd.DataFrame, tasks: tuple[str, ...]) -> tuple[Curve, ...]:
    """Per task its cosines with all others, and its affinities onto them, epoch by epoch; none of more than 8 tasks.

    A cosine stands in the history once for every pair; here both tasks have it. The other tasks take the place of arms.

    Args:
        history: Columns `HISTORY_COLUMNS`.
        tasks: All tasks.
    """
    if len(tasks) > MOST_CURVES:
        return ()
    rows = history[history["split"] == "observed"]
    found = []
    for seen in SEEN:
        own = rows[rows["name"].str.startswith(f"{seen} ")]
        own = own.assign(arm=own["name"].str.slice(len(seen) + 1), name=seen)
        if seen == "cosine with":
            own = pd.concat([own, own.assign(task=own["arm"], arm=own["task"])], ignore_index=True)
        found += [curve for task in tasks if (curve := curve_of(own, task, "observed", seen)).points]
    return tuple(found)


def groups_sentence(grouping: Groups | None) -> str:
    """Which networks are proposed.

    Example:
        >>> groups_sentence(Groups(networks=(("a", "b"), ("b", "c")), groups=(("a", "b"), ("c",))))
        'Proposed: a + b together; b + c together, to predict c.'
    """
    if grouping is None or not grouping.networks:
        return "No groups are proposed."
    parts = [_network(network, group) for network, group in zip(grouping.networks, grouping.groups, strict=False)]
    return f"Proposed: {'; '.join(parts)}."


def _network(network: tuple[str, ...], group: tuple[str, ...]) -> str:
    named = f"{' + '.join(network)} together" if len(network) > 1 else f"{network[0]} alone"
    return named if set(network) == set(group) else f"{named}, to predict {', '.join(group)}"


def unit_of(measure: Measure) -> int:
    """The power of ten in which a matrix is shown: 0 where its largest number off the diagonal has a digit among the first two.

    Example:
        >>> unit_of(Measure(mean=((1.0, 0.00042), (-0.0001, 1.0)))), unit_of(Measure(mean=((1.0, 0.3), (0.1, 1.0))))
        (-4, 0)
    """
    off = [abs(v) for i, row in enumerate(measure.mean) for j, v in enumerate(row) if i != j and v is not None and math.isfinite(v)]
    largest = max(off, default=0.0)
    return 0 if largest == 0 or largest >= 0.05 else math.floor(math.log10(largest))


def in_unit(number: float | None, unit: int, digits: int = 2) -> str:
    """A number of a matrix in that power of ten, with its sign; nothing where there is none.

    Example:
        >>> in_unit(0.00042, -4), in_unit(-0.3, 0), in_unit(None, 0), in_unit(1e-9, 0)
        ('+4.20', '-0.30', '', '0.00')
    """
    if number is None or not math.isfinite(number):
        return ""
    text = f"{number / 10.0**unit:+.{digits}f}"
    return text if any(letter in "123456789" for letter in text) else text.lstrip("+-")


def on_diagonal(number: float | None, unit: int) -> str:
    """A task's own number, in the unit of those between tasks; a dot where that would be long, as for a cosine of 1 among small ones.

    Example:
        >>> on_diagonal(0.0123, -4), on_diagonal(1.0, -4), on_diagonal(None, 0)
        ('+123.00', '·', '')
    """
    text = in_unit(number, unit)
    return text if len(text) <= LONGEST else "·"


def is_clear(mean: float | None, half_width: float | None) -> bool:
    """Whether the interval excludes 0."""
    return mean is not None and half_width is not None and abs(mean) > half_width


def summary_line(measure: Measure, relatedness: Relatedness) -> str:
    """How far the numbers can be trusted, as far as several seeds tell.

    Example:
        >>> summary_line(Measure(agreement=0.91, told_apart=2), Relatedness(tasks=("a", "b"), seeds=(0, 1)))
        'Of 2 numbers 2 are told from 0 by their intervals; seeds agree with a rank correlation of 0.91.'
    """
    if len(relatedness.seeds) < 2:
        return "One seed: no intervals."
    pairs = len(relatedness.tasks) * (len(relatedness.tasks) - 1)
    agreement = "" if measure.agreement is None else f"; seeds agree with a rank correlation of {measure.agreement:.2f}"
    return f"Of {pairs} numbers {measure.told_apart or 0} are told from 0 by their intervals{agreement}."


def measure_name(name: str) -> str:
    """What a measure is called."""
    return NAMES.get(name, name)


def meaning(name: str) -> str:
    """What its numbers mean."""
    return MEANINGS.get(name, "")
