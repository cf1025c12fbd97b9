"""Dividing a source's rows into parts."""

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
    """Training and validation part of a source: seeded, and stratified over all its labels.

    Rows that agree in every task (in the class, the fifth of the range of ranks for numbers, or in having no label) form
    a stratum. Every stratum gives `fraction` of its rows to validation, rounded so that the total is right to one row; where most strata
    have
    few rows, which of them are rounded up is decided by iterative stratification over the labels of each task. Labels of tokens
    have no part in it. Where the source says which rows are held out, it is those and no others; where it says what rows belong together,
    whole groups are held out, and the total is right to one group.

    Args:
        source: The rows to divide.
        fraction: The validation part's share of the rows, between 0 and 1.
        seed: Of the draw.

    Returns:
        The training part and the validation part, each in the original order of rows.

    Raises:
        ConfigError: The share is not between 0 and 1.
        DataError: A part would be empty, or a row has no group where others have.

    Example:
        >>> source = Source("toy", np.zeros((10, 1), "float32"), {"kind": np.array(["a", "b"] * 5)})
        >>> training, validation = train_validation_split(source, fraction=0.2, seed=0)
        >>> len(training), sorted(validation.labels["kind"].tolist())
        (8, ['a', 'b'])
    """
    training, validation = train_validation_rows(source, fraction, seed)
    return source.take(training), source.take(validation)


def train_validation_rows(source: Source, fraction: float, seed: int) -> tuple[IntArray, IntArray]:
    """The numbers of the rows that `train_validation_split` would take for training and for validation, each ascending.

    Example:
        >>> source = Source("toy", np.zeros((4, 1), "float32"), {}, held_out=np.array([False, True, False, False]))
        >>> [rows.tolist() for rows in train_validation_rows(source, fraction=0.25, seed=0)]
        [[0, 2, 3], [1]]
    """
    if not 0 < fraction < 1:
        raise ConfigError("the validation share lies between 0 and 1", where="validation", found=fraction)
    if source.held_out is not None:
        return _held_out_rows(source, np.asarray(source.held_out))
    wanted = round(fraction * len(source))
    if not 0 < wanted < len(source):
        found = f"{len(source)} rows, of which {wanted} for validation"
        raise DataError("too few rows for a training and a validation part", where=f"source {source.name!r}", found=found)
    parts = _parts(source, [len(source) - wanted, wanted], seed)
    return np.flatnonzero(parts == 0), np.flatnonzero(parts == 1)


def random_split(source: Source, fractions: Mapping[str, float], seed: int) -> dict[str, Source]:
    """A source in several parts at once (training, validation and test, say), drawn as `train_validation_split` draws two.

    What the source says is held out goes along with the rows and has no part in it.

    Args:
        source: The rows to divide.
        fractions: Per part its share of the rows; 1 together.
        seed: Of the draw.

    Returns:
        The parts by name, each in the original order of rows; their sizes are right to one row, or to one group for each part.

    Raises:
        ConfigError: There are fewer than two parts, a share is not between 0 and 1, or they are not 1 together.
        DataError: A part would be empty, or a row has no group where others have.

    Example:
        >>> source = Source("toy", np.zeros((50, 1), "float32"), {"kind": np.arange(50) % 5})
        >>> parts = random_split(source, {"training": 0.6, "validation": 0.2, "test": 0.2}, seed=0)
        >>> {name: np.bincount(part.labels["kind"]).tolist() for name, part in parts.items()}
        {'training': [6, 6, 6, 6, 6], 'validation': [2, 2, 2, 2, 2], 'test': [2, 2, 2, 2, 2]}
    """
    total = sum(fractions.values())
    if len(fractions) < 2 or not all(0 < share < 1 for share in fractions.values()) or not abs(total - 1) < 1e-9:
        raise ConfigError("at least two shares between 0 and 1 are needed, 1 together", where="shares", found=dict(fractions))
    parts = _parts(source, _part_sizes(len(source), list(fractions.values())), seed)
    return {name: source.take(np.flatnonzero(parts == number)) for number, name in enumerate(fractions)}


def k_fold_split(source: Source, folds: int, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Divide the rows for cross-validation, drawn as `train_validation_split` draws; every row is in one test part.

    The test parts differ by no more than one row in size and in every stratum, unless there are groups.

    Args:
        source: The rows to divide.
        k_fold_split: How many folds.
        seed: Of the draw.

    Returns:
        Per fold the numbers of the training rows and of the test rows, both ascending: for `Source.take`.

    Raises:
        ConfigError: There are fewer than two folds.
        DataError: There are fewer rows or groups than folds, or a row has no group where others have.

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
    """(N,) the part of every row: groups are dealt whole, and rows are drawn part by part, so that the first gets what the others leave."""
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
        raise DataError(f"too few {what} for {len(sizes)} parts of these shares", where=where, found=f"{rows} {what}")
    return parts


def _part_sizes(rows: int, shares: Sequence[float]) -> list[int]:
    """How many rows each part gets: largest remainders, the first of equal ones."""
    exact = np.round(np.asarray(shares) * rows, 6)
    sizes = np.floor(exact).astype(np.int64)
    sizes[np.argsort(-(exact - sizes), kind="stable")[: rows - int(sizes.sum())]] += 1
    found: list[int] = sizes.tolist()
    return found


def _held_out_rows(source: Source, held_out: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    if held_out.dtype != np.bool_ or held_out.all() or not held_out.any():
        found = f"{int(held_out.sum())} of {len(source)} rows"
        raise DataError("some rows are held out for validation, and some are not", where=f"source {source.name!r}, 'held_out'", found=found)
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
