"""A commented study file for a table: its columns, the kinds of its targets, and the main options with their defaults."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from polytask.data import TablePreprocessor
from polytask.data.reading import TableFile, check_features, check_targets, open_table
from polytask.datasets.tables.infer_task import column_labels, make_task
from polytask.datasets.tables.labeled_table import LabeledTable
from polytask.errors import DataError, plain
from polytask.options import ReadingOptions, StudyConfig, TableOptions, TrainingOptions, checked, fields_of
from polytask.studies.setup.load_data import load_data
from polytask.tasks import LabelType

GUESSED_TARGETS = 2
SAMPLE_ROWS = 100_000
"""Rows from which the facts about columns are taken."""
LONGEST_NAME = 200
WIDTH = 110
TABLE_CHOICES = (
    "group", "time", "split", "id_column", "drop", "categorical", "text", "text_encoder", "na_values", "delimiter", "encoding", "weights",
    "test_file",
)  # fmt: skip
STUDY_CHOICES = (
    "arms", "seeds", "minutes", "looks", "race", "trials", "tune", "protect", "tolerate", "margins", "encoder", "architecture", "hidden",
    "workers",
)  # fmt: skip
TRAINING_CHOICES = ("epochs", "batch_size", "lr", "optimizer", "scheduler", "patience", "averaging", "validation_fraction", "sampling")


@dataclass(frozen=True)
class StudyFile:
    """A study file for a table.

    Attributes:
        text: Content of the file, in YAML.
        targets: Kind of each target, by its name.
        guessed: Whether the targets were chosen here, since the user named none.
    """

    text: str
    targets: Mapping[str, str]
    guessed: bool


@dataclass(frozen=True)
class _Column:
    """A column of a table: what it holds, which kind of task it would be (empty if none), and what is suspicious about it."""

    name: str
    holds: str
    kind: str
    remark: str


def make_study_file(table: Path, out: Path, targets: Sequence[str] = (), reading: ReadingOptions | None = None) -> StudyFile:
    """Return a study file for a table, which `polytask study` runs as it is.

    Args:
        table: File of the table.
        out: Path of the study file, to which the path of the table is relative.
        targets: Columns to predict; by default the last two columns that can be learned and are not suspicious.
        reading: How the table is read.

    Raises:
        ConfigError: A target is not a column.
        DataError: The table cannot be read, a target cannot be learned, or there are fewer than two columns that can.
        StorageError: The file cannot be read.
    """
    file = open_table(table, reading)
    columns = _columns(file, reading or ReadingOptions())
    given = _changed(reading or ReadingOptions())
    name = table.name[: table.name.index(".")] or table.name

    def resolve(chosen: Sequence[str]) -> StudyConfig:
        config = checked(StudyConfig, {"tables": {name: {"file": str(table), "targets": list(chosen), **given}}}, where=str(table))
        found = load_data(config).config
        LabeledTable(name, found.tables[name]).notes()  # the checks of a study whose file names the kinds
        return found

    resolved = resolve(targets) if targets else _guess(columns, table, resolve)
    kinds = {target: str(kind) for target, kind in resolved.tables[name].targets.items()}
    relative = Path(os.path.relpath(table.resolve(), out.resolve().parent)).as_posix()
    options = {"file": relative, "targets": kinds, **given}
    lines = [
        f"# A study of {plain(table.name, LONGEST_NAME)}: {file.rows:,} rows, {len(columns)} columns.",
        f"# Run it with: polytask study {plain(out, LONGEST_NAME)}",
        "# Lines that begin with # and a name are options with their defaults: remove the # to set them.",
        "# All options: polytask study --help, polytask schema.",
        "",
        *_table_lines(name, options, columns, resolved.tables[name]),
        *_study_lines(resolved),
    ]
    return StudyFile("\n".join([*lines, ""]), kinds, not targets)


def _changed(reading: ReadingOptions) -> dict[str, Any]:
    default = ReadingOptions()
    values = {field.name: getattr(reading, field.name) for field in fields(reading)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value != getattr(default, name)}


def _columns(file: TableFile, reading: ReadingOptions) -> tuple[_Column, ...]:
    frame = next(file.chunks(SAMPLE_ROWS))
    texts = tuple(name for name in reading.text if name in file.columns)
    remarks = {name: (check_features(frame[[name]], [], "", texts) or [""])[0].partition(": ")[2] for name in file.columns}
    return tuple(_Column(name, _holds(file, frame[name], reading), _kind(file, frame[name]), remarks[name]) for name in file.columns)


def _holds(file: TableFile, column: pd.Series, reading: ReadingOptions) -> str:
    name, kind = str(column.name), file.kinds[str(column.name)]
    if kind == "category":  # of strings; as inputs they may be texts
        kind = TablePreprocessor.fit(column.to_frame(name), reading.categorical, reading.text).columns[0].kind
    missing = int(column.isna().sum())
    distinct = int(column.nunique())
    parts = [kind, f"{distinct:,} distinct", f"{missing:,} missing" if missing else ""]
    return ", ".join(part for part in parts if part)


def _kind(file: TableFile, column: pd.Series) -> str:
    """Return the kind of task of a target; empty if the column cannot be learned."""
    name = str(column.name)
    try:
        task = make_task(name, column_labels(column))
        kind = "category" if task.label_type is LabelType.CLASS else file.kinds[name]
        check_targets(column.to_frame(), [name], {name: kind}, str(file.path))
        return task.kind
    except DataError:
        return ""


def _guess(columns: Sequence[_Column], table: Path, resolve: Callable[[Sequence[str]], StudyConfig]) -> StudyConfig:
    """Return the resolved study of the last columns that can be targets.

    Raises:
        DataError: There are too few.
    """
    found = [column.name for column in columns if column.kind and not column.remark]
    while len(found) > GUESSED_TARGETS:
        last = found[-GUESSED_TARGETS:]
        try:
            return resolve(last)
        except DataError:  # such as a class without a test row
            kept = [name for name in last if _is_learnable(name, resolve)]
            found = [*found[:-GUESSED_TARGETS], *(kept if len(kept) < len(last) else kept[:-1])]
    what, remedy = "too few columns to choose targets from", "Name them with --targets, and give input columns besides them"
    raise DataError(what, where=str(table), found=", ".join(found) or "no column that can be learned", remedy=remedy)


def _is_learnable(name: str, resolve: Callable[[Sequence[str]], StudyConfig]) -> bool:
    try:
        resolve([name])
    except DataError:
        return False
    return True


def _table_lines(name: str, options: Mapping[str, Any], columns: Sequence[_Column], table: TableOptions) -> Iterator[str]:
    yield from (
        "tables:",
        f"  {_yaml(name)}:",
        f"    file: {_yaml(options['file'])}  # relative to the folder of this file",
        "    targets:",
    )
    yield from (f"      {_yaml(target)}: {_yaml(kind)}" for target, kind in options["targets"].items())
    yield from (f"    {option}: {_yaml(value)}" for option, value in options.items() if option not in ("file", "targets"))
    yield "    # Columns; in parentheses the kind of task that each would be as a target:"
    for column in columns:
        kind = f" ({column.kind})" if column.kind else " (no target)"
        remark = f": {column.remark}" if column.remark else ""
        yield plain(f"    # - {column.name}: {column.holds}{kind}{remark}", LONGEST_NAME)
    left = [choice for choice in TABLE_CHOICES if choice not in options]
    yield from _option_lines(TableOptions, left, {choice: getattr(table, choice) for choice in left}, "    ")


def _study_lines(config: StudyConfig) -> Iterator[str]:
    values = config.model_dump(mode="json")
    if config.seeds == tuple(range(len(config.seeds))):
        values["seeds"] = len(config.seeds)
    yield from ("", f"preset: {_yaml(config.preset)}  # quick, standard or thorough: sets the defaults of the options below")
    yield from _option_lines(StudyConfig, STUDY_CHOICES, values, "")
    yield "#training:"
    yield from _option_lines(TrainingOptions, TRAINING_CHOICES, values["training"], "  ", mark="#")


def _option_lines(model: type, names: Sequence[str], values: Mapping[str, Any], indent: str, mark: str = "#") -> Iterator[str]:
    """Yield a description and the line of each option; the line is a comment that can be uncommented."""
    described = {field.name: field.description for field in fields_of(model)}
    for name in names:
        yield from textwrap.wrap(described[name], WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        value = values[name]
        yield f"{mark}{indent}{name}: {_yaml(list(value) if isinstance(value, tuple) else value)}"


def _yaml(value: Any) -> str:  # noqa: ANN401 - any plain value
    """Return a value in one line of YAML."""
    text = yaml.safe_dump(dict(value) if isinstance(value, Mapping) else value, default_flow_style=True, allow_unicode=True, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...")
