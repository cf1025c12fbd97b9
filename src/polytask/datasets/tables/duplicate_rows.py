"""Rows that occur twice, within a table and in both its training and its test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.row_overlap import check_not_only_copies
from polytask.datasets.tables.labeled_table import LabeledTable, Rows

NOTED_SHARE = 0.01
"""Share of doubled rows from which they are noted; in a table of few columns some rows are equal by chance."""


def duplicate_notes(table: LabeledTable, test: Rows) -> list[str]:
    """Return notes on the rows of a table that are equal in all inputs and targets, and on how many of them are test rows.

    Args:
        table: Table, of which only one in memory is examined.
        test: Numbers of its test rows.
    """
    if table.large or not table.features:
        return []
    frame = next(table.chunks())
    rows = _hashes(frame[[*table.features, *table.options.targets]])
    found, where = [], str(table.file.path)
    doubled = int(pd.Series(rows).duplicated().sum())
    if doubled > NOTED_SHARE * len(rows):
        found.append(
            f"{where}: {doubled:,} of {len(rows):,} rows are copies of an earlier row in all inputs and targets; scores count them again"
        )
    others = np.setdiff1d(np.arange(len(rows)), test)
    leaked = int(np.isin(rows[test], rows[others]).sum())
    if leaked > NOTED_SHARE * len(test):
        remedy = "remove them, or keep copies together with --group" if not table.options.split else "remove them"
        found.append(f"{where}: {leaked:,} of {len(test):,} test rows are copies of a training row: their scores are too good; {remedy}")
    return found


def check_test_copies(table: LabeledTable, training: Rows, test: Rows, test_file: LabeledTable | None) -> None:
    """Check, before training starts, that the test rows of a table are not all training rows in all inputs and targets.

    Args:
        table: Table, of which only one in memory is examined.
        training: Numbers of its training and validation rows.
        test: Numbers of its test rows.
        test_file: Table of test rows, which takes the place of `test`.

    Raises:
        DataError: All test rows are training rows, of which hardly any stands twice.
    """
    if table.large or not table.features or (test_file is not None and test_file.large):
        return
    compared = [*table.features, *table.options.targets]
    own = _hashes(next(table.chunks())[compared])
    tested = own[test] if test_file is None else _hashes(next(test_file.chunks())[compared])[test_file.labeled]
    copies, different = int(np.isin(tested, own[training]).sum()), len(np.unique(own[training]))
    where = str((table if test_file is None else test_file).file.path)
    check_not_only_copies(copies, len(tested), different, len(training), where)


def _hashes(frame: pd.DataFrame) -> NDArray[Any]:
    return np.asarray(pd.util.hash_pandas_object(frame, index=False))
