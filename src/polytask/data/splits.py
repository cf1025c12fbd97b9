"""Dividing a source's rows into parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.source import Source
from polytask.errors import ConfigError, DataError

Array = NDArray[Any]
BINS = 5


def split(source: Source, share: float, seed: int) -> tuple[Source, Source]:
    """Training and validation part of a source: seeded, and stratified over all its labels.

    Rows that agree in every task (in the class, the fifth of the range of ranks for numbers, or in having no label) form
    a stratum. Every stratum gives `share` of its rows to validation, rounded so that the total is right to one row. Labels of tokens
    have no part in it. Where the source says which rows are held out, it is those and no others.

    Args:
        source: The rows to divide.
        share: The validation part's share of the rows, between 0 and 1.
        seed: Of the draw.

    Returns:
        The training part and the validation part, each in the original order of rows.

    Raises:
        ConfigError: The share is not between 0 and 1.
        DataError: A part would be empty.

    Example:
        >>> source = Source("toy", np.zeros((10, 1), "float32"), {"kind": np.array(["a", "b"] * 5)})
        >>> training, validation = split(source, share=0.2, seed=0)
        >>> len(training), sorted(validation.labels["kind"].tolist())
        (8, ['a', 'b'])
    """
    if not 0 < share < 1:
        raise ConfigError("the validation share lies between 0 and 1", where="validation", found=share)
    if source.held_out is not None:
        return _as_given(source, np.asarray(source.held_out))
    wanted = round(share * len(source))
    if not 0 < wanted < len(source):
        found = f"{len(source)} rows, of which {wanted} for validation"
        raise DataError("too few rows for a training and a validation part", where=f"source {source.name!r}", found=found)
    chosen = _stratified(_strata(source.labels, len(source)), wanted, np.random.default_rng(seed))
    return source.take(np.flatnonzero(~chosen)), source.take(np.flatnonzero(chosen))


def _as_given(source: Source, held_out: NDArray[np.bool_]) -> tuple[Source, Source]:
    if held_out.dtype != np.bool_ or held_out.all() or not held_out.any():
        found = f"{int(held_out.sum())} of {len(source)} rows"
        raise DataError("some rows are held out for validation, and some are not", where=f"source {source.name!r}, 'held_out'", found=found)
    return source.take(np.flatnonzero(~held_out)), source.take(np.flatnonzero(held_out))


def _strata(labels: Mapping[str, Array], rows: int) -> NDArray[np.int64]:
    """(N,) the number of each row's stratum."""
    per_row = {task: values for task, values in labels.items() if values.ndim == 1}
    if not per_row:
        return np.zeros(rows, dtype=np.int64)
    keys = pd.DataFrame({task: _key(values) for task, values in per_row.items()})
    return np.asarray(keys.groupby(list(keys.columns), sort=True).ngroup(), dtype=np.int64)


def _key(labels: Array) -> NDArray[np.int64]:
    """(N,) a class's code or a number's bin; −1 without label."""
    values = pd.Series(labels).infer_objects()
    # Integers may be the codes of many classes; where most of them stand alone they are numbers.
    many = {"f": 2 * BINS, "i": max(2 * BINS, values.count() // 2), "u": max(2 * BINS, values.count() // 2)}
    if values.nunique() > many.get(values.dtype.kind, len(values)):
        return (values.rank(pct=True) * BINS).apply(np.ceil).fillna(-1).to_numpy(dtype=np.int64)
    return np.asarray(pd.factorize(values, sort=False)[0], dtype=np.int64)


def _stratified(strata: NDArray[np.int64], wanted: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) True for `wanted` rows, each stratum giving its share (largest remainders, ties by lot)."""
    counts = np.bincount(strata)
    exact = counts * (wanted / len(strata))
    quota = np.floor(exact).astype(np.int64)
    lots = generator.permutation(len(counts))
    by_remainder = lots[np.argsort(-(exact - quota)[lots], kind="stable")]
    quota[by_remainder[: wanted - quota.sum()]] += 1
    shuffled = generator.permutation(len(strata))
    # The place of every row within its stratum, in shuffled order: the first `quota` of each are chosen.
    place = pd.Series(strata[shuffled]).groupby(strata[shuffled]).cumcount().to_numpy()
    chosen = np.zeros(len(strata), dtype=np.bool_)
    chosen[shuffled[place < quota[strata[shuffled]]]] = True
    return chosen
