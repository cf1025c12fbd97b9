"""Files whose columns have types: Parquet, Arrow and lines of JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import pyarrow as pa
from pyarrow import ipc, json, parquet

from polytask.data.reading.text.expansion import check_expansion

BATCH_ROWS = 65_536


@final
@dataclass(frozen=True)
class TypedContent:
    """Content of a file whose columns have types.

    Attributes:
        schema: Names and types of the columns.
        rows: Number of rows.
        size: Number of bytes of the content as far as the file says it, or as it is in memory.
        batches: Function that yields the rows of the named columns, block by block.
    """

    schema: Any
    rows: int
    size: int
    batches: Callable[[Sequence[str]], Iterator[Any]]


def parquet_content(path: Path, most_bytes: int) -> TypedContent:
    """Open a Parquet file, of which only the end is read."""
    del most_bytes
    with parquet.ParquetFile(path) as file:
        schema, metadata = file.schema_arrow, file.metadata

    def batches(names: Sequence[str]) -> Iterator[Any]:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=list(names))

    size = sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))
    return TypedContent(schema, metadata.num_rows, size, batches)


def arrow_content(path: Path, most_bytes: int) -> TypedContent:
    """Open an Arrow file (Feather, version 2), block by block, so that a small file cannot fill the memory."""
    rows = size = 0
    with pa.OSFile(str(path)) as raw, ipc.open_file(raw) as file:
        schema = file.schema
        for number in range(file.num_record_batches):
            block = file.get_batch(number)
            rows, size = rows + block.num_rows, size + block.nbytes
            if size > most_bytes:
                break
            check_expansion(size, path.stat().st_size, str(path))

    def batches(names: Sequence[str]) -> Iterator[Any]:
        with pa.OSFile(str(path)) as raw, ipc.open_file(raw) as file:
            for number in range(file.num_record_batches):
                yield file.get_batch(number).select(list(names))

    return TypedContent(schema, rows, size, batches)


def json_content(path: Path, most_bytes: int) -> TypedContent:
    """Read a file with one JSON object per line, which has no types of its own, whole."""
    if path.stat().st_size > most_bytes:
        return TypedContent(pa.schema([]), 0, path.stat().st_size, lambda names: iter(()))
    # pyarrow refuses lines that are longer than a block, so the file is one.
    options = json.ReadOptions(use_threads=False, block_size=max(1, min(path.stat().st_size + 1, 2**31 - 1)))
    table = json.read_json(str(path), read_options=options)
    return TypedContent(table.schema, table.num_rows, 0, lambda names: iter(table.select(list(names)).to_batches(BATCH_ROWS)))


CONTENTS: Mapping[str, Callable[[Path, int], TypedContent]] = MappingProxyType(
    {".parquet": parquet_content, ".feather": arrow_content, ".arrow": arrow_content, ".jsonl": json_content, ".ndjson": json_content}
)
"""Function that opens a file with each ending; its arguments are the path and the largest number of bytes."""
