"""Class labels and their codes: what the kinds with classes share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.tasks.task import Targets, present

Array = NDArray[Any]
Label = int | float | str | bool


def checked_classes(task: str, classes: tuple[Any, ...], *, least: int) -> tuple[Label, ...]:
    """The classes as plain Python values.

    Raises:
        ConfigError: There are too few, one stands there twice, or one is a gap.
    """
    plain = tuple(value.item() if isinstance(value, np.generic) else value for value in classes)
    if len(plain) < least:
        raise ConfigError(f"at least {least} classes are needed", where=f"task {task!r}", found=plain)
    if any(value is None or value != value for value in plain):
        raise ConfigError("NaN and None mean that there is no label, and are no classes", where=f"task {task!r}", found=plain)
    if len(set(plain)) < len(plain):
        raise ConfigError("every class stands once in the list", where=f"task {task!r}", found=plain)
    return plain


def encode_classes(task: str, classes: tuple[Label, ...], labels: Array) -> Targets:
    """Codes 0 to C - 1 in the order of `classes`.

    Raises:
        DataError: A label is none of the classes; the message names the row.
    """
    labels = np.asarray(labels)
    labelled = present(labels)
    # As objects, labels compare as in Python (1 == 1.0 == True), whether or not a gap made the column another type.
    codes = pd.Index(list(classes), dtype=object).get_indexer(pd.Index(labels, dtype=object))
    foreign = np.flatnonzero(labelled & (codes < 0))
    if len(foreign):
        raise DataError(
            f"a label is none of the {len(classes)} classes",
            where=f"task {task!r}, row {foreign[0] + 1}",
            found=repr(labels[foreign[0]].item() if isinstance(labels[foreign[0]], np.generic) else labels[foreign[0]]),
            remedy=f"Known classes: {', '.join(map(str, classes[:12]))}{' …' if len(classes) > 12 else ''}",
        )
    return Targets(np.where(labelled, codes, 0).astype(np.int64), labelled)


def decode_classes(classes: tuple[Label, ...], codes: Array) -> Array:
    """The class of every code."""
    plain = np.asarray(classes)
    if plain.tolist() != list(classes):  # 1 and "a" have no common type, nor do an integer above 2⁵³ and a fraction
        plain = np.fromiter(classes, dtype=object, count=len(classes))
    found: Array = plain[np.asarray(codes, dtype=np.int64)]
    return found
