"""Content of a run folder of `polytask relate` as typed data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from polytask.report.contents.curves_and_confusion import HISTORY_COLUMNS, LearningCurve, make_curve, read_run_table
from polytask.report.contents.run_contents import Entries, flatten_entries, list_files, require_files
from polytask.run_files import CostFile, EnvironmentFile, GroupingRecord, MeasureRecord, RelateFile
from polytask.storage import read_yaml

RELATE_FILE = "relate.json"
RELATE_RUN_FILES = ("run.yaml", "environment.json", RELATE_FILE, "cost.json", "history.csv")
MAX_CURVES = 8  # there are no more distinguishable colors
MAX_NUMBER_LENGTH = 7  # characters of a number in a matrix

MEASURE_LABELS = {
    "cosine": "Gradient cosine",
    "lookahead": "Look-ahead affinity",
    "transfer": "Transfer",
    "similarity": "Similarity of features",
}
MEASURE_MEANINGS = {
    "cosine": "Cosine between the gradients of two tasks with respect to the shared parameters, averaged over the measured steps. Below "
    "zero the gradients conflict.",
    "lookahead": "Relative decrease of the loss of the column's task after one gradient step on the row's task, averaged over the measured "
    "steps. Below zero the step does harm.",
    "transfer": "Gain of the column's task on validation data from starting with the network trained on the row's task instead of a fresh "
    "one. The unit is the distance from a trivial to a perfect predictor.",
    "similarity": "Similarity of the features of two single-task networks on validation rows (linear CKA). 1 means equal up to a rotation.",
}
HISTORY_PREFIXES = ("cosine with", "affinity onto")


@dataclass(frozen=True)
class RelateContents:
    """Content of a run folder of `polytask relate`.

    Attributes:
        relatedness: Content of relate.json.
        costs: Content of cost.json.
        curves: Measures between each task and the other tasks, per epoch, from history.csv.
        configuration: Dotted names and values of run.yaml.
        environment: Names and values of environment.json.
        files: Names and descriptions of the files in the folder.
    """

    relatedness: RelateFile
    costs: CostFile
    curves: tuple[LearningCurve, ...]
    configuration: Entries
    environment: Entries
    files: Entries


def read_relate_contents(folder: Path) -> RelateContents:
    """Read a run folder of `polytask relate`.

    Raises:
        StorageError: A file is missing or cannot be read.
        DataError: A file has unexpected content.
    """
    require_files(folder, RELATE_RUN_FILES)
    relatedness = RelateFile.read(folder / RELATE_FILE)
    return RelateContents(
        relatedness=relatedness,
        costs=CostFile.read(folder / "cost.json"),
        curves=affinity_curves(read_run_table(folder / "history.csv", HISTORY_COLUMNS), relatedness.tasks),
        configuration=flatten_entries(read_yaml(folder / "run.yaml"), folder / "run.yaml"),
        environment=flatten_entries(EnvironmentFile.read(folder / "environment.json").facts, folder / "environment.json"),
        files=list_files(folder),
    )


def affinity_curves(history: pd.DataFrame, tasks: tuple[str, ...]) -> tuple[LearningCurve, ...]:
    """Return the cosines of each task with the others, and its affinities onto them, per epoch; empty for more than 8 tasks.

    The history has a cosine once per pair; here both tasks get it. In the curves, the other tasks take the place of arms.

    Args:
        history: Table with the columns `HISTORY_COLUMNS`.
        tasks: Names of all tasks.
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
    """Return a sentence that names the proposed networks.

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
    """Return the power of ten in which a matrix is shown; 0 if its largest number off the diagonal is at least 0.05.

    Example:
        >>> small = MeasureRecord(mean=((1.0, 0.00042), (-0.0001, 1.0)))
        >>> matrix_exponent(small), matrix_exponent(MeasureRecord(mean=((1.0, 0.3), (0.1, 1.0))))
        (-4, 0)
    """
    off = [abs(v) for i, row in enumerate(measure.mean) for j, v in enumerate(row) if i != j and v is not None and math.isfinite(v)]
    largest = max(off, default=0.0)
    return 0 if largest == 0 or largest >= 0.05 else math.floor(math.log10(largest))


def format_scaled(number: float | None, unit: int, digits: int = 2) -> str:
    """Format a number of a matrix in units of 10 to the power `unit`, with its sign; empty if it is missing.

    Example:
        >>> format_scaled(0.00042, -4), format_scaled(-0.3, 0), format_scaled(None, 0), format_scaled(1e-9, 0)
        ('+4.20', '-0.30', '', '0.00')
    """
    if number is None or not math.isfinite(number):
        return ""
    text = f"{number / 10.0**unit:+.{digits}f}"
    return text if any(letter in "123456789" for letter in text) else text.lstrip("+-")


def format_diagonal(number: float | None, unit: int) -> str:
    """Format a number on the diagonal in the unit of the matrix; a dot if that is long, such as a cosine of 1 among small ones.

    Example:
        >>> format_diagonal(0.0123, -4), format_diagonal(1.0, -4), format_diagonal(None, 0)
        ('+123.00', '·', '')
    """
    text = format_scaled(number, unit)
    return text if len(text) <= MAX_NUMBER_LENGTH else "·"


def is_significant(mean: float | None, half_width: float | None) -> bool:
    """Return whether the interval excludes 0."""
    return mean is not None and half_width is not None and abs(mean) > half_width


def confidence_sentence(measure: MeasureRecord, relatedness: RelateFile) -> str:
    """Return a sentence on the uncertainty of a measure: significant values, and the agreement of seeds.

    Example:
        >>> confidence_sentence(MeasureRecord(agreement=0.91, significant_entries=2), RelateFile(tasks=("a", "b"), seeds=(0, 1)))
        '2 of 2 values differ from 0 by their 95 % intervals; seeds agree with a rank correlation of 0.91.'
    """
    if len(relatedness.seeds) < 2:
        return "Only one seed, hence no intervals."
    pairs = len(relatedness.tasks) * (len(relatedness.tasks) - 1)
    agreement = "" if measure.agreement is None else f"; seeds agree with a rank correlation of {measure.agreement:.2f}"
    return f"{measure.significant_entries or 0} of {pairs} values differ from 0 by their 95 % intervals{agreement}."


def measure_label(name: str) -> str:
    """Return the display name of a measure."""
    return MEASURE_LABELS.get(name, name)


def measure_meaning(name: str) -> str:
    """Return an explanation of a measure; empty if it is unknown."""
    return MEASURE_MEANINGS.get(name, "")
