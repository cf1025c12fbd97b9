"""Whole groups of rows dealt to parts."""

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
    """(N,) the part of every row: whole groups, so that sizes and labels come out as nearly right as groups allow.

    Greedy, the largest group first and equal ones by lot: each goes to that of the parts with room for it for which the imbalance

        Σ_parts Σ_labels (rows there − share · rows)² / (share · rows)

    stays smallest, where every row has a label of its own kind besides: that it is a row. Where there is room for it nowhere, it goes to an
    empty part, or to the one with most room. So no part has more than one group too many.

    Args:
        groups: (N,) what rows belong together.
        label_keys: (N, T) as `make_label_keys` gives them; −1 is no label.
        sizes: How many rows each part is to have, all of them together.
        generator: Of the lots.

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
        remedy = "Give every row a group, if only one of its own"
        raise DataError("a row has no group", where=f"groups, row {int(np.argmin(members)) + 1}", remedy=remedy)
    counts = _GroupLabelCounts.of(members, len(known), label_keys)
    rows = np.bincount(members, minlength=len(known))
    share = np.asarray(sizes, dtype=np.float64) / len(members)
    excess = -np.outer(share, counts.totals)  # per part and label: rows there less rows wanted
    room = np.asarray(sizes, dtype=np.int64).copy()
    part_of = np.zeros(len(known), dtype=np.int64)
    lots = generator.permutation(len(known))
    for group in lots[np.argsort(-rows[lots], kind="stable")]:
        labels, many = counts.of_group(int(group))
        imbalance = ((2 * excess[:, labels] + many) * (many / counts.totals[labels])).sum(axis=1) / share
        fits = room >= rows[group]
        # An empty part has as much room as it was given.
        empty = np.where(room == np.asarray(sizes), len(members) + room, room)
        part = int(np.argmin(np.where(fits, imbalance, np.inf)) if fits.any() else np.argmax(empty))
        part_of[group] = part
        excess[part, labels] += many
        room[part] -= rows[group]
    found: IntArray = part_of[members]
    return found


@dataclass(frozen=True)
class _GroupLabelCounts:
    """How many rows of every group have which labels: the labels that occur, group after group."""

    first: IntArray
    labels: IntArray
    many: IntArray
    totals: IntArray

    @classmethod
    def of(cls, members: IntArray, groups: int, keys: IntArray) -> _GroupLabelCounts:
        labels, count = flat_key_ids(keys)
        labels = np.column_stack([labels, np.full(len(members), count)])  # the last label: that it is a row
        there = labels >= 0
        pairs = (members[:, np.newaxis] * (count + 1) + labels)[there]
        known, many = np.unique(pairs, return_counts=True)
        first = np.searchsorted(known, np.arange(groups + 1) * (count + 1))
        return cls(first, known % (count + 1), many, np.bincount(labels[there], minlength=count + 1))

    def of_group(self, group: int) -> tuple[IntArray, IntArray]:
        there = slice(self.first[group], self.first[group + 1])
        return self.labels[there], self.many[there]
