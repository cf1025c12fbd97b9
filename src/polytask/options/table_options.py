"""A table in a file: which columns are targets, and how its rows are divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from polytask.errors import ConfigError
from polytask.options.flag import Flag
from polytask.options.reading_options import ReadingOptions
from polytask.registry.suggestion import nearest

TARGETS: dict[str, Any] = {
    "anyOf": [
        {"type": "object", "minProperties": 1, "additionalProperties": {"type": ["string", "null"]}},
        {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}},
        {"type": "string"},
    ]
}
"""Targets in study files: with their kinds, or their names alone."""

_COLUMNS, _ROWS, _READING = "Table: columns", "Table: rows", "Table: reading"


@dataclass(frozen=True)
class TableOptions:
    """A table in a file, as a source.

    Raises:
        ConfigError: No target, a weight of a column that is none, or several ways to divide the rows.

    Example:
        >>> TableOptions("sales.csv", {"churn": "binary", "value": None}, group="customer").reading_options.encoding
        'utf-8'
    """

    file: Annotated[str, Field(description="Path of the table: CSV, TSV (also gzipped) or Parquet.")]
    targets: Annotated[
        Mapping[str, str | None],
        WithJsonSchema(TARGETS),
        Field(description="Columns to predict, each with its kind or null, which infers the kind."),
        Flag(_COLUMNS, example="churn value"),
    ]
    test_file: Annotated[
        str | None, Field(description="File with the test rows."), Flag(_ROWS, default="a fifth of the rows of a study is held out")
    ] = None
    test_fraction: Annotated[
        float | None, Field(description="Fraction of the rows that is held out for testing: a fifth in a study, nothing in training.")
    ] = None
    group: Annotated[
        str | None,
        Field(description="Column whose rows with one value stay in one part, such as a customer's."),
        Flag(_ROWS, example="customer"),
    ] = None
    time: Annotated[
        str | None,
        Field(description="Column of dates or numbers: the latest rows are held out for testing, the latest of the others for validation."),
        Flag(_ROWS),
    ] = None
    split: Annotated[str | None, Field(description="Column that holds train, validation or test for every row."), Flag(_ROWS)] = None
    id_column: Annotated[
        str | None, Field(description="Column with row identifiers, copied to the predictions."), Flag(_COLUMNS, default="row numbers")
    ] = None
    drop: Annotated[tuple[str, ...], Field(description="Columns to leave out."), Flag(_COLUMNS)] = ()
    categorical: Annotated[
        tuple[str, ...], Field(description="Columns to read as categories, whatever they look like."), Flag(_COLUMNS)
    ] = ()
    na_values: Annotated[
        tuple[str, ...], Field(description="Values to treat as missing, besides the empty cell."), Flag(_READING, example="NA")
    ] = ()
    delimiter: Annotated[
        str | None, Field(description="Character between two cells."), Flag(_READING, default="a tab in .tsv files, else a comma")
    ] = None
    encoding: Annotated[str, Field(description="Encoding of the text."), Flag(_READING)] = "utf-8"
    max_bytes: Annotated[int, Field(description="Refuse a file with more bytes than this, once decompressed.")] = ReadingOptions.max_bytes
    max_columns: Annotated[int, Field(description="Refuse a table with more columns than this.")] = ReadingOptions.max_columns
    max_field_bytes: Annotated[int, Field(description="Refuse a cell with more bytes than this.")] = ReadingOptions.max_field_bytes
    weights: Annotated[
        Mapping[str, float],
        Field(description="Weight αₜ of each target's loss."),
        Flag(_COLUMNS, name="weight", example="churn=2", default="1"),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"table {self.file!r}"
        if not self.targets:
            raise ConfigError("at least one target column is needed", where=where, remedy="Name them: --targets churn value")
        for name in self.weights:
            if name not in self.targets:
                remedy = nearest(name, tuple(self.targets))
                raise ConfigError("a weight for a column that is no target", where=where, found=repr(name), remedy=remedy)
        self._check_roles(where)
        if self.test_fraction is not None and not 0 <= self.test_fraction < 1:
            raise ConfigError("a share lies from 0 up and below 1", where=f"{where}, test_fraction", found=self.test_fraction)
        ways = [name for name in ("split", "time") if getattr(self, name)]
        if len(ways) > 1 or (self.split and (self.group or self.test_file)):
            found = ", ".join(name for name in ("split", "time", "group", "test_file") if getattr(self, name))
            raise ConfigError("rows are divided in one way", where=where, found=found, remedy="A split column needs no other way")

    def _check_roles(self, where: str) -> None:
        """A target is to be predicted, and nothing else."""
        for role, names in (*((role, (getattr(self, role),)) for role in ("group", "time", "split", "id_column")), ("drop", self.drop)):
            for name in names:
                if name in self.targets:
                    raise ConfigError("a target is nothing else", where=f"{where}, {role}", found=repr(name), remedy="Name another column")

    def for_file(self, file: str, words: Sequence[str]) -> TableOptions:
        """Return the options of another file with the same inputs and targets, all of whose rows are meant.

        Args:
            file: Its path.
            words: Columns that held categories: they do there too, whatever they look like.
        """
        return replace(self, file=file, test_file=None, group=None, time=None, split=None, drop=(), categorical=tuple(words))

    @property
    def reading_options(self) -> ReadingOptions:
        """How the file is read."""
        return ReadingOptions(**{option.name: getattr(self, option.name) for option in fields(ReadingOptions)})

    @property
    def non_feature_columns(self) -> tuple[str, ...]:
        """Columns that are no inputs and no targets."""
        special = (self.time, self.group, self.split, self.id_column)
        # The time of a row may well tell something; what belongs together, and what it is called, must not.
        return tuple(dict.fromkeys([*self.drop, *(name for name in special[1:] if name is not None)]))
