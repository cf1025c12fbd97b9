"""Fingerprint that identifies the data of a run."""

from __future__ import annotations

import hashlib

import numpy as np

from polytask.data.input_entries import named_entries
from polytask.data.memmap import iter_blocks
from polytask.data.source import Source


def fingerprint(source: Source) -> str:
    """Return the SHA-256 digest of a source as a hexadecimal string.

    It covers inputs, labels and units, and, where given, `held_out`, `groups` and `weights`, with their names, dtypes and shapes.

    Example:
        >>> source = Source("toy", np.zeros((2, 1)), {"size": np.array([1.0, 2.0])})
        >>> fingerprint(source) == fingerprint(source.take(np.array([1, 0])))
        False
    """
    digest = hashlib.sha256()
    given = [(name, array) for name, array in (("held_out", source.held_out), ("groups", source.groups)) if array is not None]
    given += [("weights", own) for own in (source.weights or {}).values()]
    # A list rather than a mapping, since a task may be named "inputs" or "units".
    inputs = [(f"inputs{entry}", array) for entry, array in named_entries(source.inputs)]
    for name, array in [*inputs, ("units", source.units), *given, *source.labels.items()]:
        plain = np.asarray(array)
        digest.update(f"{name} {plain.dtype} {plain.shape} ".encode())
        if plain.dtype == object:
            digest.update(repr(plain.tolist()).encode())
        else:
            for block in iter_blocks(plain):  # inputs may be memory-mapped and larger than memory
                digest.update(block.tobytes())
    return digest.hexdigest()
