"""IDX files: what is right is read exactly, what is wrong is one line that names the file."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.datasets.idx_format import parse_idx, read_idx
from polytask.errors import DataError, StorageError


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in IDX format, written down from its definition."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.astype(np.uint8).tobytes()


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@given(st.integers(0, 5), st.integers(0, 4), st.integers(0, 4))
def test_what_was_written_is_read(count: int, height: int, width: int) -> None:
    array = np.random.default_rng(0).integers(0, 256, (count, height, width), dtype=np.uint8)
    assert np.array_equal(parse_idx(idx(array), 3, "images"), array)


def test_no_images_are_an_array_too() -> None:
    empty = np.empty((0, 28, 28), dtype=np.uint8)
    assert parse_idx(idx(empty), 3, "images").shape == (0, 28, 28)


@given(place=st.integers(0, 15), new=st.integers(0, 255), count=st.integers(0, 2))
def test_a_wrong_byte_in_the_header_is_never_read_as_something_else(place: int, new: int, count: int) -> None:
    content = bytearray(idx(IMAGES[:count]))
    changed = content[place] != new
    content[place] = new
    try:
        shape = parse_idx(bytes(content), 3, "images").shape
    except DataError as error:
        assert changed
        assert "\n" not in str(error)
    else:
        assert not changed or count == 0  # no image has any size it says
        assert shape[0] * shape[1] * shape[2] == 12 * count


@pytest.mark.parametrize("packed", [False, True])
def test_packed_or_not(tmp_path: Path, packed: bool) -> None:
    content = idx(IMAGES)
    (tmp_path / "images").write_bytes(gzip.compress(content) if packed else content)
    assert np.array_equal(read_idx(tmp_path / "images", 3, len(content)), IMAGES)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "too short"),
        (b"\0\0\x08", "too short"),
        (b"\1" + idx(IMAGES)[1:], "wrong magic number"),
        (b"\0\0\x0d\x03" + idx(IMAGES)[4:], "wrong magic number"),
        (idx(IMAGES.reshape(6, 4)) + bytes(8), "wrong magic number"),
        (idx(IMAGES)[:-1], "need 40 bytes"),
        (idx(IMAGES) + b"\0", "need 40 bytes"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "dimensions too large for an array"),
        (b"\0\0\x08\x03" + bytes(4) + b"\xff" * 8, "dimensions too large for an array"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(DataError, match=text) as caught:
        read_idx(tmp_path / "images", 3, 1_000_000)
    assert str(tmp_path / "images") in str(caught.value)
    assert "\n" not in str(caught.value)


@given(place=st.integers(0, 10_000), new=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_packing_is_never_read_as_something_else(
    tmp_path_factory: pytest.TempPathFactory, place: int, new: int, cut: bool
) -> None:
    content = idx(IMAGES)
    packed = bytearray(gzip.compress(content, mtime=0))
    place %= len(packed)
    packed = packed[:place] if cut else packed[:place] + bytes([new]) + packed[place + 1 :]
    path = tmp_path_factory.mktemp("idx") / "images"
    path.write_bytes(bytes(packed))
    try:
        assert np.array_equal(read_idx(path, 3, len(content)), IMAGES)
    except DataError as error:
        assert str(path) in str(error)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(gzip.compress(bytes(50_000_000)))
    with pytest.raises(DataError, match="larger than the 1,000 bytes"):
        read_idx(tmp_path / "images", 3, 1_000)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nothing-here"):
        read_idx(tmp_path / "nothing-here", 3, 1_000)
