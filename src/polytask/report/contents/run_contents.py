"""Content of a run folder of `polytask study` as typed data: everything that the report shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from polytask.errors import DataError, StorageError
from polytask.registry import find, load_class, names
from polytask.report.contents.curves_and_confusion import (
    HISTORY_COLUMNS,
    PREDICTION_COLUMNS,
    RESULT_COLUMNS,
    ConfusionMatrix,
    LearningCurve,
    MetricRow,
    confusion_matrices,
    empty_table,
    gradient_curves,
    learning_curves,
    metric_rows,
    read_run_table,
    sharing_curves,
    transfer_curves,
)
from polytask.report.contents.display_names import titled_costs, titled_race, titled_table
from polytask.report.contents.prediction_checks import Reliability, ResidualProfile, reliabilities, residual_profiles
from polytask.run_files import CostFile, EnvironmentFile, RaceFile, VerdictFile
from polytask.run_files.file_descriptions import FILE_DESCRIPTIONS, REPORT_FILE
from polytask.storage import read_yaml, storage_errors
from polytask.tasks.base import ReportView
from polytask.verdicts.shown.titled_verdict import titled_verdict

JUDGED_FILE = "verdict.yaml"
"""File that only the folder of a verdict on predictions of another program has."""
VERDICT_FILES = ("predictions.parquet", "results.csv", "verdict.json", JUDGED_FILE)
"""Files of a verdict on predictions of another program, which has nothing to tell about training."""
STUDY_FILES = ("run.yaml", "environment.json", "predictions.parquet", "results.csv", "verdict.json", "cost.json", "history.csv")

Entries = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RunContents:
    """Content of a run folder of `polytask study`, or of `polytask verdict`, in which all parts about training are empty.

    Attributes:
        outcome: Content of verdict.json.
        costs: Content of cost.json.
        race: Content of race.json; empty if nothing was tuned or chosen before the test.
        metrics: Means over seeds of the metrics in results.csv.
        curves: Learning curves, from history.csv.
        gradients: Weights, norms and cosines of the task gradients, from history.csv.
        sharing: Learned parameters of the architectures, such as gates, from history.csv.
        leads: Leads of joint networks over their single-task twins, from history.csv.
        confusions: One confusion matrix per classification task and arm, from predictions.parquet.
        reliabilities: Calibration per task of two classes and arm, from predictions.parquet.
        residuals: Residuals per task of numbers and arm, from predictions.parquet.
        configuration: Dotted names and values of run.yaml or verdict.yaml.
        environment: Names and values of environment.json.
        files: Names and descriptions of the files in the folder.
        folder: Path of the folder as it was given.
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
    reliabilities: tuple[Reliability, ...]
    residuals: tuple[ResidualProfile, ...]
    configuration: Entries
    environment: Entries
    files: Entries
    folder: str


def read_contents(folder: Path) -> RunContents:
    """Read a run folder of `polytask study` or `polytask verdict`.

    Args:
        folder: Path of the run folder.

    Raises:
        StorageError: A file is missing or cannot be read.
        DataError: A file has unexpected content.
    """
    judged = (folder / JUDGED_FILE).is_file()
    remedy = "Give the folder of a finished study; to resume an unfinished one, run its command again"
    require_files(folder, VERDICT_FILES if judged else STUDY_FILES, remedy)
    stored = VerdictFile.read(folder / "verdict.json")
    outcome, titles = titled_verdict(stored), stored.titles
    views = {name: _view_of(task.kind) for name, task in outcome.tasks.items()}
    classified, measured = ([name for name, own in views.items() if own is view] for view in (ReportView.CONFUSION, ReportView.RESIDUALS))
    metrics = {name: task.metric for name, task in outcome.tasks.items()}
    history = empty_table(HISTORY_COLUMNS) if judged else read_run_table(folder / "history.csv", HISTORY_COLUMNS)
    history = titled_table(history, titles)
    predictions = titled_table(read_run_table(folder / "predictions.parquet", PREDICTION_COLUMNS), titles)
    options, environment = folder / (JUDGED_FILE if judged else "run.yaml"), folder / "environment.json"
    return RunContents(
        outcome=outcome,
        costs=CostFile() if judged else titled_costs(CostFile.read(folder / "cost.json"), titles),
        race=titled_race(_read_race(folder / "race.json"), titles),
        metrics=metric_rows(titled_table(read_run_table(folder / "results.csv", RESULT_COLUMNS), titles)),
        curves=learning_curves(history, metrics),
        gradients=gradient_curves(history, list(metrics)),
        sharing=sharing_curves(history, list(metrics)),
        leads=transfer_curves(history, list(metrics)),
        confusions=confusion_matrices(predictions, classified),
        reliabilities=reliabilities(predictions, classified),
        residuals=residual_profiles(predictions, measured),
        configuration=flatten_entries(read_yaml(options), options),
        environment=() if judged else flatten_entries(EnvironmentFile.read(environment).facts, environment),
        files=list_files(folder),
        folder=str(folder),
    )


def _view_of(kind: str) -> ReportView:
    """Return what the report shows of the predictions of a task kind; `ReportView.NONE` for an unknown kind."""
    return load_class(find("task kind", kind)).report_view if kind in names("task kind") else ReportView.NONE


def _read_race(path: Path) -> RaceFile:
    return RaceFile.read(path) if path.exists() else RaceFile()


def flatten_entries(content: object, path: Path) -> Entries:
    """Return dotted names and values of a file, as text.

    Raises:
        DataError: The content is not a mapping.
    """
    if not isinstance(content, Mapping):
        raise DataError("this file must hold a mapping of names to values", where=str(path), found=type(content).__name__)
    return tuple(_flatten(content))


def _flatten(content: Mapping[object, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested names joined by dots, and their values as text."""
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


def require_files(folder: Path, names: Iterable[str], remedy: str = "Give the folder of a finished run") -> None:
    """Check that a run folder has these files.

    Raises:
        StorageError: One is missing.
    """
    for name in names:
        if not (folder / name).is_file():
            raise StorageError("this file is missing", where=str(folder / name), remedy=remedy)


def list_files(folder: Path) -> Entries:
    """Return names and descriptions of the files in a folder: known files in a fixed order, then others.

    The report is always listed, so that building it a second time gives the same page.
    """
    with storage_errors(folder):
        there = {path.name for path in folder.iterdir() if not path.name.startswith(".")} | {REPORT_FILE}
    known = [(name, holds) for name, holds in FILE_DESCRIPTIONS.items() if name in there]
    return (*known, *((name, "not written by polytask") for name in sorted(there - set(FILE_DESCRIPTIONS))))
