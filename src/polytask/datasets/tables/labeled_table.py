"""Table in a file with its targets in memory and its inputs read in chunks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data import Fold, Source, TablePreprocessor, train_validation_split
from polytask.data.memmap import allocate_array, row_slices
from polytask.data.preprocessing.columns import FILE_ROW_INDEX
from polytask.data.reading import check_features, check_targets, open_table
from polytask.data.reading.error_locations import location
from polytask.data.splitting.time_and_column_split import split_by_column, split_by_time
from polytask.datasets.tables.infer_task import kind_called, reject_vectors
from polytask.datasets.tables.survival_targets import event_column, ignored_label, labels_of_target
from polytask.errors import Complaints, ConfigError, DataError, error_location
from polytask.options import TableOptions
from polytask.registry.suggestion import nearest
from polytask.tasks import LabelType, Task

Array = NDArray[Any]
Rows = NDArray[np.int64]
MAX_CELLS_IN_MEMORY = 2**27
"""Maximum number of cells of a table that is held in memory: one gigabyte of float64."""
ROWS_ENCODED_AT_ONCE = 16_384
"""Number of rows whose encoded cells are in memory together while a source is created; texts have a thousand features each."""
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.2


class LabeledTable:
    """Table in a file whose columns are divided into targets, features and others.

    Args:
        name: Name of the source to create.
        options: File, targets, splits and other options of the table.
        on_disk: Whether to read the table in chunks and to memory-map its encoded inputs; `None` does so if the table has more than
            `MAX_CELLS_IN_MEMORY` cells.

    Attributes:
        file: Opened table.
        large: Whether the table is read in chunks.
        events: Name of the event column of each target; `None` if the target has none.
        features: Names of the feature columns.

    Raises:
        ConfigError: A named column does not exist, or an event column is also a target.
        DataError: The file is malformed.
        StorageError: The file cannot be read.
    """

    def __init__(self, name: str, options: TableOptions, *, on_disk: bool | None = None) -> None:
        self.name, self.options = name, options
        self.file = open_table(options.file, options.reading_options)
        self.large = self.file.rows * len(self.file.columns) > MAX_CELLS_IN_MEMORY if on_disk is None else on_disk
        self.events = {target: event_column(kind) for target, kind in options.targets.items()}
        reject_vectors(options.targets)
        events = [event for event in self.events.values() if event]
        for event in events:
            if event in options.targets:
                raise ConfigError("an event column cannot be a target", where=f"{self.file.path}, {event!r}")
        special = [*options.targets, *events, *options.non_feature_columns, *([options.time] if options.time else [])]
        complaints = Complaints()
        for column in dict.fromkeys(special):
            with complaints.collect():
                if column not in self.file.columns:
                    remedy = nearest(column, self.file.columns)
                    raise ConfigError("there is no such column", where=f"{self.file.path}, {column!r}", remedy=remedy)
        complaints.raise_all()
        kept = {*options.targets, *options.non_feature_columns, *events}
        self.features = tuple(column for column in self.file.columns if column not in kept)
        self._special = list(dict.fromkeys(special))

    @cached_property
    def _whole(self) -> pd.DataFrame:
        return self.file.read()

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Return an iterator over the rows in the order of the file; a table that fits into memory is a single chunk."""
        frames = self.file.chunks() if self.large else iter([self._whole])
        return (frame.rename_axis(index=FILE_ROW_INDEX) for frame in frames)

    def let_decide(self, rows: Rows) -> bool:
        """Decide the kinds of columns by all rows but the given ones, which are for testing.

        Columns that nothing is learned from, such as names and groups of rows, stay as they are.

        Returns:
            Whether a column is read differently now.

        Raises:
            DataError: A cell of the given rows cannot be read as the kind of its column.
        """
        options = self.options
        learned = {*self.features, *options.targets, *self.events.values(), options.time, options.row_weights}
        changed = bool(len(rows)) and self.file.decide_by(~np.isin(np.arange(self.file.rows), rows), learned)
        if changed:
            for kept in ("_whole", "special", "labels"):  # read again, with the new kinds
                self.__dict__.pop(kept, None)
        return changed

    @cached_property
    def special(self) -> pd.DataFrame:
        """Columns of all rows that are not inputs, and the time column."""
        return pd.concat([chunk[self._special] for chunk in self.chunks()], ignore_index=True)

    @cached_property
    def labels(self) -> dict[str, Array]:
        """Labels (N,) of each target."""
        table = self.special
        with error_location(self.file.path):
            return {target: labels_of_target(table, target, kind) for target, kind in self.options.targets.items()}

    def check(self, tasks: Sequence[Task], coding: TablePreprocessor | None = None) -> None:
        """Check that the labels are valid for the tasks, and that the inputs can be encoded.

        Args:
            tasks: Tasks whose labels to check; tasks without labels in this table are ignored.
            coding: Preprocessor of the inputs; `None` skips the inputs.

        Raises:
            DataError: A label or an input is invalid; the message names the file and the row.
        """
        with error_location(self.file.path):
            for task in tasks:
                if task.name in self.labels:
                    task.metric_targets(self.labels[task.name])
            if coding is not None:
                for chunk in self.chunks():
                    coding.encode(chunk)

    def notes(self) -> list[str]:
        """Return warnings about the table, one line each.

        Raises:
            DataError: A target cannot be learned.
        """
        targets, where = list(self.options.targets), str(self.file.path)
        types = {target: kind_called(kind).label_type for target, kind in self.options.targets.items() if kind is not None}
        kinds = {target: "category" for target, label in types.items() if label is LabelType.CLASS}
        # Skip targets with event columns, and sets of labels, which may well occur only once.
        plain = [target for target in targets if not self.events[target] and types.get(target) is not LabelType.SET]
        ignoring = [target for target, kind in self.options.targets.items() if kind is not None and ignored_label(kind) is not None]
        known = self.special.assign(**{target: self.labels[target] for target in ignoring})
        found = check_targets(known, plain, {**self.file.kinds, **kinds}, where) if plain else []
        sample = next(self.chunks())[[*self.features, *plain]]  # the first chunk suffices for warnings
        odd = check_features(sample, plain, where, self.options.text)
        return [*(f"{where}: {warning}" for warning in self.file.warnings), *found, *odd]

    @property
    def labeled(self) -> Rows:
        """Row numbers (from 0) of the rows with a label of any target."""
        return np.flatnonzero(np.any([pd.notna(own) for own in self.labels.values()], axis=0))

    def parts(self, test_share: float, seed: int) -> dict[str, Rows]:
        """Return the row numbers of the parts "training", "validation" and "test"; rows without any label are in no part.

        Args:
            test_share: Fraction of rows for testing, unless the options set one or name a file of test rows.
            seed: Seed of the random split.

        Returns:
            Row numbers of each part. The validation part is empty if it is to be drawn at random later.

        Raises:
            DataError: The split column has an unknown value, a row has no group or time, or there are too few rows.
        """
        options, there = self.options, self.labeled
        share = 0.0 if options.test_file else test_share if options.test_fraction is None else options.test_fraction
        if options.split:
            with error_location(f"{self.file.path}, column {options.split!r}"):
                found = split_by_column(self.special[options.split].to_numpy(dtype=object))
            return {part: np.intersect1d(rows, there) for part, rows in found.items()}
        training, test = (there, there[:0]) if not share else self._divided(there, share, seed)
        validation = self._latest(training, VALIDATION_SHARE) if options.time else there[:0]
        return {"training": np.setdiff1d(training, validation), "validation": validation, "test": test}

    def fold(self, fold: Fold) -> dict[str, Rows]:
        """Return the row numbers of the parts "training", "validation" and "test" of one split of a cross-validation.

        The validation part is empty, since it is drawn at random later.

        Raises:
            DataError: A row has no group, or there are fewer rows or groups than folds.
        """
        there = self.labeled
        training, test = fold.rows(self._plain(there))
        return {"training": there[training], "validation": there[:0], "test": there[test]}

    def _plain(self, rows: Rows) -> Source:
        """Return a source of these rows with their labels and groups only, for dividing them."""
        labels = {target: own[rows] for target, own in self.labels.items()}
        return Source(self.name, allocate_array((len(rows), 0), on_disk=False), labels, units=rows, groups=self._groups(rows))

    def _divided(self, rows: Rows, share: float, seed: int) -> tuple[Rows, Rows]:
        if self.options.time:
            test = self._latest(rows, share)
            return np.setdiff1d(rows, test), test
        training, test_part = train_validation_split(self._plain(rows), share, seed)
        return training.units, test_part.units

    def _latest(self, rows: Rows, share: float) -> Rows:
        times, name = self.special[self.options.time].to_numpy()[rows], str(self.options.time)
        self._check_filled(name, rows, "a row has no time", "Give every row a time, or leave the row out")
        groups = self._groups(rows)
        try:
            return rows[split_by_time(times, share, groups)]
        except DataError as error:  # the error counts labeled rows only: convert to the row of the file
            row = re.search(r"row (\d+)$", error.where)
            where = location(self.file.path, int(rows[int(row[1]) - 1]) + 1 if row else None, name)
            raise DataError(error.what, where=where, found=error.found, remedy=error.remedy) from None

    def _groups(self, rows: Rows) -> Array | None:
        if self.options.group is None:
            return None
        self._check_filled(
            self.options.group, rows, "a row has no group", "Give every row a group; a unique value makes a group of one row"
        )
        return self.special[self.options.group].to_numpy(dtype=object)[rows]

    def _weights(self, rows: Rows) -> dict[str, Array] | None:
        """Return the weights of rows for every target; `None` if all rows count alike.

        Raises:
            DataError: A row has no weight, or one that is no nonnegative number.
        """
        name = self.options.row_weights
        if name is None:
            return None
        self._check_filled(name, rows, "a row has no weight", "Give every row a weight, 0 to leave it out of training")
        if self.file.kinds[name] != "number":
            found = f"a column of kind {self.file.kinds[name]}"
            raise DataError("weights of rows must be numbers", where=location(self.file.path, None, name), found=found)
        weights = self.special[name].to_numpy(dtype=np.float64)[rows]
        if (weights < 0).any():
            row = int(np.argmax(weights < 0))
            where = location(self.file.path, int(rows[row]) + 1, name)
            raise DataError("a weight of a row must not be negative", where=where, found=weights[row])
        return dict.fromkeys(self.options.targets, weights)

    def _check_filled(self, name: str, rows: Rows, what: str, remedy: str) -> None:
        empty = rows[self.special[name].isna().to_numpy()[rows]]
        if len(empty):
            raise DataError(what, where=location(self.file.path, int(empty[0]) + 1, name), found="an empty cell", remedy=remedy)

    def source(self, coding: TablePreprocessor, rows: Rows, held_out: Rows | None = None, *, weighted: bool = True) -> Source:
        """Create a source of the given rows with encoded inputs.

        Args:
            coding: Preprocessor of the inputs.
            rows: Row numbers, ascending.
            held_out: Numbers of the validation rows among them; `None` or empty if they are to be drawn at random later.
            weighted: Whether the rows have the weights of the options; test rows have none, since they count alike.
        """
        shape = (len(rows), len(coding.input_spec()["cardinalities"]))
        inputs = allocate_array(shape, on_disk=self.large or shape[0] * shape[1] > MAX_CELLS_IN_MEMORY)
        filled = start = 0
        for chunk in self.chunks():
            own = rows[(rows >= start) & (rows < start + len(chunk))] - start
            with error_location(self.file.path):
                for part in row_slices(len(own), ROWS_ENCODED_AT_ONCE):
                    inputs[filled + part.start : filled + part.stop] = coding.encode(chunk.iloc[own[part]])
            filled, start = filled + len(own), start + len(chunk)
        units = (
            rows + 1 if self.options.id_column is None else self.special[self.options.id_column].astype(str).to_numpy(dtype=object)[rows]
        )
        mask = None if held_out is None or not len(held_out) else np.isin(rows, held_out)
        labels = {target: own[rows] for target, own in self.labels.items()}
        weights = self._weights(rows) if weighted else None
        return Source(self.name, inputs, labels, units, coding, mask, self._groups(rows), weights=weights)

    def test(self) -> LabeledTable:
        """Open the file of test rows; columns that are categorical in this table are categorical there too."""
        words = [name for name in (*self.features, *self.options.targets) if self.file.kinds[name] == "category"]
        dates = {name: form for name, form in self.file.date_formats.items() if name in self.features}  # others may be absent there
        return LabeledTable(self.name, self.options.for_file(str(self.options.test_file), words, dates))

    def inputs_of(self, rows: Rows) -> Iterator[pd.DataFrame]:
        """Yield the feature columns of the given rows (ascending) chunk by chunk."""
        start = 0
        for chunk in self.chunks():
            own = rows[(rows >= start) & (rows < start + len(chunk))] - start
            yield chunk.iloc[own][list(self.features)]
            start += len(chunk)


def declared_kinds(tables: Mapping[str, LabeledTable]) -> dict[str, str | None]:
    """Return the declared kind of each target over all tables; `None` if no table declares one.

    Raises:
        ConfigError: Two tables declare different kinds for the same target.
    """
    found: dict[str, str | None] = {}
    for table in tables.values():
        for target, kind in table.options.targets.items():
            if kind is not None and found.get(target) not in (None, kind):
                raise ConfigError(
                    "a target must have the same kind in all tables", where=f"target {target!r}", found=f"{found[target]} and {kind}"
                )
            found[target] = kind or found.get(target)
    return found
