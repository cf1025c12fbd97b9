"""A trained model and tables in files: predictions into a file, and what they are worth."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from polytask.artifacts.saved_model import SavedModel, load
from polytask.data import TablePreprocessor
from polytask.data.preprocessing.columns import FILE_ROW_INDEX, CategoricalColumn, TextColumn, UnknownCategories
from polytask.data.reading import TableFile, open_table, read_column_names
from polytask.datasets.tables.labeled_table import LabeledTable
from polytask.errors import ConfigError, error_location
from polytask.metrics.metric_functions import compute_metrics
from polytask.options import NetworkConfig, ReadingOptions, TableOptions
from polytask.registry.suggestion import nearest
from polytask.storage import read_yaml, storage_errors, write_bytes
from polytask.tasks import Outcome

RUN_FILE = "run.yaml"


class SavedTableModel:
    """The model of a run that was trained on tables.

    Args:
        run: The run's folder.
        source: Which of its tables others are like; needed where there are several.
        components: As `polytask.load` takes them.

    Raises:
        StorageError: There is no model.
        ConfigError: It was trained on something else than tables, or several are known and none is named.
    """

    def __init__(self, run: Path, source: str | None = None, components: Collection[type] | None = ()) -> None:
        self.model: SavedModel = load(run, components=components)
        self.source = self.model.resolve_source(self._checked(source))
        networks = [network for network in self.model.networks if self.source in network.codings]
        coding = networks[0].codings[self.source] if networks else None
        if not isinstance(coding, TablePreprocessor):
            raise ConfigError("this model was not trained on a table", where=str(run), remedy="Use polytask.load(run).predict(inputs)")
        self.preprocessor, self.options = coding, _table_options(run, self.source)

    def _checked(self, source: str | None) -> str | None:
        known = tuple(dict.fromkeys(name for network in self.model.networks for name in network.codings))
        if source is None and len(known) > 1:
            remedy = f"Say which of them this table is like: --source {known[0]}"
            raise ConfigError("the run has several tables", where="source", found=", ".join(known), remedy=remedy)
        if source is not None and known and source not in known:
            raise ConfigError("the run has no such table", where="source", found=repr(source), remedy=nearest(source, known))
        return source

    @property
    def reading(self) -> ReadingOptions:
        """How tables like those of training are read."""
        return ReadingOptions() if self.options is None else self.options.reading_options

    @property
    def _words(self) -> tuple[str, ...]:
        """The inputs that held words in training."""
        return tuple(column.name for column in self.preprocessor.columns if isinstance(column, CategoricalColumn | TextColumn))

    def _check_names(self, table: Path) -> None:
        there = read_column_names(table, self.reading)
        for name in self.preprocessor.names:
            if name not in there:
                raise ConfigError("a column is missing that the model was trained on", where=f"{table}, column {name!r}")

    def opened(self, table: Path) -> TableFile:
        """A table whose categories are read as categories, whatever they look like."""
        self._check_names(table)
        return open_table(table, replace(self.reading, categorical=self._words))

    def predict(self, table: Path, out: Path, *, probabilities: bool = False) -> list[str]:
        """Write a row of predictions for every row of a table, in its order, chunk by chunk.

        Args:
            table: A CSV or Parquet file with the columns of training, in any order and among others.
            out: Where they go: a name that ends in .csv or .parquet.
            probabilities: Whether to add a column per class with its probability.

        Returns:
            What is odd, a line each.

        Raises:
            ConfigError: Another ending; a column that is missing.
            DataError: A cell that cannot be read.
            StorageError: The file cannot be written.
        """
        if out.suffix not in {".csv", ".parquet"}:
            raise ConfigError("predictions are written as .csv or .parquet", where=str(out))
        unknown = UnknownCategories(self.preprocessor.columns)
        frames = list(self._frames(self.opened(table), probabilities, unknown))
        whole = pd.concat(frames, ignore_index=True)
        buffer = io.BytesIO()
        if out.suffix == ".parquet":
            pq.write_table(pa.Table.from_pandas(whole, preserve_index=False), buffer)
        else:
            escape_formulas(whole).to_csv(buffer, index=False, lineterminator="\n")
        with storage_errors(out):
            write_bytes(out, buffer.getvalue())
        return [unknown.line()] if unknown.found else []

    def _frames(self, file: TableFile, proba: bool, unknown: UnknownCategories) -> Iterator[pd.DataFrame]:
        for frame in file.chunks():
            chunk = frame.rename_axis(index=FILE_ROW_INDEX)
            unknown.update(chunk)
            with error_location(file.path):
                found = self.model.predict(chunk, self.source)
                if proba:
                    for task, chances in self.model.predict_proba(chunk, self.source).items():
                        found = found.assign(**{f"{task}={label}": chances[label].to_numpy() for label in chances})
            yield found

    def evaluate(self, table: Path) -> pd.DataFrame:
        """Every metric of every target on the rows of a table that have its label: columns target, metric, value, rows.

        Raises:
            ConfigError: A column that is missing.
            DataError: A cell that cannot be read, or a label that training had not.
        """
        if self.options is None:
            raise ConfigError(
                "the run does not say what its targets are", where=RUN_FILE, remedy="Give the run's folder, and not its model's"
            )
        self._check_names(table)
        tasks = [task for task in self.model.tasks if task.name in self.options.targets]
        words = [task.name for task in tasks if any(isinstance(label, str) for label in getattr(task, "classes", ()))]
        opened = LabeledTable(self.source, replace(self.options.for_file(str(table), [*self._words, *words]), id_column=None))
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


def _stack_probabilities(parts: list[Any], there: Any) -> Any:  # noqa: ANN401 - arrays, or nothing
    return None if parts[0] is None else np.concatenate(parts)[there]


def _table_options(run: Path, source: str) -> TableOptions | None:
    """What the run was told of its table."""
    path = run / RUN_FILE
    if not path.exists():
        return None
    content = read_yaml(path)
    config = NetworkConfig.model_validate({"tables": content.get("tables") or {}}) if isinstance(content, dict) else NetworkConfig()
    return config.tables.get(source)


def escape_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Texts that a spreadsheet would take for a formula, with an apostrophe in front.

    Example:
        >>> escape_formulas(pd.DataFrame({"name": ["=1+1", "plain"]}))["name"].tolist()
        ["'=1+1", 'plain']
    """
    return table.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell)
