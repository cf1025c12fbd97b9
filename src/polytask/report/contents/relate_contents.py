"""How tasks stand to each other, as plain data: relate.json and what lies beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from polytask.errors import StorageError
from polytask.report.contents.run_contents import Entries, flatten_entries, list_files
from polytask.report.contents.run_tables import HISTORY_COLUMNS, LearningCurve, make_curve, read_run_table
from polytask.run_files import CostFile, GroupingRecord, MeasureRecord, RelateFile
from polytask.storage import read_json, read_yaml

RELATE_FILE = "relate.json"
RELATE_RUN_FILES = ("run.yaml", "environment.json", RELATE_FILE, "cost.json", "history.csv")
MAX_CURVES = 8  # colors that can be told apart
MAX_NUMBER_LENGTH = 7  # characters of a number in a matrix

MEASURE_LABELS = {
    "cosine": "Gradient cosine",
    "lookahead": "Look-ahead affinity",
    "transfer": "Transfer",
    "similarity": "Similarity of features",
}
MEASURE_MEANINGS = {
    "cosine": "The cosine of two tasks' gradients of what they share, averaged over the measured steps. Below zero they oppose each other.",
    "lookahead": "The share of its loss that the column's task loses by one gradient step on the row's task, averaged over the measured "
    "steps. Below zero the step does harm.",
    "transfer": "What the column's task gains on validation data by starting from the network trained on the row's task, against a fresh "
    "start: 1 is the way from a predictor that never looks to a perfect one.",
    "similarity": "How alike the features of two single-task networks are on validation rows (linear CKA): 1 is alike up to a rotation.",
}
HISTORY_PREFIXES = ("cosine with", "affinity onto")


@dataclass(frozen=True)
class RelateContents:
    """What the run folder of `polytask relate` holds.

    Attributes:
        relatedness: relate.json.
        costs: cost.json.
        curves: Per task what was measured between it and each other task, epoch by epoch, from history.csv.
        configuration: Dotted names and values of run.yaml.
        environment: Names and values of environment.json.
        files: What lies in the folder, and what it holds.
    """

    relatedness: RelateFile
    costs: CostFile
    curves: tuple[LearningCurve, ...]
    configuration: Entries
    environment: Entries
    files: Entries


def read_relate_contents(folder: Path) -> RelateContents:
    """Read the run folder of `polytask relate`.

    Raises:
        StorageError: A file is missing, or cannot be read.
        DataError: A file holds something else than it should.
    """
    for name in RELATE_RUN_FILES:
        if not (folder / name).is_file():
            raise StorageError("this file is missing", where=str(folder / name), remedy="Give the folder of a finished run")
    relatedness = RelateFile.read(folder / RELATE_FILE)
    return RelateContents(
        relatedness=relatedness,
        costs=CostFile.read(folder / "cost.json"),
        curves=affinity_curves(read_run_table(folder / "history.csv", HISTORY_COLUMNS), relatedness.tasks),
        configuration=flatten_entries(read_yaml(folder / "run.yaml"), folder / "run.yaml"),
        environment=flatten_entries(read_json(folder / "environment.json"), folder / "environment.json"),
        files=list_files(folder),
    )


def affinity_curves(history: pd.DataFrame, tasks: tuple[str, ...]) -> tuple[LearningCurve, ...]:
    """Per task its cosines with all others, and its affinities onto them, epoch by epoch; none of more than 8 tasks.

    A cosine stands in the history once for every pair; here both tasks have it. The other tasks take the place of arms.

    Args:
        history: Columns `HISTORY_COLUMNS`.
        tasks: All tasks.
    """
    if len(tasks) > MAX_CURVES:
        return ()
    rows = history[history["split"] == "observed"]
    found = []
    for seen in HISTORY_PREFIXES:
        own = rows[rows["name"].str.startswith(f"{seen} ")]
        own = own.assign(arm=own["name"].str.slice(len(seen) + 1), name=seen)
        if seen == "cosine with":
            own = pd.concat([own, own.assign(task=own["arm"], arm=own["task"])], ignore_index=True)
        found += [curve for task in tasks if (curve := make_curve(own, task, "observed", seen)).points]
    return tuple(found)


def grouping_sentence(grouping: GroupingRecord | None) -> str:
    """Which networks are proposed.

    Example:
        >>> grouping_sentence(GroupingRecord(networks=(("a", "b"), ("b", "c")), groups=(("a", "b"), ("c",))))
        'Proposed: a + b together; b + c together, to predict c.'
    """
    if grouping is None or not grouping.networks:
        return "No groups are proposed."
    parts = [_network_phrase(network, group) for network, group in zip(grouping.networks, grouping.groups, strict=False)]
    return f"Proposed: {'; '.join(parts)}."


def _network_phrase(network: tuple[str, ...], group: tuple[str, ...]) -> str:
    named = f"{' + '.join(network)} together" if len(network) > 1 else f"{network[0]} alone"
    return named if set(network) == set(group) else f"{named}, to predict {', '.join(group)}"


def matrix_exponent(measure: MeasureRecord) -> int:
    """The power of ten in which a matrix is shown: 0 where its largest number off the diagonal has a digit among the first two.

    Example:
        >>> small = MeasureRecord(mean=((1.0, 0.00042), (-0.0001, 1.0)))
        >>> matrix_exponent(small), matrix_exponent(MeasureRecord(mean=((1.0, 0.3), (0.1, 1.0))))
        (-4, 0)
    """
    off = [abs(v) for i, row in enumerate(measure.mean) for j, v in enumerate(row) if i != j and v is not None and math.isfinite(v)]
    largest = max(off, default=0.0)
    return 0 if largest == 0 or largest >= 0.05 else math.floor(math.log10(largest))


def format_scaled(number: float | None, unit: int, digits: int = 2) -> str:
    """A number of a matrix in that power of ten, with its sign; nothing where there is none.

    Example:
        >>> format_scaled(0.00042, -4), format_scaled(-0.3, 0), format_scaled(None, 0), format_scaled(1e-9, 0)
        ('+4.20', '-0.30', '', '0.00')
    """
    if number is None or not math.isfinite(number):
        return ""
    text = f"{number / 10.0**unit:+.{digits}f}"
    return text if any(letter in "123456789" for letter in text) else text.lstrip("+-")


def format_diagonal(number: float | None, unit: int) -> str:
    """A task's own number, in the unit of those between tasks; a dot where that would be long, as for a cosine of 1 among small ones.

    Example:
        >>> format_diagonal(0.0123, -4), format_diagonal(1.0, -4), format_diagonal(None, 0)
        ('+123.00', '·', '')
    """
    text = format_scaled(number, unit)
    return text if len(text) <= MAX_NUMBER_LENGTH else "·"


def is_significant(mean: float | None, half_width: float | None) -> bool:
    """Whether the interval excludes 0."""
    return mean is not None and half_width is not None and abs(mean) > half_width


def confidence_sentence(measure: MeasureRecord, relatedness: RelateFile) -> str:
    """How far the numbers can be trusted, as far as several seeds tell.

    Example:
        >>> confidence_sentence(MeasureRecord(agreement=0.91, told_apart=2), RelateFile(tasks=("a", "b"), seeds=(0, 1)))
        'Of 2 numbers 2 are told from 0 by their intervals; seeds agree with a rank correlation of 0.91.'
    """
    if len(relatedness.seeds) < 2:
        return "One seed: no intervals."
    pairs = len(relatedness.tasks) * (len(relatedness.tasks) - 1)
    agreement = "" if measure.agreement is None else f"; seeds agree with a rank correlation of {measure.agreement:.2f}"
    return f"Of {pairs} numbers {measure.told_apart or 0} are told from 0 by their intervals{agreement}."


def measure_label(name: str) -> str:
    """What a measure is called."""
    return MEASURE_LABELS.get(name, name)


def measure_meaning(name: str) -> str:
    """What its numbers mean."""
    return MEASURE_MEANINGS.get(name, "")
