"""Stratified sampling of rows over several labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.splitting.label_keys import IntArray, flat_key_ids, stratum_ids

LARGE_STRATUM = 5
"""Mean number of rows per stratum from which sampling each stratum by itself is accurate enough."""
DECISION_BATCH = 32
"""Number of rows decided on at once; the labels' surpluses are updated after each batch."""

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


def stratified_sample(keys: IntArray, wanted: int, generator: np.random.Generator) -> BoolArray:
    """Choose `wanted` rows so that every stratum and every label is represented in proportion.

    Rows that agree in all keys form a stratum. A stratum of n rows contributes n · wanted / N rows, rounded down or up. Where strata are
    large or there is one task, the largest remainders are rounded up. With many tasks or many missing labels most strata hold one row, and
    largest remainders would amount to simple random sampling; then `iterative_sample` decides, so that each label gets its share.

    Args:
        keys: (N, T) keys from `make_label_keys`; −1 means no label.
        wanted: Number of rows to choose.
        generator: Generator of the random choices.

    Returns:
        (N,) mask, True for the chosen rows.

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
    # Position of every row within its stratum, in shuffled order: the first `quota` of each stratum are chosen.
    place = pd.Series(strata[shuffled]).groupby(strata[shuffled]).cumcount().to_numpy()
    chosen = np.zeros(len(strata), dtype=np.bool_)
    chosen[shuffled[place < quota[strata[shuffled]]]] = True
    return chosen


def iterative_sample(keys: IntArray, shares: FloatArray, wanted: int, generator: np.random.Generator) -> BoolArray:
    """Choose `wanted` rows by iterative stratification into two parts (Sechidis, Tsoumakas & Vlahavas, ECML PKDD 2011, algorithm 1).

    A label is a pair of a task and one of its keys; a missing label does not count. Labels are processed from the rarest to the most
    frequent. For each, all of its undecided rows are decided on, so that rare labels get their share while there is still a choice.

    Deviations: After every label, the paper determines anew which label is the rarest among the remaining rows; here frequencies are
    counted once. The paper also decides row by row and uses the other labels of a row only to break ties, which leaves most labels to
    chance where every row has a label of every task. Here a label's rows are decided on in batches: the label determines how many rows of
    a batch are chosen, and all labels determine which ones, namely those whose labels fall short most, relative to their frequency.

    Args:
        keys: (S, T) keys; −1 means no label.
        shares: (S,) probability with which each row is to be chosen, in [0, 1]; rows with share 0 are never chosen.
        wanted: Number of rows to choose, equal to the sum of the shares.
        generator: Generator of the random choices.

    Returns:
        (S,) mask, True for the chosen rows.
    """
    labels, count = flat_key_ids(keys)
    frequency = np.bincount(labels[labels >= 0], minlength=count)
    # A label of a single row cannot be shared: treat it as no label.
    labels = np.where((labels >= 0) & (frequency[labels] > 1), labels, count) if count else labels
    weights = np.append(1 / np.maximum(frequency, 1), 0.0)
    surplus = np.zeros(count + 1)  # per label: chosen rows minus the shares of all decided rows
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
    """Yield every label from the rarest on with the rows that have no rarer label, in random order; rows without a label come last."""
    by_rarity = np.append(np.argsort(frequency, kind="stable"), len(frequency))
    rarest = np.argsort(by_rarity)[labels].min(axis=1, initial=len(frequency))
    rows = generator.permutation(np.flatnonzero(free))
    rows = rows[np.argsort(rarest[rows], kind="stable")]
    found, first = np.unique(rarest[rows], return_index=True)
    yield from zip(by_rarity[found].tolist(), np.split(rows, first)[1:], strict=True)


def _rounded(number: float, surplus: float) -> int:
    """Round a number down or up, whichever brings `surplus` plus the result closer to zero."""
    low = int(np.floor(number + 1e-9))
    return low if number - low < 1e-9 or abs(surplus + low) <= abs(surplus + low + 1) else low + 1


def _fix_total(chosen: BoolArray, wanted: int, surplus: FloatArray, free: BoolArray) -> BoolArray:
    """Add or remove rows until `wanted` are chosen, starting with those whose labels are distorted least."""
    missing = wanted - int(chosen.sum())
    candidates = np.flatnonzero(free & (chosen if missing < 0 else ~chosen))
    order = candidates[np.argsort(surplus[candidates] * (-1 if missing < 0 else 1), kind="stable")]
    chosen[order[: abs(missing)]] = missing > 0
    return chosen
