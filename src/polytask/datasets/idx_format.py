"""Reading IDX files: the format of MNIST and its relatives.

An IDX file begins with two zero bytes, the type of its entries (8: unsigned bytes), the number of dimensions, and each
dimension as a 32-bit big-endian number; the entries follow in C order.
"""

from __future__ import annotations

import gzip
import math
import sys
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polytask.errors import DataError
from polytask.storage import storage_errors

UNSIGNED_BYTE = 8
REMEDY = "Delete it and fetch it again"


def read_idx(path: Path, dimensions: int, max_bytes: int) -> NDArray[np.uint8]:
    """The array of an IDX file of unsigned bytes, packed with gzip or not.

    Args:
        path: The file; what its name ends in does not matter.
        dimensions: How many the array must have: 1 for labels, 3 for images.
        max_bytes: The largest content that is read; a file that unpacks to more is refused.

    Raises:
        DataError: Wrong magic number, type, number of dimensions or length; damaged packing; too large.
        StorageError: The file cannot be read.
    """
    return parse_idx(read_decompressed(path, max_bytes), dimensions, str(path))


def parse_idx(content: bytes, dimensions: int, where: str) -> NDArray[np.uint8]:
    """The array in the bytes of an IDX file.

    Raises:
        DataError: As `read_idx`.

    Example:
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), 1, "labels").tolist()
        [7, 9]
    """
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise DataError("too short for the header of an IDX file", where=where, found=f"{len(content)} bytes", remedy=REMEDY)
    if content[:3] != bytes([0, 0, UNSIGNED_BYTE]) or content[3] != dimensions:
        expected = f"0x{bytes([0, 0, UNSIGNED_BYTE, dimensions]).hex()}"
        raise DataError(f"wrong magic number: {expected} is expected", where=where, found=f"0x{content[:4].hex()}", remedy=REMEDY)
    sizes = [int.from_bytes(content[start : start + 4], "big") for start in range(4, header, 4)]
    entries = math.prod(sizes)
    if math.prod(size or 1 for size in sizes) > sys.maxsize:  # beside a zero, sizes that NumPy refuses would look right
        raise DataError("sizes that no array has", where=where, found=" x ".join(map(str, sizes)), remedy=REMEDY)
    if len(content) != header + entries:
        rule = f"{' x '.join(map(str, sizes))} entries need {header + entries:,} bytes"
        raise DataError(rule, where=where, found=f"{len(content):,}", remedy=REMEDY)
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(sizes).copy()


def read_decompressed(path: Path, max_bytes: int) -> bytes:
    """The content of a file, unpacked if it is packed with gzip.

    Raises:
        DataError: The packing is damaged, or the content is larger than `max_bytes`.
        StorageError: The file cannot be read.
    """
    with storage_errors(path), path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            content = gzip.GzipFile(fileobj=raw).read(max_bytes + 1) if packed else raw.read(max_bytes + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError("the packing is damaged", where=str(path), found=error, remedy=REMEDY) from None
    if len(content) > max_bytes:
        raise DataError(f"larger than the {max_bytes:,} bytes that belong there", where=str(path), remedy=REMEDY)
    return content
