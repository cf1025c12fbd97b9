"""Rows chosen so that every label gives its share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.splitting.label_keys import IntArray, flat_key_ids, stratum_ids

LARGE_STRATUM = 5
"""Where strata have so many rows on average, each of them can give its share."""
DECISION_BATCH = 32
"""How many strata are decided on at once: the labels' wants are looked up anew for every handful."""

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


def stratified_sample(keys: IntArray, wanted: int, generator: np.random.Generator) -> BoolArray:
    """(N,) True for `wanted` rows: of every stratum its share, and of every label.

    Rows that agree in all keys form a stratum. A stratum of n rows gives the n · wanted / N that are its share, rounded down or up.
    Which are rounded up is decided by largest remainders where strata are large or there is one task. With many tasks or gaps most
    strata hold one row, and that would be a plain draw: there `iterative_sample` decides, so that the labels come out right.

    Args:
        keys: (N, T) as `make_label_keys` gives them; −1 is no label.
        wanted: How many rows.
        generator: Of the draw.

    Example:
        >>> keys = np.stack([np.arange(40) % 2, np.arange(40) % 20], axis=1)
        >>> np.bincount(keys[stratified_sample(keys, 10, np.random.default_rng(0)), 0]).tolist()
        [5, 5]
    """
    strata = stratum_ids(keys)
    counts = np.bincount(strata)
    exact = counts * (wanted / len(strata))
    quota = np.floor(exact).astype(np.int64)
    more = wanted - int(quota.sum())
    if len(strata) >= LARGE_STRATUM * len(counts) or keys.shape[1] < 2:
        lots = generator.permutation(len(counts))
        quota[lots[np.argsort(-(exact - quota)[lots], kind="stable")][:more]] += 1
    else:
        one_row_of_each = np.unique(strata, return_index=True)[1]
        quota[iterative_sample(keys[one_row_of_each], exact - quota, more, generator)] += 1
    shuffled = generator.permutation(len(strata))
    # The place of every row within its stratum, in shuffled order: the first `quota` of each are chosen.
    place = pd.Series(strata[shuffled]).groupby(strata[shuffled]).cumcount().to_numpy()
    chosen = np.zeros(len(strata), dtype=np.bool_)
    chosen[shuffled[place < quota[strata[shuffled]]]] = True
    return chosen


def iterative_sample(keys: IntArray, shares: FloatArray, wanted: int, generator: np.random.Generator) -> BoolArray:
    """(S,) True for `wanted` rows: iterative stratification (Sechidis, Tsoumakas & Vlahavas, ECML PKDD 2011, algorithm 1), for two parts.

    A label is a task with one of its keys; a gap is no label. Labels are gone through from the rarest to the most frequent, and all
    rows of a label that are undecided are decided on, so that rare labels get their share while there is a choice.

    Deviations: the paper counts anew after every label which is the rarest among the rows that are left; here they are counted once. And
    it decides row by row, and looks at the other labels of a row only to break ties: where every row has a label of every task that leaves
    most labels to chance. Here a label's rows are decided on in handfuls: how many of a handful are chosen follows from the label, and
    which of them from all labels: those whose labels lack most, relative to how many rows have them.

    Args:
        keys: (S, T) with −1 for a gap.
        shares: (S,) how much of every row is to be chosen, on average.
        wanted: How many rows, the sum of the shares.
        generator: Of the draw.
    """
    labels, count = flat_key_ids(keys)
    frequency = np.bincount(labels[labels >= 0], minlength=count)
    labels = np.where((labels >= 0) & (frequency[labels] > 1), labels, count) if count else labels  # a label of one row has no share
    weights = np.append(1 / np.maximum(frequency, 1), 0.0)
    surplus = np.zeros(count + 1)  # per label: how many are chosen, less the shares of those decided on
    chosen = np.zeros(len(labels), dtype=np.bool_)
    total = 0.0
    for label, rows in _rarest_first(labels, frequency, shares > 0, generator):
        for handful in np.array_split(rows, -(-len(rows) // DECISION_BATCH)):
            expected = float(shares[handful].sum())
            lacking = expected - (surplus[label] if label < count else total)
            number = min(max(_rounded(lacking, total - expected), 0), len(handful))
            taken = np.zeros(len(handful), dtype=np.bool_)
            taken[np.argsort((surplus * weights)[labels[handful]].sum(axis=1), kind="stable")[:number]] = True
            chosen[handful] = taken
            np.add.at(surplus, labels[handful], (taken - shares[handful])[:, np.newaxis])
            total += number - expected
    return _fix_total(chosen, wanted, (surplus * weights)[labels].sum(axis=1), shares > 0)


def _rarest_first(labels: IntArray, frequency: IntArray, free: BoolArray, generator: np.random.Generator) -> Iterator[tuple[int, IntArray]]:
    """Every label, the rarest first, with the rows that no rarer one has, in a drawn order; at last the rows without any."""
    by_rarity = np.append(np.argsort(frequency, kind="stable"), len(frequency))
    rarest = np.argsort(by_rarity)[labels].min(axis=1, initial=len(frequency))
    rows = generator.permutation(np.flatnonzero(free))
    rows = rows[np.argsort(rarest[rows], kind="stable")]
    found, first = np.unique(rarest[rows], return_index=True)
    yield from zip(by_rarity[found].tolist(), np.split(rows, first)[1:], strict=True)


def _rounded(number: float, surplus: float) -> int:
    """A number rounded down or up, whichever brings the rows chosen nearer to what is wanted."""
    low = int(np.floor(number + 1e-9))
    return low if number - low < 1e-9 or abs(surplus + low) <= abs(surplus + low + 1) else low + 1


def _fix_total(chosen: BoolArray, wanted: int, surplus: FloatArray, free: BoolArray) -> BoolArray:
    """The last rows that are too many or missing, where their labels suffer least."""
    missing = wanted - int(chosen.sum())
    candidates = np.flatnonzero(free & (chosen if missing < 0 else ~chosen))
    order = candidates[np.argsort(surplus[candidates] * (-1 if missing < 0 else 1), kind="stable")]
    chosen[order[: abs(missing)]] = missing > 0
    return chosen
