"""Prediction and evaluation of a trained model on tables in files."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from polytask.artifacts.saved_model import SavedModel, load
from polytask.data import TablePreprocessor
from polytask.data.preprocessing.columns import (
    FILE_ROW_INDEX,
    CategoricalColumn,
    DateColumn,
    PretrainedTextColumn,
    TextColumn,
    UnknownCategories,
)
from polytask.data.reading import TableFile, open_table, read_column_names
from polytask.datasets.tables.labeled_table import LabeledTable
from polytask.errors import Complaints, ConfigError, error_location
from polytask.metrics.metric_functions import compute_metrics
from polytask.options import NetworkConfig, ReadingOptions, TableOptions
from polytask.registry import Component
from polytask.registry.resolve import check_given, given_components
from polytask.registry.suggestion import nearest
from polytask.storage import read_yaml, storage_errors, write_bytes
from polytask.storage.csv_table import csv_text
from polytask.tasks import Outcome, Task

RUN_FILE = "run.yaml"
_OF_WORDS = CategoricalColumn | TextColumn | PretrainedTextColumn


class SavedTableModel:
    """Model of a run that was trained on tables.

    Args:
        run: Folder of the run.
        source: Name of the training table that other tables are like; `None` is allowed if there was a single one.
        components: Classes or objects of components that are not registered, as in `polytask.load`.
        device: Device on which the model predicts, as in `polytask.load`.

    Raises:
        StorageError: The folder has no model.
        ConfigError: The model was not trained on tables, or on several and `source` names none of them.
    """

    def __init__(
        self,
        run: Path,
        source: str | None = None,
        components: Collection[Callable[..., Any] | Component] = (),
        device: str = "cpu",
    ) -> None:
        self.model: SavedModel = load(run, components=components, device=device)
        self.source = self.model.resolve_source(self._checked(source))
        networks = [network for network in self.model.networks if self.source in network.codings]
        coding = networks[0].codings[self.source] if networks else None
        if not isinstance(coding, TablePreprocessor):
            raise ConfigError("this model was not trained on a table", where=str(run), remedy="Use polytask.load(run).predict(inputs)")
        self.preprocessor, self.options = coding, _table_options(run, self.source, given_components(components))

    def _checked(self, source: str | None) -> str | None:
        """Return the source after checking that it is one of the run's tables.

        Raises:
            ConfigError: The run has no such table, or none is named although there are several.
        """
        known = tuple(dict.fromkeys(name for network in self.model.networks for name in network.codings))
        if source is None and len(known) > 1:
            remedy = f"Name the one that this table is like: --source {known[0]}"
            raise ConfigError("the run has several tables", where="source", found=", ".join(known), remedy=remedy)
        if source is not None and known and source not in known:
            raise ConfigError("the run has no such table", where="source", found=repr(source), remedy=nearest(source, known))
        return source

    @property
    def reading(self) -> ReadingOptions:
        """Options for reading tables like those of training."""
        return ReadingOptions() if self.options is None else self.options.reading_options

    @property
    def _words(self) -> tuple[str, ...]:
        """Names of the input columns that held categories or texts in training."""
        return tuple(column.name for column in self.preprocessor.columns if isinstance(column, _OF_WORDS))

    @property
    def _date_formats(self) -> dict[str, str]:
        """Formats that the dates of input columns had in training, where it was not ISO 8601."""
        return {column.name: column.form for column in self.preprocessor.columns if isinstance(column, DateColumn) and column.form}

    def _check_names(self, table: Path) -> None:
        """Check that a table has all input columns.

        Raises:
            ConfigError: A column is missing.
        """
        there = read_column_names(table, self.reading)
        complaints = Complaints()
        for name in self.preprocessor.names:
            with complaints.collect():
                if name not in there:
                    raise ConfigError("a column on which the model was trained is missing", where=f"{table}, column {name!r}")
        complaints.raise_all()

    def opened(self, table: Path) -> TableFile:
        """Open a table; columns that held categories in training are read as such, even if their cells look like numbers."""
        self._check_names(table)
        return open_table(table, replace(self.reading, categorical=self._words, text=(), date_formats=self._date_formats))

    def kept_columns(self, table: Path, keep: Sequence[str]) -> tuple[str, ...]:
        """Return the columns of a table that stand before its predictions: the identifiers of training, if it has them, and others.

        Raises:
            ConfigError: The table has no such column, or it has the name of a prediction.
        """
        there = read_column_names(table, self.reading)
        own = self.options.id_column if self.options is not None else None
        for name in keep:
            if name not in there:
                raise ConfigError("there is no such column to keep", where=f"{table}, {name!r}", remedy=nearest(name, there))
        kept = tuple(dict.fromkeys([*([own] if own in there else []), *keep]))
        for name in kept:
            if name in {task.name for task in self.model.tasks}:
                remedy = "Leave it out; predictions have the names of the targets"
                raise ConfigError("a column that is kept cannot have the name of a target", where=repr(name), remedy=remedy)
        return kept

    def predict(self, table: Path, out: Path, *, probabilities: bool = False, keep: Sequence[str] = ()) -> list[str]:
        """Write one row of predictions for each row of a table, in the same order; the table is read chunk by chunk.

        Args:
            table: CSV or Parquet file with the columns of training, in any order; further columns are ignored.
            out: Path of the file to write, which ends in .csv or .parquet.
            probabilities: Whether to add one column per class with its probability.
            keep: Columns of the table to copy in front of the predictions; the identifiers of training (`id_column`) are copied anyway.

        Returns:
            Warnings about the table, one line each.

        Raises:
            ConfigError: `out` has another ending, or a column is missing.
            DataError: A cell cannot be read.
            StorageError: The file cannot be written.
        """
        if out.suffix not in {".csv", ".parquet"}:
            raise ConfigError("the file of predictions must end in .csv or .parquet", where=str(out))
        unknown = UnknownCategories(self.preprocessor.columns)
        frames = list(self._frames(self.opened(table), probabilities, unknown, self.kept_columns(table, keep)))
        whole = pd.concat(frames, ignore_index=True)
        buffer = io.BytesIO()
        if out.suffix == ".parquet":
            pq.write_table(pa.Table.from_pandas(whole, preserve_index=False), buffer)
        else:
            buffer.write(csv_text(whole).encode())
        with storage_errors(out):
            write_bytes(out, buffer.getvalue())
        return [unknown.line()] if unknown.found else []

    def _frames(self, file: TableFile, proba: bool, unknown: UnknownCategories, keep: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Yield the predictions for each chunk of a table, and record unknown categories."""
        for frame in file.chunks():
            chunk = frame.rename_axis(index=FILE_ROW_INDEX)
            unknown.update(chunk)
            with error_location(file.path):
                found = self.model.predict(chunk, self.source)
                if proba:
                    for task, chances in self.model.predict_proba(chunk, self.source).items():
                        found = found.assign(**{f"{task}={label}": chances[label].to_numpy() for label in chances})
            yield pd.concat([chunk[list(keep)], found], axis=1) if keep else found

    def evaluate(self, table: Path) -> pd.DataFrame:
        """Compute all metrics of each target whose column the table has, on the rows that have its label.

        Returns:
            Frame with the columns target, metric, value and rows (the number of labeled rows).

        Raises:
            ConfigError: A column is missing, or the run does not store its targets.
            DataError: A cell cannot be read, or a label did not occur in training.
        """
        if self.options is None:
            raise ConfigError(
                "the targets of the run are not stored here",
                where=RUN_FILE,
                remedy="Give the folder of the run instead of its model folder",
            )
        self._check_names(table)
        tasks = self._tasks_in(table, self.options)
        words = [task.name for task in tasks if any(isinstance(label, str) for label in getattr(task, "classes", ()))]
        own = replace(self.options, targets={task.name: self.options.targets[task.name] for task in tasks}, weights={})
        opened = LabeledTable(self.source, replace(own.for_file(str(table), [*self._words, *words], self._date_formats), id_column=None))
        opened.check(tasks)
        with error_location(table):
            answers = [{task.name: found for task, found in self.model.answers(chunk, self.source)} for chunk in opened.chunks()]
        rows = []
        for task in tasks:
            labels, parts = opened.labels[task.name], [part[task.name] for part in answers]
            there = task.labeled_rows(labels)
            values = np.concatenate([part.values for part in parts])[there]
            outcome = Outcome(
                task.metric_targets(labels[there]), values, _stack_probabilities([part.probabilities for part in parts], there)
            )
            metrics = compute_metrics(outcome, task.available_metrics)
            rows += [{"target": task.name, "metric": metric, "value": value, "rows": int(there.sum())} for metric, value in metrics.items()]
        return pd.DataFrame(rows, columns=["target", "metric", "value", "rows"])

    def _tasks_in(self, table: Path, options: TableOptions) -> list[Task]:
        """Return the tasks whose labels a table has.

        Raises:
            ConfigError: It has the column of no target.
        """
        there = read_column_names(table, self.reading)
        tasks = [task for task in self.model.tasks if task.name in options.targets and task.name in there]
        if not tasks:
            found, remedy = ", ".join(there[:8]), f"Give a table with one of: {', '.join(options.targets)}"
            raise ConfigError("the table has the labels of no target", where=str(table), found=found, remedy=remedy)
        return tasks


def _stack_probabilities(parts: list[Any], there: Any) -> Any:  # noqa: ANN401 - arrays, or nothing
    """Concatenate the probabilities of chunks for the selected rows; return `None` for tasks without probabilities."""
    return None if parts[0] is None else np.concatenate(parts)[there]


def _table_options(run: Path, source: str, components: Collection[Callable[..., Any]]) -> TableOptions | None:
    """Read the options of a table from the run's configuration; its kinds of task name no classes but these. `None` if there are none."""
    path = run / RUN_FILE
    if not path.exists():
        return None
    content = read_yaml(path)
    config = NetworkConfig.model_validate({"tables": content.get("tables") or {}}) if isinstance(content, dict) else NetworkConfig()
    options = config.tables.get(source)
    if options is not None:
        check_given([kind for kind in options.targets.values() if kind is not None], components, where=str(path))
    return options
