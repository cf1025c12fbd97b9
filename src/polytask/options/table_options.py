"""Options of a table in a file: its targets, the roles of its columns, and how its rows are split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from polytask.errors import ConfigError
from polytask.options.cli_option import Flag
from polytask.options.reading_options import ReadingOptions
from polytask.options.values.component_names import kinds_written
from polytask.options.values.limits import MOST_BYTES, MOST_COLUMNS
from polytask.registry.suggestion import nearest

TARGETS: dict[str, Any] = {
    "anyOf": [
        {"type": "object", "minProperties": 1, "additionalProperties": {"type": ["string", "null"]}},
        {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}},
        {"type": "string"},
    ]
}
"""JSON schema of targets in a study file: names with kinds, or names alone."""

TEXT_ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".zip")
"""Ends of the names of tables in text files, compressed or not."""
SHEET_ENDINGS = (".xlsx", ".xlsm", ".xls", ".ods")
"""Ends of the names of spreadsheets."""
TABLE_ENDINGS = (*TEXT_ENDINGS, *SHEET_ENDINGS, ".parquet", ".feather", ".arrow", ".jsonl", ".ndjson")
"""Ends of the names of table files."""
_COLUMNS, _ROWS, _READING = "Table: columns", "Table: rows", "Table: reading"


def is_table_file(source: str) -> bool:
    """Return whether a source is the name of a table file.

    Example:
        >>> is_table_file("sales.CSV"), is_table_file("mnist-fashion")
        (True, False)
    """
    return source.lower().endswith(TABLE_ENDINGS)


@dataclass(frozen=True)
class TableOptions:
    """Options of a table in a file that is used as a source.

    Raises:
        ConfigError: There is no target, a weight names a column that is not a target, a target has another role as well, or the rows are
            split in more than one way.

    Example:
        >>> TableOptions("sales.csv", {"churn": "binary", "value": None}, group="customer").reading_options.encoding
        'utf-8'
    """

    file: Annotated[
        str, Field(description="Path of the table: CSV or TSV (also gzipped or zipped), spreadsheet, Parquet, Feather or JSON lines.")
    ]
    targets: Annotated[
        Mapping[str, str | None],
        BeforeValidator(kinds_written),
        WithJsonSchema(TARGETS),
        Field(description="Columns to predict, one task each. A file may give the kind of each; null infers it from the labels."),
        Flag(_COLUMNS, example="churn value"),
    ]
    test_file: Annotated[
        str | None,
        Field(description="File with the test rows."),
        Flag(_ROWS, default="none; studies and relatedness runs hold out a fifth of the rows"),
    ] = None
    test_fraction: Annotated[
        float | None,
        Field(
            description="Fraction of the rows to hold out for testing; null means 0.2 in studies and relatedness runs, and 0 in training."
        ),
    ] = None
    group: Annotated[
        str | None,
        Field(description="Column with groups, such as customers; rows of one group stay in the same part of the split."),
        Flag(_ROWS, example="customer"),
    ] = None
    time: Annotated[
        str | None,
        Field(
            description="Column of dates or numbers to split by: the latest rows are for testing, the latest of the others for validation."
        ),
        Flag(_ROWS),
    ] = None
    split: Annotated[str | None, Field(description="Column that assigns every row to train, validation or test."), Flag(_ROWS)] = None
    id_column: Annotated[
        str | None, Field(description="Column with row identifiers, copied to the predictions."), Flag(_COLUMNS, default="row numbers")
    ] = None
    row_weights: Annotated[
        str | None,
        Field(description="Column with a nonnegative factor of each row's loss, such as an exposure or a number of equal rows."),
        Flag(_COLUMNS, default="all rows count alike"),
    ] = None
    drop: Annotated[tuple[str, ...], Field(description="Columns to ignore."), Flag(_COLUMNS)] = ()
    categorical: Annotated[
        tuple[str, ...], Field(description="Columns to read as categories, even if they look like numbers or dates."), Flag(_COLUMNS)
    ] = ()
    text: Annotated[
        tuple[str, ...],
        Field(description="Columns to read as texts: n-grams of their words and characters are the inputs."),
        Flag(_COLUMNS),
    ] = ()
    text_encoder: Annotated[
        str | None,
        Field(
            description="Folder of a pretrained Hugging Face text encoder (config.json, tokenizer.json, model.safetensors), whose vectors "
            "of texts are the inputs. Nothing is downloaded."
        ),
        Flag(_COLUMNS, default="n-grams of words and characters", example="./minilm"),
    ] = None
    na_values: Annotated[
        tuple[str, ...], Field(description="Values to treat as missing, in addition to empty cells."), Flag(_READING, example="NA")
    ] = ()
    delimiter: Annotated[
        str | None, Field(description="Character that separates cells."), Flag(_READING, default="a tab in .tsv files, else a comma")
    ] = None
    decimal: Annotated[
        str, Field(description="Decimal sign of the numbers in a text file: a point or a comma."), Flag(_READING, example=",")
    ] = "."
    thousands: Annotated[
        str | None,
        Field(description="Separator of thousands in a text file: a comma, a point, ', _ or a blank."),
        Flag(_READING, default="none", example="."),
    ] = None
    date_formats: Annotated[
        Mapping[str, str],
        Field(description="Format of the dates of a column in a text file, as column=format with %d, %m, %b, %Y, %y and %T. Repeatable."),
        Flag(_READING, default="recognized where day and month are beyond doubt", example="sold_on=%d/%m/%Y"),
    ] = field(default_factory=dict)
    encoding: Annotated[str, Field(description="Text encoding of the file."), Flag(_READING)] = "utf-8"
    sheet: Annotated[str | None, Field(description="Sheet of a spreadsheet."), Flag(_READING, default="the only one with cells")] = None
    max_bytes: Annotated[int, Field(le=MOST_BYTES, description="Reject a file with more bytes than this, once decompressed.")] = (
        ReadingOptions.max_bytes
    )
    max_columns: Annotated[int, Field(le=MOST_COLUMNS, description="Reject a table with more columns than this.")] = (
        ReadingOptions.max_columns
    )
    max_field_bytes: Annotated[int, Field(le=MOST_BYTES, description="Reject a cell with more bytes than this.")] = (
        ReadingOptions.max_field_bytes
    )
    weights: Annotated[
        Mapping[str, float],
        Field(description="Weight αₜ of each target's loss."),
        Flag(_COLUMNS, example="churn=2", default="1"),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"table {self.file!r}"
        object.__setattr__(self, "targets", kinds_written(self.targets))
        if not self.targets:
            raise ConfigError("at least one target column is needed", where=where, remedy="Name them: --targets churn value")
        for name in self.weights:
            if name not in self.targets:
                remedy = nearest(name, tuple(self.targets))
                raise ConfigError("a weight was given for a column that is not a target", where=where, found=repr(name), remedy=remedy)
        self._check_roles(where)
        if self.test_fraction is not None and not 0 <= self.test_fraction < 1:
            raise ConfigError("must be at least 0 and below 1", where=f"{where}, test_fraction", found=self.test_fraction)
        ways = [name for name in ("split", "time") if getattr(self, name)]
        if len(ways) > 1 or (self.split and (self.group or self.test_file)):
            found = ", ".join(name for name in ("split", "time", "group", "test_file") if getattr(self, name))
            raise ConfigError("rows can be split in one way only", where=where, found=found, remedy="Keep one of them")

    def _check_roles(self, where: str) -> None:
        """Check that no target has another role as well."""
        for role, names in (
            *((role, (getattr(self, role),)) for role in ("group", "time", "split", "id_column", "row_weights")),
            ("drop", self.drop),
        ):
            for name in names:
                if name in self.targets:
                    raise ConfigError(
                        "a target cannot have another role", where=f"{where}, {role}", found=repr(name), remedy="Name another column"
                    )

    def for_file(self, file: str, words: Sequence[str], date_formats: Mapping[str, str] | None = None) -> TableOptions:
        """Return the options for another file with the same inputs and targets, without a split and without columns to drop.

        Args:
            file: Path of the other file.
            words: Columns that held strings in this table; they are read as strings there too, whatever they look like.
            date_formats: Formats of dates in this table, given or recognized; dates have the same ones there.
        """
        alike = replace(self, file=file, test_file=None, group=None, time=None, split=None, row_weights=None, drop=())
        return replace(alike, categorical=tuple(words), text=(), date_formats=date_formats or {})

    @property
    def reading_options(self) -> ReadingOptions:
        """Options for reading the file."""
        return ReadingOptions(**{option.name: getattr(self, option.name) for option in fields(ReadingOptions)})

    @property
    def non_feature_columns(self) -> tuple[str, ...]:
        """Columns that are neither inputs nor targets."""
        special = (self.time, self.group, self.split, self.id_column, self.row_weights)
        # The time of a row is a legitimate input; groups, parts, identifiers and weights must not leak into the features.
        return tuple(dict.fromkeys([*self.drop, *(name for name in special[1:] if name is not None)]))
