"""Loading of tables in files as sources, where targets of the same name are one task."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data import Fold, Source, Sources, TablePreprocessor
from polytask.datasets.tables.duplicate_rows import check_test_copies, duplicate_notes
from polytask.datasets.tables.infer_task import make_task
from polytask.datasets.tables.labeled_table import TEST_SHARE, LabeledTable, Rows, declared_kinds
from polytask.errors import ConfigError, DataError, error_location, shown
from polytask.options import TableOptions
from polytask.seeds import derive_seed
from polytask.tasks import LabelType, Task

Array = NDArray[Any]


@dataclass(frozen=True)
class LoadedTables:
    """Sources and tasks loaded from tables.

    Attributes:
        sources: Training sources, with deferred access to the test rows.
        tasks: Tasks, one per target.
        notes: Warnings about the tables, one line each.
    """

    sources: Sources
    tasks: tuple[Task, ...]
    notes: tuple[str, ...]


def load_tables(
    tables: Mapping[str, TableOptions], *, test_fraction: float = TEST_SHARE, seed: int = 0, on_disk: bool | None = None
) -> LoadedTables:
    r"""Load tables in files as sources and tasks.

    Preprocessors are fitted on training rows only. Tables with the same feature columns share a preprocessor, and thereby their encoder
    from the first layer on. A target that occurs in several tables is one task.

    Args:
        tables: Options of each table, by the name of its source.
        test_fraction: Fraction of rows kept for testing, for tables that do not set one.
        seed: Seed of the random split.
        on_disk: Whether to read tables in chunks and to memory-map their encoded inputs; `None` decides for each table by its size.

    Raises:
        DataError: The content of a table is invalid.
        ConfigError: A column or a kind does not exist.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "toy.csv"
        >>> _ = path.write_text("age,churn\n" + "\n".join(f"{age},{'yes' if age > 40 else 'no'}" for age in range(20, 70)))
        >>> loaded = load_tables({"toy": TableOptions(str(path), {"churn": None})})
        >>> len(loaded.sources[0]), loaded.tasks[0].kind
        (40, 'binary')
    """
    opened = {name: LabeledTable(name, options, on_disk=on_disk) for name, options in tables.items()}
    notes_of = {name: table.notes() for name, table in opened.items()}
    parts = {name: table.parts(test_fraction, derive_seed(seed, "test", name)) for name, table in opened.items()}
    for name, own in parts.items():
        if not len(own["training"]):
            raise DataError("no row is left for training", where=f"table {name!r}", remedy="Give more rows with labels")
        if opened[name].let_decide(own["test"]):
            notes_of[name] = opened[name].notes()
    tasks = _make_tasks(opened, {name: _training_and_validation(own) for name, own in parts.items()})
    notes = [*chain.from_iterable(notes_of.values())]
    notes += [note for name, table in opened.items() for note in duplicate_notes(table, parts[name]["test"])]
    codings = _fit_preprocessors(opened, parts)
    if test_fraction:
        files = {name: _test_file(table, tasks, codings[name]) for name, table in opened.items() if table.options.test_file}
        _check_test_rows(tasks, opened, parts, {name: file.labels for name, file in files.items()})
        for name, table in opened.items():
            check_test_copies(table, _training_and_validation(parts[name]), parts[name]["test"], files.get(name))
    return LoadedTables(_sources(opened, parts, codings), tasks, tuple(notes))


def _sources(
    opened: Mapping[str, LabeledTable], parts: Mapping[str, Mapping[str, Rows]], codings: Mapping[str, TablePreprocessor]
) -> Sources:
    """Return the training sources, which load their test rows, and can divide all rows anew for a cross-validation.

    The preprocessors of every split are fitted on its training rows; only what kind a column is follows from all rows.
    """
    training = tuple(
        table.source(codings[name], _training_and_validation(parts[name]), parts[name]["validation"]) for name, table in opened.items()
    )

    def divide(fold: Fold) -> Sources:
        own = {name: table.fold(fold) for name, table in opened.items()}
        return _sources(opened, own, _fit_preprocessors(opened, own))

    return Sources(training, partial(_test_sources, opened, parts, codings), divide)


def _test_file(table: LabeledTable, tasks: Sequence[Task], coding: TablePreprocessor) -> LabeledTable:
    """Check a file of test rows before training starts, so that a missing column is not reported after hours.

    The file is reopened when the test rows are needed; what is returned serves only to check that each task can be evaluated, and that
    the test rows are not those of training.
    """
    other = table.test()
    other.check(tasks, coding)
    return other


def _check_test_rows(
    tasks: Sequence[Task],
    opened: Mapping[str, LabeledTable],
    parts: Mapping[str, Mapping[str, Rows]],
    tests: Mapping[str, Mapping[str, Array]],
) -> None:
    """Check, before training starts, that the test rows have enough distinct labels to evaluate every task.

    Raises:
        DataError: A task has too few distinct labels among the test rows.
    """
    for task in tasks:
        there = [
            tests[name][task.name] if name in tests else table.labels[task.name][parts[name]["test"]]
            for name, table in opened.items()
            if task.name in table.labels
        ]
        labels = pd.Series(np.concatenate([own.astype(object) for own in there])).dropna()
        wanted = 1 if task.label_type is LabelType.NUMBER else 2
        if labels.nunique() < wanted:
            found = f"{len(labels)} labels" + (f", all {labels.iloc[0]!r}" if len(labels) else "")
            remedy = "Give more rows with labels, or a larger test_fraction"
            raise DataError(
                "too few different labels to evaluate this task", where=f"task {task.name!r}, test part", found=found, remedy=remedy
            )


def _training_and_validation(parts: Mapping[str, Rows]) -> Rows:
    return np.union1d(parts["training"], parts["validation"])


def _make_tasks(opened: Mapping[str, LabeledTable], learned: Mapping[str, Rows]) -> tuple[Task, ...]:
    """Return the tasks, whose kinds and classes come from the rows to learn from alone.

    Raises:
        DataError: A label is invalid, or the test rows have one that the others do not allow.
    """
    weights = {target: weight for table in opened.values() for target, weight in table.options.weights.items()}
    found = []
    for target, kind in declared_kinds(opened).items():
        labels = {name: table.labels[target] for name, table in opened.items() if target in table.labels}
        paths = {str(opened[name].file.path): len(own) for name, own in labels.items()}
        whole = np.concatenate(list(labels.values()))
        known = np.concatenate([np.isin(np.arange(len(own)), learned[name]) for name, own in labels.items()])
        try:
            task = _make_task(target, whole, known, kind, weights.get(target, 1.0))
            drawn = not any(opened[name].options.split or opened[name].options.time for name in labels)
            found.append(_with_all_classes(task, whole, known, kind) if drawn else task)
            _check_test_labels(found[-1], whole, known)
        except DataError as error:
            raise DataError(error.what, where=_location_in_file(error.where, paths), found=error.found, remedy=error.remedy) from None
    return tuple(found)


def _make_task(target: str, labels: Array, known: NDArray[np.bool_], kind: str | None, weight: float) -> Task:
    """Return the task that the known labels make; rows in errors are those of all labels."""
    try:
        return make_task(target, labels[known], kind, weight)
    except DataError:
        make_task(target, labels, kind, weight)  # names the right row, if all rows are wrong in the same way
        raise


def _with_all_classes(task: Task, labels: Array, known: NDArray[np.bool_], kind: str | None) -> Task:
    """Return the task of all labels, where parts are drawn and chance gave a rare class to the test part, if it is of the same kind."""
    try:
        task.metric_targets(labels[~known & pd.notna(labels)])
    except DataError:
        whole = make_task(task.name, labels, kind, task.weight)
        return whole if whole.kind == task.kind else task
    return task


def _check_test_labels(task: Task, labels: Array, known: NDArray[np.bool_]) -> None:
    """Check that the labels of test rows fit a task.

    Raises:
        DataError: One does not; the message names its row among all labels.
    """
    others = np.flatnonzero(~known & pd.notna(labels))
    try:
        task.metric_targets(labels[others])
    except DataError as error:
        row = re.search(r"row (\d+)$", error.where)
        where = error.where if row is None else f"{error.where[: row.start()]}row {others[int(row[1]) - 1] + 1}"
        remedy = f"The kind of a target follows from the other rows: correct the label, or set the kind (now {task.kind})"
        what = f"a test row has a label that no other row allows: {error.what}"
        raise DataError(what, where=where, found=error.found, remedy=remedy) from None


def _location_in_file(where: str, rows: Mapping[str, int]) -> str:
    """Convert a location in concatenated tables to the file and the row in it.

    Args:
        where: Location that ends in "row N", with N counted from 1 over all tables; without a row, all files are named.
        rows: Number of rows of each file, in the order of concatenation.

    Example:
        >>> _location_in_file("target 'value', row 7", {"a.csv": 4, "b.csv": 9})
        "b.csv, target 'value', row 3"
    """
    named = re.search(r"row (\d+)$", where)
    if named is None:
        return f"{', '.join(rows)}, {where}"
    paths, ends = list(rows), np.cumsum(list(rows.values()))
    row = int(named[1])
    table = int(np.searchsorted(ends, row))
    return f"{paths[table]}, {where[: named.start()]}row {row - int(ends[table]) + rows[paths[table]]}"


def _fit_preprocessors(opened: Mapping[str, LabeledTable], parts: Mapping[str, Mapping[str, Rows]]) -> dict[str, TablePreprocessor]:
    """Fit the preprocessors of tables on their training rows; tables with the same feature columns share one."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, table in opened.items():
        alike.setdefault(tuple(sorted(table.features)), []).append(name)
    found = {}
    for names in alike.values():
        categories = [column for name in names for column in opened[name].options.categorical]
        texts = [column for name in names for column in opened[name].options.text]
        dates = _shared_date_formats({name: opened[name] for name in names})
        encoders = {opened[name].options.text_encoder for name in names}
        if len(encoders) > 1:
            what, where = "tables with the same columns have the same encoder of texts", f"tables {', '.join(names)}, text_encoder"
            raise ConfigError(what, where=where, found=", ".join(sorted(map(str, encoders))))
        with error_location(", ".join(str(opened[name].file.path) for name in names)):
            coding = TablePreprocessor.learn(
                chain.from_iterable(opened[name].inputs_of(parts[name]["training"]) for name in names),
                categories,
                texts,
                dates,
                encoders.pop(),
            )
        found.update(dict.fromkeys(names, coding))
    return found


def _shared_date_formats(alike: Mapping[str, LabeledTable]) -> dict[str, str]:
    """Return the formats of dates in columns of tables that share a preprocessor, by which it reads later texts.

    Raises:
        ConfigError: Two tables have different formats in the same column: later texts would be read by one of them.
    """
    found: dict[str, str] = {}
    for name, table in alike.items():
        for column, form in table.file.date_formats.items():
            if column in table.features and found.setdefault(column, form) != form:
                what = "tables with the same columns have the same format of dates"
                where, remedy = f"table {name!r}, column {shown(column)}", "Write the dates of all of them as 2026-12-31"
                raise ConfigError(what, where=where, found=f"{found[column]} and {form}", remedy=remedy)
    return found


def _test_sources(
    opened: Mapping[str, LabeledTable], parts: Mapping[str, Mapping[str, Rows]], codings: Mapping[str, TablePreprocessor]
) -> tuple[Source, ...]:
    """Return the sources of test rows; files of test rows are read only now."""
    return tuple(_test_source(table, parts[name]["test"], codings[name]) for name, table in opened.items())


def _test_source(table: LabeledTable, rows: Rows, coding: TablePreprocessor) -> Source:
    if table.options.test_file is None:
        return table.source(coding, rows, weighted=False)
    other = table.test()
    return other.source(coding, other.labeled)
