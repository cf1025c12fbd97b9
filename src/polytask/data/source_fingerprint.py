"""Fingerprint that identifies the data of a run."""

from __future__ import annotations

import hashlib
import re

import numpy as np

from polytask.data.input_entries import RowReader, named_entries
from polytask.data.memmap import iter_blocks
from polytask.data.source import Source

MOST_READ = 16
"""Number of rows of a fingerprint, if every row has to be read from a data set."""


def fingerprint(source: Source) -> str:
    """Return the SHA-256 digest of a source as a hexadecimal string.

    It covers inputs, labels and units, and, where given, `held_out`, `groups` and `weights`, with their names, dtypes and shapes, and the
    name of `transform`. Of inputs that are read when they are needed, it covers `MOST_READ` evenly spaced rows.

    Example:
        >>> source = Source("toy", np.zeros((2, 1)), {"size": np.array([1.0, 2.0])})
        >>> fingerprint(source) == fingerprint(source.take(np.array([1, 0])))
        False
    """
    digest = hashlib.sha256()
    given = [(name, array) for name, array in (("held_out", source.held_out), ("groups", source.groups)) if array is not None]
    given += [("weights", own) for own in (source.weights or {}).values()]
    # A list rather than a mapping, since a task may be named "inputs" or "units".
    whole = source.inputs
    if isinstance(whole, RowReader):
        whole = whole.read(np.unique(np.linspace(0, len(source) - 1, MOST_READ).astype(np.int64)))
    inputs = [(f"inputs{entry}", array) for entry, array in named_entries(whole)]
    if source.transform is not None:
        digest.update(f"transform {_name_of(source.transform)} ".encode())
    for name, array in [*inputs, ("units", source.units), *given, *source.labels.items()]:
        plain = np.asarray(array)
        digest.update(f"{name} {plain.dtype} {plain.shape} ".encode())
        if plain.dtype == object:
            digest.update(repr(plain.tolist()).encode())
        else:
            for block in iter_blocks(plain):  # inputs may be memory-mapped and larger than memory
                digest.update(block.tobytes())
    return digest.hexdigest()


def _name_of(transform: object) -> str:
    """Return the name of a function, or the text of an object without addresses in memory, which differ from run to run."""
    return str(getattr(transform, "__qualname__", None) or re.sub(r" at 0x[0-9a-fA-F]+", "", repr(transform)))
