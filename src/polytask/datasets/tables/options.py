"""What is said of a table in a file: which columns are targets, and how its rows are divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any

from pydantic import WithJsonSchema

from polytask.data.reading import ReadingOptions
from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest

TARGETS: dict[str, Any] = {
    "anyOf": [
        {"type": "object", "minProperties": 1, "additionalProperties": {"type": ["string", "null"]}},
        {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}},
        {"type": "string"},
    ]
}
"""As study files write targets: with their kinds, or their names alone."""


@dataclass(frozen=True)
class TableOptions:
    """A table in a file, as a source.

    Attributes:
        file: Its path.
        targets: Per target column its kind with options, as `ordinal(classes=[low, high])`, or nothing to have it inferred.
        test: A file with test rows of its own.
        test_share: The share of rows that are kept for testing, where no file has them: in a study a fifth, in training none.
        group: A column whose rows of one value stay together: a customer, say.
        time: A column by which the latest rows are kept for testing, and the latest of the others for validation.
        split: A column that says of every row whether it is for training, validation or test.
        unit: A column that says what rows are called in predictions; by default their number from 1.
        without: Columns that are neither inputs nor targets.
        categories: Columns that hold categories, whatever they look like.
        missing: Texts that mean that there is nothing, beside the empty cell.
        delimiter: Between cells; by default a comma, and a tab in .tsv files.
        encoding: Of the text.
        most_bytes: A file of more bytes, once decompressed, is refused.
        most_columns: One of more columns is refused.
        longest_field: A cell of more bytes is refused.
        weights: Per target its weight αₜ, by default 1.

    Raises:
        ConfigError: No target, a weight of a column that is none, or several ways to divide the rows.

    Example:
        >>> TableOptions("sales.csv", {"churn": "binary", "value": None}, group="customer").reading.encoding
        'utf-8'
    """

    file: str
    targets: Annotated[Mapping[str, str | None], WithJsonSchema(TARGETS)]
    test: str | None = None
    test_share: float | None = None
    group: str | None = None
    time: str | None = None
    split: str | None = None
    unit: str | None = None
    without: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    delimiter: str | None = None
    encoding: str = "utf-8"
    most_bytes: int = ReadingOptions.most_bytes
    most_columns: int = ReadingOptions.most_columns
    longest_field: int = ReadingOptions.longest_field
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"table {self.file!r}"
        if not self.targets:
            raise ConfigError("at least one target column is needed", where=where, remedy="Name them: --targets churn value")
        for name in self.weights:
            if name not in self.targets:
                remedy = nearest(name, tuple(self.targets))
                raise ConfigError("a weight for a column that is no target", where=where, found=repr(name), remedy=remedy)
        self._check_roles(where)
        if self.test_share is not None and not 0 <= self.test_share < 1:
            raise ConfigError("a share lies from 0 up and below 1", where=f"{where}, test_share", found=self.test_share)
        ways = [name for name in ("split", "time") if getattr(self, name)]
        if len(ways) > 1 or (self.split and (self.group or self.test)):
            found = ", ".join(name for name in ("split", "time", "group", "test") if getattr(self, name))
            raise ConfigError("rows are divided in one way", where=where, found=found, remedy="A split column needs no other way")

    def _check_roles(self, where: str) -> None:
        """A target is to be predicted, and nothing else."""
        for role, names in (*((role, (getattr(self, role),)) for role in ("group", "time", "split", "unit")), ("without", self.without)):
            for name in names:
                if name in self.targets:
                    raise ConfigError("a target is nothing else", where=f"{where}, {role}", found=repr(name), remedy="Name another column")

    def of(self, file: str, words: Sequence[str]) -> TableOptions:
        """What is to be said of another file with the same inputs and targets, all of whose rows are meant.

        Args:
            file: Its path.
            words: Columns that held categories: they do there too, whatever they look like.
        """
        return replace(self, file=file, test=None, group=None, time=None, split=None, without=(), categories=tuple(words))

    @property
    def reading(self) -> ReadingOptions:
        """How the file is read."""
        return ReadingOptions(**{option.name: getattr(self, option.name) for option in fields(ReadingOptions)})

    @property
    def aside(self) -> tuple[str, ...]:
        """Columns that are no inputs and no targets."""
        special = (self.time, self.group, self.split, self.unit)
        # The time of a row may well tell something; what belongs together, and what it is called, must not.
        return tuple(dict.fromkeys([*self.without, *(name for name in special[1:] if name is not None)]))
