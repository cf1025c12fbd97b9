"""Reader of IDX files, the format of MNIST and related data sets.

An IDX file begins with two zero bytes, the type of its entries (8 means unsigned bytes), the number of dimensions, and the size of each
dimension as a 32-bit big-endian integer; the entries follow in C order.
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
REMEDY = "Delete the file and download it again"


def read_idx(path: Path, dimensions: int, max_bytes: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, compressed with gzip or not.

    Args:
        path: Path of the file; its name does not matter.
        dimensions: Required number of dimensions: 1 for labels, 3 for images.
        max_bytes: Maximum size of the decompressed content in bytes.

    Raises:
        DataError: The magic number, type, number of dimensions or length is wrong, the compressed data are damaged, or the content is
            too large.
        StorageError: The file cannot be read.
    """
    return parse_idx(read_decompressed(path, max_bytes), dimensions, str(path))


def parse_idx(content: bytes, dimensions: int, where: str) -> NDArray[np.uint8]:
    """Parse the content of an IDX file of unsigned bytes.

    Args:
        content: Decompressed bytes of the file.
        dimensions: Required number of dimensions.
        where: Name of the file in messages.

    Raises:
        DataError: The magic number, type, number of dimensions or length is wrong.

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
    if math.prod(size or 1 for size in sizes) > sys.maxsize:  # ignore zeros: 0 entries would match any length, but NumPy rejects the sizes
        raise DataError("dimensions too large for an array", where=where, found=" x ".join(map(str, sizes)), remedy=REMEDY)
    if len(content) != header + entries:
        rule = f"{' x '.join(map(str, sizes))} entries need {header + entries:,} bytes"
        raise DataError(rule, where=where, found=f"{len(content):,}", remedy=REMEDY)
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(sizes).copy()


def read_decompressed(path: Path, max_bytes: int) -> bytes:
    """Read a file and decompress it if it is compressed with gzip.

    Args:
        path: Path of the file.
        max_bytes: Maximum size of the decompressed content in bytes.

    Raises:
        DataError: The compressed data are damaged, or the content is larger than `max_bytes`.
        StorageError: The file cannot be read.
    """
    with storage_errors(path), path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            content = gzip.GzipFile(fileobj=raw).read(max_bytes + 1) if packed else raw.read(max_bytes + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError("damaged gzip data", where=str(path), found=error, remedy=REMEDY) from None
    if len(content) > max_bytes:
        raise DataError(f"larger than the {max_bytes:,} bytes expected", where=str(path), remedy=REMEDY)
    return content
