"""A run folder as plain data: everything that a report shows, and nothing that it computes from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from polytask.errors import DataError, StorageError
from polytask.registry import find, load, names
from polytask.report.contents.run_tables import (
    HISTORY_COLUMNS,
    PREDICTION_COLUMNS,
    RESULT_COLUMNS,
    ConfusionMatrix,
    LearningCurve,
    MetricRow,
    confusion_matrices,
    gradient_curves,
    learning_curves,
    metric_rows,
    read_run_table,
    sharing_curves,
    transfer_curves,
)
from polytask.run_files import CostFile, RaceFile, VerdictFile
from polytask.storage import read_json, read_yaml, storage_errors
from polytask.tasks.base import ReportView

REPORT_FILE = "report.html"
FILE_DESCRIPTIONS = {
    "run.yaml": "the resolved configuration, every default and every measured choice; feeding it back repeats the run",
    "environment.json": "versions, processor, threads and the fingerprints of the data",
    "predictions.parquet": "what every arm predicted for every test unit, per seed: the verdict is computed from it",
    "results.csv": "every metric per arm, seed, task and split",
    "verdict.json": "the verdict per task and arm, with intervals, and the recommendation",
    "race.json": "every setting that was tried on validation data, how far it came, and what was chosen",
    "relate.json": "how tasks stand to each other: per measure a matrix with intervals, and the groups that are proposed",
    "relations.csv": "every measure per seed and pair of tasks",
    "cost.json": "parameters, multiply-adds, seconds and peak memory per arm",
    "history.csv": "losses, weights and validation metrics per epoch",
    REPORT_FILE: "this page",
    "model": "the recommended model with its preprocessing: safetensors and JSON",
    "checkpoints": "what is kept while training",
    "log.txt": "what happened when",
}
STUDY_FILES = ("run.yaml", "environment.json", "predictions.parquet", "results.csv", "verdict.json", "cost.json", "history.csv")

Entries = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RunContents:
    """What a run folder holds.

    Attributes:
        outcome: verdict.json.
        costs: cost.json.
        race: race.json, if anything was tuned or chosen before the test.
        metrics: Means of results.csv over seeds.
        learning_curves: Learning curves, from history.csv.
        gradients: Weights, lengths and cosines of the tasks' gradients, from history.csv.
        sharing: What ways of sharing have learned, from history.csv.
        leads: Of joint networks over their single-task twins, from history.csv.
        confusion_matrices: One matrix per classification task and arm, from predictions.parquet.
        configuration: Dotted names and values of run.yaml.
        environment: Names and values of environment.json.
        files: What lies in the folder, and what it holds.
    """

    outcome: VerdictFile
    costs: CostFile
    race: RaceFile
    metrics: tuple[MetricRow, ...]
    curves: tuple[LearningCurve, ...]
    gradients: tuple[LearningCurve, ...]
    sharing: tuple[LearningCurve, ...]
    leads: tuple[LearningCurve, ...]
    confusions: tuple[ConfusionMatrix, ...]
    configuration: Entries
    environment: Entries
    files: Entries


def read_contents(folder: Path) -> RunContents:
    """Read a run folder.

    Args:
        folder: What `polytask study` wrote.

    Raises:
        StorageError: A file is missing, or cannot be read.
        DataError: A file holds something else than it should.
    """
    for name in STUDY_FILES:
        if not (folder / name).is_file():
            remedy = "Give the folder of a finished study; an unfinished one goes on with the command that began it"
            raise StorageError("this file is missing", where=str(folder / name), remedy=remedy)
    outcome = VerdictFile.read(folder / "verdict.json")
    classified = [name for name, task in outcome.tasks.items() if _view_of(task.kind) is ReportView.CONFUSION]
    metrics = {name: task.metric for name, task in outcome.tasks.items()}
    history = read_run_table(folder / "history.csv", HISTORY_COLUMNS)
    return RunContents(
        outcome=outcome,
        costs=CostFile.read(folder / "cost.json"),
        race=_read_race(folder / "race.json"),
        metrics=metric_rows(read_run_table(folder / "results.csv", RESULT_COLUMNS)),
        curves=learning_curves(history, metrics),
        gradients=gradient_curves(history, list(metrics)),
        sharing=sharing_curves(history, list(metrics)),
        leads=transfer_curves(history, list(metrics)),
        confusions=confusion_matrices(read_run_table(folder / "predictions.parquet", PREDICTION_COLUMNS), classified),
        configuration=flatten_entries(read_yaml(folder / "run.yaml"), folder / "run.yaml"),
        environment=flatten_entries(read_json(folder / "environment.json"), folder / "environment.json"),
        files=list_files(folder),
    )


def _view_of(kind: str) -> ReportView:
    """What is drawn of a kind's predictions; nothing where the kind is not known here."""
    return load(find("task kind", kind)).report_view if kind in names("task kind") else ReportView.NONE


def _read_race(path: Path) -> RaceFile:
    return RaceFile.read(path) if path.exists() else RaceFile()


def flatten_entries(content: object, path: Path) -> Entries:
    """Dotted names and values of a file, as text.

    Raises:
        DataError: It holds no names with values.
    """
    if not isinstance(content, Mapping):
        raise DataError("this file holds no names with values", where=str(path), found=type(content).__name__)
    return tuple(_flatten(content))


def _flatten(content: Mapping[object, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested names joined by dots, and values as text."""
    for name, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _as_text(value)


def _as_text(value: object) -> str:
    if value is None or value in ([], {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def list_files(folder: Path) -> Entries:
    """Known files in their order, then others; the report itself is always there, so that a repeat gives the same page."""
    with storage_errors(folder):
        there = {path.name for path in folder.iterdir() if not path.name.startswith(".")} | {REPORT_FILE}
    known = [(name, holds) for name, holds in FILE_DESCRIPTIONS.items() if name in there]
    return (*known, *((name, "not written by polytask") for name in sorted(there - set(FILE_DESCRIPTIONS))))
