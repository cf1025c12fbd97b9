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
        ConfigError: There are too few, or one stands there twice.
    """
    plain = tuple(value.item() if isinstance(value, np.generic) else value for value in classes)
    if len(plain) < least:
        raise ConfigError(f"at least {least} classes are needed", where=f"task {task!r}", found=plain)
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
    codes = pd.Index(list(classes)).get_indexer(pd.Index(labels))
    foreign = np.flatnonzero(labelled & (codes < 0))
    if len(foreign):
        raise DataError(
            f"a label is none of the {len(classes)} classes",
            where=f"task {task!r}, row {foreign[0]}",
            found=repr(labels[foreign[0]].item() if isinstance(labels[foreign[0]], np.generic) else labels[foreign[0]]),
            remedy=f"Known classes: {', '.join(map(str, classes[:12]))}{' …' if len(classes) > 12 else ''}",
        )
    return Targets(np.where(labelled, codes, 0).astype(np.int64), labelled)


def decode_classes(classes: tuple[Label, ...], codes: Array) -> Array:
    """The class of every code."""
    return np.asarray(classes)[np.asarray(codes, dtype=np.int64)]
