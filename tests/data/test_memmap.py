"""Arrays in files, and arrays that are read piece by piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.data import Normalization, Source, memmap, train_validation_split
from polytask.data.memmap import is_memmap, iter_blocks, take_rows

SHAPES = [(57, 3), (57, 2, 4, 5), (57,)]
DTYPES = [np.uint8, np.int64, np.float32, np.float64]


def array_of(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    return (np.random.default_rng(0).random(shape) * 200 + 5).astype(dtype)


def mapped(array: np.ndarray, path: Path) -> np.ndarray:
    np.save(path, array)
    found: np.ndarray = np.load(path, mmap_mode="r")
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_an_array_in_a_file_are_those_of_the_array(shape: tuple[int, ...], dtype: type, tmp_path: Path) -> None:
    array = array_of(shape, dtype)
    rows = np.array([5, 0, 56, 5])
    taken = take_rows(mapped(array, tmp_path / "array.npy"), rows)
    assert is_memmap(taken)
    assert taken.dtype == array.dtype
    assert np.array_equal(taken, array[rows])


def test_codes_of_tokens_in_a_file_stay_codes(tmp_path: Path) -> None:
    codes = np.arange(1, 121).reshape(30, 4)
    source = Source("texts", mapped(codes, tmp_path / "codes.npy"), {"kind": np.arange(30) % 2})
    for part in train_validation_split(source, 0.2, seed=0):
        assert part.has_tokens
        assert np.array_equal(part.inputs, codes[part.units])


@given(rows=st.lists(st.integers(0, 56), max_size=30), size=st.none() | st.integers(1, 60), shape=st.sampled_from(SHAPES))
def test_blocks_are_the_rows_in_order(rows: list[int], size: int | None, shape: tuple[int, ...]) -> None:
    array, chosen = array_of(shape, np.float32), np.array(rows, dtype=np.int64)
    found = list(iter_blocks(array, chosen, size))
    assert np.array_equal(np.concatenate([array[:0], *found]), array[chosen])
    assert all(len(block) == size for block in found[:-1] if size)
    assert np.array_equal(np.concatenate(list(iter_blocks(array, size=size))), array)


@pytest.mark.parametrize("dtype", [*DTYPES, np.bool_])
@pytest.mark.parametrize("shape", SHAPES[:2])
def test_statistics_of_one_piece_are_those_of_numpy_to_the_last_bit(shape: tuple[int, ...], dtype: type) -> None:
    array = array_of(shape, np.float64) > 100 if dtype is np.bool_ else array_of(shape, dtype)
    others = tuple(axis for axis in range(array.ndim) if axis != 1)
    found = Normalization.fit(array)
    assert found.mean == tuple(array.mean(axis=others, dtype=np.float64).tolist())
    assert found.deviation == tuple(array.std(axis=others, dtype=np.float64).tolist())


@pytest.mark.parametrize("cells", [1, 40, 100])
@pytest.mark.parametrize("shape", SHAPES[:2])
def test_statistics_in_pieces_are_those_of_the_rows(shape: tuple[int, ...], cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    array, rows = array_of(shape, np.float32), np.arange(0, 57, 3)
    whole = Normalization.fit(array[rows])
    monkeypatch.setattr(memmap, "NUMBERS_PER_BLOCK", cells)
    found = Normalization.of(Source("toy", array, {}), rows)
    assert found.mean == pytest.approx(whole.mean, rel=1e-13)
    assert found.deviation == pytest.approx(whole.deviation, rel=1e-13)


def test_statistics_do_not_depend_on_how_an_array_lies_in_memory() -> None:
    array = np.random.default_rng(1).normal(size=(1_000, 7)).astype(np.float32)
    assert Normalization.fit(np.asfortranarray(array)) == Normalization.fit(array)
