"""Verdict, advice and files of a comparison whose predictions were made by any program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from polytask.datasets.tables.infer_task import read_kind
from polytask.errors import DataError, error_location
from polytask.options import ReadingOptions, VerdictConfig
from polytask.registry.parsing import parse_component
from polytask.run_files import Recommendation, VerdictFile
from polytask.storage import write_yaml
from polytask.studies.predictions.prediction_file import predictions_in, read_prediction_file
from polytask.studies.predictions.prediction_metrics import METRIC_COLUMNS, metric_rows_of
from polytask.studies.results.recommendation import recommendation_record
from polytask.studies.setup.run_folder import RunFolder, write_dataframe
from polytask.tasks import Task
from polytask.tasks.base import task_from_dict
from polytask.verdicts.advised_verdict import Verdict
from polytask.verdicts.compute_verdict import verdict_of_table
from polytask.verdicts.estimates.empty_same import without_empty_same
from polytask.verdicts.prediction_frame import PredictionTable, read_predictions
from polytask.verdicts.spending.seed_plan import SeedPlan

LARGEST_EXACT = 2.0**53
"""Whole numbers below this are exact as floats."""


@dataclass(frozen=True)
class JudgedPredictions:
    """Verdict on predictions.

    Attributes:
        config: Options of the verdict.
        verdict: Verdict per task and arm, with its advice if an arm was chosen.
        summary: Content of verdict.json.
        predictions: Predictions as they were read.
        table: The same, checked.
    """

    config: VerdictConfig
    verdict: Verdict
    summary: VerdictFile
    predictions: pd.DataFrame
    table: PredictionTable

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of each task, and whether it was inferred from targets and predictions."""
        given = [task.name for task in self.table.tasks if "kind" in self.predictions or task.name in self.config.kinds]
        return {task.name: task.kind.kind + ("" if task.name in given else " (inferred)") for task in self.table.tasks}

    def write(self, folder: RunFolder) -> None:
        """Write the verdict, the metrics, the predictions and the options, which mark the folder as finished, to a locked folder."""
        metrics = pd.DataFrame(list(metric_rows_of(self.table)), columns=METRIC_COLUMNS)
        write_dataframe(folder.predictions, stored_form(self.predictions))
        write_dataframe(folder.path / "results.csv", metrics)
        self.summary.write(folder.verdict)
        write_yaml(folder.judged, self.config.model_dump(mode="json"))


def judge_predictions(path: Path, config: VerdictConfig) -> JudgedPredictions:
    """Compute the verdict on a file of predictions.

    Args:
        path: File, or folder of a run.
        config: Options.

    Raises:
        StorageError: The file cannot be read.
        DataError: The predictions are incomplete, contradictory, or about one task only.
        ConfigError: An option names something that does not exist, or does not fit the predictions.
    """
    from polytask import __version__

    file = predictions_in(path)
    frame = read_prediction_file(path, ReadingOptions(delimiter=config.delimiter, encoding=config.encoding))
    kinds = {task: _kind(task, text) for task, text in config.kinds.items()}
    with error_location(file):
        units = config.task_train_units or config.train_units
        table = read_predictions(frame, kinds, resampled=units is not None)
        _check_several_tasks(table)
        found = verdict_of_table(
            table,
            baseline=config.baseline,
            chosen=config.chosen,
            metrics=config.metrics,
            margins=config.margins,
            train_units=units,
            looks=_plan(config, table),
            test_openings=config.test_openings,
        )
    found = without_empty_same(found, {(arm, task) for arm, tasks in config.trivial.items() for task in tasks})
    config = config.with_changes({"version": __version__})
    return JudgedPredictions(config, found, _summary(found, config, path.resolve().name), frame, table)


def _plan(config: VerdictConfig, table: PredictionTable) -> SeedPlan | None:
    """Return the plan of looks with the families that share the error; `None` for one look by one family."""
    if config.looks:
        return replace(SeedPlan.of(config.looks, config.continued), families=config.families)
    resampled = bool(config.task_train_units or config.train_units)
    number = len(table.tasks[0].splits) if resampled else len(table.seeds)
    if config.families == 1 or number < 2:
        return None
    return replace(SeedPlan.final(number) if resampled else SeedPlan.of((number,)), families=config.families)


def _check_several_tasks(table: PredictionTable) -> None:
    """Check that there are several tasks to train together.

    Raises:
        DataError: There is one task.
    """
    if len(table.tasks) < 2:
        found = f"the task {table.tasks[0].name!r} only"
        remedy = "Add the rows of the other tasks; for a claim about a single task, call pt.verdict in Python"
        raise DataError("a verdict on training together needs at least two tasks", where="column 'task'", found=found, remedy=remedy)


def _kind(task: str, text: str) -> type[Task] | Task:
    """Return the class of a kind, or the task itself if the kind has options.

    Raises:
        ConfigError: There is no such kind, or its options do not fit.
    """
    kind, options = read_kind(text, f"--kind {task}")
    return task_from_dict({"kind": parse_component("task kind", text)[0], "name": task, **options}) if options else kind


def _summary(found: Verdict, config: VerdictConfig, name: str) -> VerdictFile:
    """Return the content of verdict.json. It holds no time, so that the same predictions give the same bytes."""
    advised = found.chosen is not None or len(found.arms) == 1 or config.protect
    recommendation = _recommendation(found, config) if advised else None
    notes = () if advised else ("There is no advice, since several arms were given and none was chosen: name one with --chosen.",)
    content: dict[str, Any] = {"study": name, "version": config.version, **found.to_dict(), "protect": list(config.protect), "notes": notes}
    return VerdictFile.from_content(content if recommendation is None else {**content, "recommendation": recommendation})


def _recommendation(found: Verdict, config: VerdictConfig) -> Recommendation:
    """Return the advice as the section of verdict.json.

    Raises:
        ConfigError: No arm was chosen among several, or a protected task does not exist.
    """
    advised = found.recommend(protect=config.protect, tolerate=config.tolerate, networks=config.networks)
    groups = (tuple(found.tasks),) if config.networks == 1 else ()
    return recommendation_record(advised, groups, list(found.tasks), found.baseline)


def stored_form(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return predictions in the form of the files of studies: with a column split, and whole numbers as integers.

    Example:
        >>> stored_form(pd.DataFrame({"target": [1, 0], "prediction": [1.0, 0.0]})).to_dict("list")
        {'target': [1, 0], 'prediction': [1, 0], 'split': ['test', 'test']}
    """
    changed = predictions if "split" in predictions else predictions.assign(split="test")
    for name in ("target", "prediction"):
        column = changed[name]
        if pd.api.types.is_float_dtype(column) and (column == column.round()).all() and column.abs().max() < LARGEST_EXACT:
            changed = changed.assign(**{name: column.astype("int64")})
    return changed
