"""What data a run has seen, in one short text."""

from __future__ import annotations

import hashlib

import numpy as np

from polytask.data.memmap import iter_blocks
from polytask.data.source import Source


def fingerprint(source: Source) -> str:
    """SHA-256 over the inputs, the labels, the units and, where given, the groups of a source, with their names, types and shapes.

    Example:
        >>> source = Source("toy", np.zeros((2, 1)), {"size": np.array([1.0, 2.0])})
        >>> fingerprint(source) == fingerprint(source.take(np.array([1, 0])))
        False
    """
    digest = hashlib.sha256()
    given = [(name, array) for name, array in (("held_out", source.held_out), ("groups", source.groups)) if array is not None]
    given += [("weights", own) for own in (source.weights or {}).values()]
    # A list, since a task may be called "inputs" or "units" too.
    for name, array in [("inputs", source.inputs), ("units", source.units), *given, *source.labels.items()]:
        plain = np.asarray(array)
        digest.update(f"{name} {plain.dtype} {plain.shape} ".encode())
        if plain.dtype == object:
            digest.update(repr(plain.tolist()).encode())
        else:
            for block in iter_blocks(plain):  # inputs may lie in a file, and be larger than memory
                digest.update(block.tobytes())
    return digest.hexdigest()
