"""Assign whole groups of rows to parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.splitting.label_keys import IntArray, flat_key_ids
from polytask.errors import DataError


def assign_groups(groups: NDArray[Any], label_keys: IntArray, sizes: Sequence[int], generator: np.random.Generator) -> IntArray:
    """Assign every row to a part, keeping groups whole and matching sizes and label shares as closely as the groups allow.

    Groups are assigned greedily, the largest first and equally large ones in random order. Each goes to the part, among those with room
    for it, that minimizes the imbalance

        Σ_parts Σ_labels (rows in the part with the label − share · rows with the label)² / (share · rows with the label)

    The sum includes one extra label that every row has, so that the sizes of parts count as well. A group that fits into no part goes to
    an empty part, or else to the part with the most room. Hence no part exceeds its size by more than one group.

    Args:
        groups: (N,) group of each row.
        label_keys: (N, T) keys from `make_label_keys`; −1 means no label.
        sizes: Number of rows of each part; they sum to N.
        generator: Generator of the random order of equally large groups.

    Returns:
        (N,) index of each row's part.

    Raises:
        DataError: A row has no group.

    Example:
        >>> customers = np.repeat(["ann", "ben", "cid", "dan"], 3)
        >>> parts = assign_groups(customers, np.empty((12, 0), dtype=np.int64), sizes=[9, 3], generator=np.random.default_rng(0))
        >>> len(set(customers[parts == 1])), np.bincount(parts).tolist()
        (1, [9, 3])
    """
    members, known = pd.factorize(np.asarray(groups))
    if (members < 0).any():
        remedy = "Give every row a group; a unique value makes a group of one row"
        raise DataError("a row has no group", where=f"groups, row {int(np.argmin(members)) + 1}", remedy=remedy)
    counts = _GroupLabelCounts.of(members, len(known), label_keys)
    rows = np.bincount(members, minlength=len(known))
    share = np.asarray(sizes, dtype=np.float64) / len(members)
    excess = -np.outer(share, counts.totals)  # per part and label: assigned rows minus wanted rows
    room = np.asarray(sizes, dtype=np.int64).copy()
    part_of = np.zeros(len(known), dtype=np.int64)
    lots = generator.permutation(len(known))
    for group in lots[np.argsort(-rows[lots], kind="stable")]:
        labels, many = counts.of_group(int(group))
        imbalance = ((2 * excess[:, labels] + many) * (many / counts.totals[labels])).sum(axis=1) / share
        fits = room >= rows[group]
        # Where the group fits nowhere, prefer a part that is still empty: adding N outranks every other part's room.
        empty = np.where(room == np.asarray(sizes), len(members) + room, room)
        part = int(np.argmin(np.where(fits, imbalance, np.inf)) if fits.any() else np.argmax(empty))
        part_of[group] = part
        excess[part, labels] += many
        room[part] -= rows[group]
    found: IntArray = part_of[members]
    return found


@dataclass(frozen=True)
class _GroupLabelCounts:
    """Sparse counts of rows per group and label, stored group after group (as in a CSR matrix).

    Attributes:
        first: (G + 1,) offset of each group's entries in `labels` and `many`.
        labels: Labels that occur in each group.
        many: Number of the group's rows with that label.
        totals: (L + 1,) number of rows with each label; the last label is one that every row has.
    """

    first: IntArray
    labels: IntArray
    many: IntArray
    totals: IntArray

    @classmethod
    def of(cls, members: IntArray, groups: int, keys: IntArray) -> _GroupLabelCounts:
        labels, count = flat_key_ids(keys)
        labels = np.column_stack([labels, np.full(len(members), count)])  # one extra label that every row has
        there = labels >= 0
        pairs = (members[:, np.newaxis] * (count + 1) + labels)[there]
        known, many = np.unique(pairs, return_counts=True)
        first = np.searchsorted(known, np.arange(groups + 1) * (count + 1))
        return cls(first, known % (count + 1), many, np.bincount(labels[there], minlength=count + 1))

    def of_group(self, group: int) -> tuple[IntArray, IntArray]:
        there = slice(self.first[group], self.first[group + 1])
        return self.labels[there], self.many[there]
