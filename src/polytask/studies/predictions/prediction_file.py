"""Reading of a file of predictions: CSV, Parquet, or the folder of a run."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from polytask.data.reading import read_column_names, read_table
from polytask.errors import DataError, StorageError, plain
from polytask.options import ReadingOptions
from polytask.storage import storage_errors
from polytask.studies.setup.run_folder import RunFolder
from polytask.verdicts.prediction_frame import REQUIRED_COLUMNS

PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)
"""A number whose text can be read and written again: no leading zeros, as in postal codes."""
INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")


def read_prediction_file(path: Path, options: ReadingOptions | None = None) -> pd.DataFrame:
    r"""Read predictions from a file, or from the file predictions.parquet of a run folder.

    Cells of a text file are text, as labels are in the files of studies, but for seeds and units that are all integers, and for targets and
    predictions that are all numbers. A Parquet file keeps its types; an index with names becomes columns.

    Args:
        path: File (.csv, .csv.gz, .tsv, .tsv.gz, .parquet), or folder of a run.
        options: Delimiter and encoding of a text file.

    Raises:
        StorageError: The file does not exist or cannot be read, or the folder holds no predictions.
        DataError: The content is not a table.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "predictions.csv"
        >>> _ = file.write_text("arm,seed,task,unit,target,prediction\nsingle,10,churn,u1,yes,no\n")
        >>> read_prediction_file(file).to_dict("records")
        [{'arm': 'single', 'seed': 10, 'task': 'churn', 'unit': 'u1', 'target': 'yes', 'prediction': 'no'}]
    """
    file = predictions_in(path)
    if file.name.lower().endswith(".parquet") and file.is_file():
        return _read_parquet(file)
    reading = options or ReadingOptions()
    names = read_column_names(file, reading)
    as_text = ReadingOptions(delimiter=reading.delimiter, encoding=reading.encoding, categorical=names)
    return _with_numbers(read_table(file, as_text))


def predictions_in(path: Path) -> Path:
    """Return the file of predictions in the folder of a run; the path of a file itself.

    Raises:
        StorageError: The folder holds no predictions.
    """
    if not path.is_dir():
        return path
    file = RunFolder(path).predictions
    if not file.is_file():
        found = ", ".join(sorted(plain(entry.name) for entry in path.iterdir() if not entry.name.startswith("."))[:5]) or "an empty folder"
        remedy = "Give the folder of polytask study, or a file of predictions (.csv, .parquet)"
        raise StorageError("this folder holds no predictions.parquet", where=str(path), found=found, remedy=remedy)
    return file


def _read_parquet(path: Path) -> pd.DataFrame:
    with storage_errors(path):
        try:
            frame = pd.read_parquet(path)
        except ValueError as error:  # pyarrow's errors about content are ValueErrors
            what, found = "damaged, or not a Parquet file", plain(error, 80)
            raise DataError(what, where=str(path), found=found, remedy="Write the file again, or save it as CSV") from None
    frame = frame.reset_index() if any(name is not None for name in frame.index.names) else frame
    for name in (column for column in REQUIRED_COLUMNS if column in frame):
        entries = frame[name].dropna()
        first = entries.iloc[0] if len(entries) and entries.dtype == object else ""
        if not isinstance(first, str | bytes) and hasattr(first, "__len__"):
            remedy = "Write one label or number per row, sets of labels as text: a|b"
            raise DataError("a single value per row is needed", where=f"{path}, column {name!r}", found=plain(first), remedy=remedy)
    return frame


def _with_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert seeds and units if all are integers, and targets with predictions if all are plain numbers."""
    keys = [frame[name] for name in ("seed", "unit") if name in frame]
    labels = [frame[name] for name in ("target", "prediction") if name in frame]
    numbers = [column for column in keys if _all_match(column, INTEGER)]
    numbers += labels if all(_all_match(column, PLAIN_NUMBER) for column in labels) else []
    return frame.assign(**{str(column.name): column.astype("int64" if _all_match(column, INTEGER) else "float64") for column in numbers})


def _all_match(column: pd.Series, pattern: re.Pattern[str]) -> bool:
    return all(isinstance(text, str) and pattern.fullmatch(text) is not None for text in column.unique())
