"""Stratified random splits of a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from polytask.data.source import Source
from polytask.data.splitting.group_split import assign_groups
from polytask.data.splitting.iterative_stratification import stratified_sample
from polytask.data.splitting.label_keys import IntArray, make_label_keys
from polytask.errors import ConfigError, DataError


def train_validation_split(source: Source, fraction: float, seed: int) -> tuple[Source, Source]:
    """Split a source into a training and a validation part, stratified over all labels.

    Rows that agree in every task (in the class, in the quintile of a number, or in having no label) form a stratum. Every stratum
    contributes `fraction` of its rows to validation, rounded so that the total is exact to one row. Where most strata have few rows,
    iterative stratification over the labels of each task decides which are rounded up. Labels of tokens are ignored. If the source has
    `held_out`, exactly those rows are held out. If it has `groups`, whole groups are held out, and the total is exact to one group.

    Args:
        source: Source to split.
        fraction: Fraction of rows in the validation part, between 0 and 1 (exclusive); ignored if the source has `held_out`.
        seed: Seed of the random choices.

    Returns:
        Training part and validation part, each with rows in their original order.

    Raises:
        ConfigError: `fraction` is not between 0 and 1.
        DataError: A part would be empty, or only some rows have a group.

    Example:
        >>> source = Source("toy", np.zeros((10, 1), "float32"), {"kind": np.array(["a", "b"] * 5)})
        >>> training, validation = train_validation_split(source, fraction=0.2, seed=0)
        >>> len(training), sorted(validation.labels["kind"].tolist())
        (8, ['a', 'b'])
    """
    training, validation = train_validation_rows(source, fraction, seed)
    return source.take(training), source.take(validation)


def train_validation_rows(source: Source, fraction: float, seed: int) -> tuple[IntArray, IntArray]:
    """Return the row numbers of the training and the validation part of `train_validation_split`, each ascending.

    Example:
        >>> source = Source("toy", np.zeros((4, 1), "float32"), {}, held_out=np.array([False, True, False, False]))
        >>> [rows.tolist() for rows in train_validation_rows(source, fraction=0.25, seed=0)]
        [[0, 2, 3], [1]]
    """
    if not 0 < fraction < 1:
        raise ConfigError("the validation fraction must be between 0 and 1 (exclusive)", where="validation", found=fraction)
    if source.held_out is not None:
        return _held_out_rows(source, np.asarray(source.held_out))
    wanted = round(fraction * len(source))
    if not 0 < wanted < len(source):
        found = f"{len(source)} rows, of which {wanted} for validation"
        raise DataError("too few rows for a training and a validation part", where=f"source {source.name!r}", found=found)
    parts = _parts(source, [len(source) - wanted, wanted], seed)
    return np.flatnonzero(parts == 0), np.flatnonzero(parts == 1)


def random_split(source: Source, fractions: Mapping[str, float], seed: int) -> dict[str, Source]:
    """Split a source into several parts, such as training, validation and test, stratified as in `train_validation_split`.

    `held_out` of the source is copied to the parts and does not affect the split.

    Args:
        source: Source to split.
        fractions: Fraction of rows of each part, by the part's name; they sum to 1.
        seed: Seed of the random choices.

    Returns:
        Parts by name, each with rows in their original order; sizes are exact to one row, or to one group per part.

    Raises:
        ConfigError: There are fewer than two parts, a fraction is not between 0 and 1, or they do not sum to 1.
        DataError: A part would be empty, or only some rows have a group.

    Example:
        >>> source = Source("toy", np.zeros((50, 1), "float32"), {"kind": np.arange(50) % 5})
        >>> parts = random_split(source, {"training": 0.6, "validation": 0.2, "test": 0.2}, seed=0)
        >>> {name: np.bincount(part.labels["kind"]).tolist() for name, part in parts.items()}
        {'training': [6, 6, 6, 6, 6], 'validation': [2, 2, 2, 2, 2], 'test': [2, 2, 2, 2, 2]}
    """
    total = sum(fractions.values())
    if len(fractions) < 2 or not all(0 < share < 1 for share in fractions.values()) or not abs(total - 1) < 1e-9:
        raise ConfigError("two or more numbers between 0 and 1 with sum 1 are needed", where="fractions", found=dict(fractions))
    parts = _parts(source, _part_sizes(len(source), list(fractions.values())), seed)
    return {name: source.take(np.flatnonzero(parts == number)) for number, name in enumerate(fractions)}


def k_fold_split(source: Source, folds: int, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Split rows for k-fold cross-validation, stratified as in `train_validation_split`; every row is in exactly one test part.

    Without groups, test parts differ by at most one row in size and in every stratum.

    Args:
        source: Source to split.
        folds: Number of folds, at least 2.
        seed: Seed of the random choices.

    Returns:
        Iterator over folds with the numbers of the training rows and of the test rows, both ascending, for `Source.take`.

    Raises:
        ConfigError: `folds` is less than 2.
        DataError: There are fewer rows or groups than folds, or only some rows have a group.

    Example:
        >>> source = Source("toy", np.zeros((6, 1), "float32"), {"kind": np.array(["a", "b"] * 3)})
        >>> [(len(training), sorted(source.labels["kind"][test].tolist())) for training, test in k_fold_split(source, 3, seed=0)]
        [(4, ['a', 'b']), (4, ['a', 'b']), (4, ['a', 'b'])]
    """
    if folds < 2:
        raise ConfigError("cross-validation needs at least two folds", where="folds", found=folds)
    parts = _parts(source, _part_sizes(len(source), [1 / folds] * folds), seed)
    return ((np.flatnonzero(parts != fold), np.flatnonzero(parts == fold)) for fold in range(folds))


def _parts(source: Source, sizes: Sequence[int], seed: int) -> IntArray:
    """Return the part of every row, (N,).

    Groups are assigned whole. Without groups, rows are drawn for one part after the other, and the first part gets the rest.
    """
    keys, generator = make_label_keys(source.labels, len(source)), np.random.default_rng(seed)
    parts = np.zeros(len(source), dtype=np.int64)
    if min(sizes) > 0 and source.groups is not None:
        parts = assign_groups(np.asarray(source.groups), keys, sizes, generator)
    elif min(sizes) > 0:
        left = np.arange(len(source))
        for part in range(1, len(sizes)):
            chosen = stratified_sample(keys[left], sizes[part], generator)
            parts[left[chosen]] = part
            left = left[~chosen]
    found = np.bincount(parts, minlength=len(sizes))
    if not found.all():
        what, rows = ("rows", len(source)) if source.groups is None else ("groups", len(set(np.asarray(source.groups).tolist())))
        where = f"source {source.name!r}"
        raise DataError(f"too few {what} for {len(sizes)} parts of these fractions", where=where, found=f"{rows} {what}")
    return parts


def _part_sizes(rows: int, shares: Sequence[float]) -> list[int]:
    """Return the number of rows of each part, rounded by largest remainders; ties go to the earlier part."""
    exact = np.round(np.asarray(shares) * rows, 6)
    sizes = np.floor(exact).astype(np.int64)
    sizes[np.argsort(-(exact - sizes), kind="stable")[: rows - int(sizes.sum())]] += 1
    found: list[int] = sizes.tolist()
    return found


def _held_out_rows(source: Source, held_out: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    if held_out.dtype != np.bool_ or held_out.all() or not held_out.any():
        found = f"{int(held_out.sum())} of {len(source)} rows" if held_out.dtype == np.bool_ else f"an array of {held_out.dtype}"
        raise DataError(
            "some rows, but not all, must be held out by a Boolean mask", where=f"source {source.name!r}, 'held_out'", found=found
        )
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
