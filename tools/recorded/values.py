"""Record values: a hash per tensor and column, and single numbers as they are."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from recorded.names import Names

Value = str | int | float | bool | None
Values = dict[str, Value]

DIGITS = 16
"""Number of hexadecimal digits of a hash."""
LONGEST_LIST = 4
"""Longer lists of numbers or words in JSON are recorded as one hash."""

ROW_KEYS = ("arm", "seed", "task", "unit", "split", "metric", "measure", "source", "target", "epoch", "step", "name")
"""Columns that identify a row, in the order in which rows are sorted by them."""
GROUPS = ("arm", "task", "measure")
"""Columns whose combinations of values are recorded separately."""
TIDY = "value"
"""A table with this column has one number per row; every group of its rows is recorded as one hash."""

SKIPPED_FILES = ("environment.json", "log.txt", "run.yaml", "report.html", "model.json", "manifest.json", "values.json")
SKIPPED_KEYS = ("seconds", "equal_seconds", "share_of_joint_training", "peak_memory_bytes", "version", "study")
"""Old names of entries that are not recorded, since they differ between runs, versions or folders."""
SKIPPED_FOLDERS = (".", "checkpoints/")
"""Beginnings of the places of files that a study keeps for itself: what they hold is in other files too, or is a time."""


def of_tensors(state: Mapping[str, torch.Tensor], names: Names) -> Values:
    """Hash every tensor by its shape and its numbers as float64, whatever its type."""
    return {names.tensor(name): of_array(tensor.detach().double().numpy()) for name, tensor in state.items()}


def of_array(array: NDArray[Any]) -> str:
    """Hash numbers with their shape; -0 and 0 differ, all NaN are equal.

    Example:
        >>> of_array(np.array([1.0, 2.0])) == of_array(np.array([1, 2]))
        True
    """
    numbers = np.ascontiguousarray(array, dtype="<f8")
    numbers = np.where(np.isnan(numbers), np.nan, numbers)
    return _hash(json.dumps(list(numbers.shape)).encode() + numbers.tobytes())


def of_table(frame: pd.DataFrame, names: Names, groups: Sequence[str] = GROUPS) -> Values:
    """Hash every column for every combination of values in the group columns; the rows of a tidy table are hashed as a whole.

    Columns and words get their old names first, and then rows are sorted by their keys, so that no new name affects an order.
    """
    renamed = {names.key(str(name)): _column(frame[name], names) for name in frame}
    plain = pd.DataFrame({name: column for name, column in renamed.items() if name not in SKIPPED_KEYS})
    order = [name for name in ROW_KEYS if name in plain]
    plain = plain.sort_values(order, kind="stable", key=_as_sorted) if order else plain
    grouped = [name for name in groups if name in plain]
    parts = plain.groupby(grouped, sort=False) if grouped else [((), plain)]
    found: Values = {}
    for place, rows in parts:
        columns = {name: of_column(rows[name]) for name in sorted(map(str, rows)) if name not in grouped}
        own = {TIDY: _hash("".join(columns.values()).encode())} if TIDY in columns else columns
        found |= {"/".join([*map(str, place), name]): value for name, value in own.items()}
    return found


def of_column(column: pd.Series[Any]) -> str:
    """Hash a column: numbers as float64, other values as text."""
    if column.dtype.kind in "biuf":
        return of_array(column.to_numpy())
    return _hash(json.dumps([None if pd.isna(value) else str(value) for value in column]).encode())


def of_document(document: object, names: Names, depth: int | None = None) -> Values:
    """Record every number and every single word of a JSON document under the path of its keys; sentences are left out.

    Args:
        document: Content of the document.
        names: Old names of its keys and words.
        depth: Record everything below paths of this many keys as one hash per path; `None` records every value.

    Example:
        >>> of_document({"p": 0.5, "arms": {"equal": {"verdict": "helps", "why": "it is better"}}, "seconds": 3}, Names())
        {'p': 0.5, 'arms/equal/verdict': 'helps'}
        >>> list(of_document({"arms": {"equal": {"p": 0.5, "df": 4}}}, Names(), depth=2))
        ['arms/equal']
    """
    leaves = dict(_leaves(document, "", names))
    if depth is None:
        return leaves
    deep: dict[str, Values] = {}
    for place, value in sorted(leaves.items()):
        parts = place.split("/")
        deep.setdefault("/".join(parts[:depth]), {})["/".join(parts[depth:])] = value
    return {place: own[""] if list(own) == [""] else _hash(json.dumps(own).encode()) for place, own in deep.items()}


def of_folder(folder: Path, names: Names) -> Values:
    """Record the content of a run folder, or of one file: tables, documents and tensors, under the names of their files."""
    found: Values = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
        parts = path.relative_to(folder).parts or (path.name,)
        place = "/".join(names.key(part) for part in parts)
        if place.rpartition("/")[2] in SKIPPED_FILES or place.startswith(SKIPPED_FOLDERS):
            continue
        found |= {f"{place}/{name}": value for name, value in _of_file(path, names).items()}
    return found


def _of_file(path: Path, names: Names) -> Values:
    if path.suffix == ".parquet":
        return of_table(pd.read_parquet(path), names)
    if path.suffix == ".csv":
        return of_table(pd.read_csv(path), names)
    if path.suffix == ".json":
        return of_document(json.loads(path.read_text(encoding="utf-8")), names)
    if path.suffix == ".safetensors":
        return of_tensors(load_file(path), names)
    return {}


def _column(column: pd.Series[Any], names: Names) -> pd.Series[Any]:
    """Return a column with words replaced by their old names; booleans and numbers are kept."""
    if column.dtype.kind in "biuf":
        return column
    return column.map(lambda value: names.word(value) if isinstance(value, str) else value).astype(object)


def _as_sorted(column: pd.Series[Any]) -> pd.Series[Any]:
    return column if column.dtype.kind in "biuf" else column.astype(str)


def _leaves(value: object, place: str, names: Names) -> Iterator[tuple[str, Value]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            old = names.key(str(key))
            if old not in SKIPPED_KEYS:
                yield from _leaves(part, f"{place}/{old}" if place else old, names)
    elif isinstance(value, list):
        inner = [leaf for number, part in enumerate(value) for leaf in _leaves(part, f"{place}/{number}", names)]
        whole = len(inner) > LONGEST_LIST and not any(isinstance(part, Mapping) for part in value)
        yield from [(place, _hash(json.dumps([leaf for _, leaf in inner]).encode()))] if whole else inner
    elif isinstance(value, str):
        if value and not any(letter.isspace() for letter in value):
            yield place, names.word(value)
    elif isinstance(value, float) and not math.isfinite(value):
        yield place, str(value)
    elif isinstance(value, bool | int | float) or value is None:
        yield place, value


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]
