"""Census-Income (KDD): two binary tasks on the rows of one table."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from polytask.data import Source, TablePreprocessor
from polytask.datasets.base import FULL, Dataset
from polytask.datasets.dataset_cache import fetch_dataset_files
from polytask.datasets.idx_format import read_decompressed
from polytask.datasets.remote_files import RemoteFile, find_remote_file, remote_files_in
from polytask.tasks import Binary, Task

# Column names in the order of the publisher's description; columns in neither _NUMBERS nor _DROPPED are categorical.
_NAMES = (
    "age", "class-of-worker", "industry", "occupation", "education", "wage-per-hour", "enrolled", "marital-status", "major-industry",
    "major-occupation", "race", "hispanic-origin", "sex", "union-member", "reason-for-unemployment", "employment", "capital-gains",
    "capital-losses", "dividends", "tax-filer", "previous-region", "previous-state", "household-detail", "household-summary", "weight",
    "migration-msa", "migration-region", "migration-within-region", "same-house", "previous-sunbelt", "employees", "parents-present",
    "country-of-father", "country-of-mother", "country-of-birth", "citizenship", "own-business", "veterans-questionnaire",
    "veterans-benefits", "weeks-worked", "year", "income",
)  # fmt: skip
_NUMBERS = ("age", "wage-per-hour", "capital-gains", "capital-losses", "dividends", "employees", "weeks-worked")
_DROPPED = ("marital-status", "weight", "income")
_INCOME = {"- 50000.": "up to 50,000", "50000+.": "above 50,000"}
_MARRIED = {True: "never", False: "once"}


@final
class CensusIncome(Dataset):
    """Single source of 199,523 training and 99,762 test rows: is the income above 50,000 dollars, and was the person ever married?

    There are 39 feature columns, of which 7 are numeric. The columns of both targets are excluded, as is the publisher's instance weight,
    which is not a property of a person. `?` and empty cells are missing categories.

    Example:
        >>> [task.name for task in CensusIncome().tasks()]
        ['income', 'married']
    """

    name: ClassVar[str] = "census-income"
    files: ClassVar[tuple[RemoteFile, ...]] = remote_files_in("census-income")
    sizes: ClassVar[tuple[str, ...]] = (FULL,)

    def tasks(self) -> tuple[Task, ...]:
        """Return the tasks `income` and `married`, with ROC AUC as metric, since only one income in sixteen is above 50,000."""
        classes = {"income": tuple(_INCOME.values()), "married": (_MARRIED[False], _MARRIED[True])}
        return tuple(Binary(name=task, classes=own, metric="auc") for task, own in classes.items())

    def training(self) -> tuple[Source, ...]:
        """Return the source of training rows."""
        return (self._source("train"),)

    def test(self) -> tuple[Source, ...]:
        """Return the source of test rows, encoded by the preprocessor of the training rows."""
        return (self._source("test"),)

    def describe(self) -> dict[str, Any]:
        """Return a description of the data set as JSON-compatible data."""
        return {
            "name": self.name,
            "size": self.size,
            "source people": "199,523 training and 99,762 test rows, 39 columns, of which 7 are numbers",
            **{f"task {task.name}": f"2 classes: {', '.join(map(str, getattr(task, 'classes', ())))}" for task in self.tasks()},
            "license": "CC BY 4.0",
            "from": "Census-Income (KDD), UCI Machine Learning Repository, doi 10.24432/C5N30T",
        }

    def _source(self, part: str) -> Source:
        table = _table(part)
        labels = {
            "income": table["income"].map(_INCOME).to_numpy(dtype=object),
            "married": np.where(table["marital-status"] == "Never married", _MARRIED[True], _MARRIED[False]).astype(object),
        }
        coding = _preprocessor()
        return Source("people", coding.encode(table), labels, preprocessor=coding)


@cache
def _preprocessor() -> TablePreprocessor:
    table = _table("train").drop(columns=list(_DROPPED))
    return TablePreprocessor.fit(table, categorical=[str(name) for name in table if name not in _NUMBERS])


def _table(part: str) -> pd.DataFrame:
    file = find_remote_file("census-income", f"census-income-{part}.csv")
    content = BytesIO(read_decompressed(fetch_dataset_files([file])[file], file.bytes))
    kinds = {name: "float64" if name in (*_NUMBERS, "weight") else "str" for name in _NAMES}
    table = pd.read_csv(content, header=None, names=_NAMES, dtype=kinds, skipinitialspace=True, na_values=["?"], keep_default_na=False)
    return table.assign(**{name: table[name].str.strip() for name, kind in kinds.items() if kind == "str"})
