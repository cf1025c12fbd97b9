"""Stream of a text file as UTF-8 that decompresses, decodes and checks the bytes as they are read."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn, cast, final

from polytask.data.reading.error_locations import BLOCK_BYTES, location
from polytask.data.reading.text.csv_quoting import LINE_FEED, QuoteTracker, row_ends
from polytask.data.reading.text.expansion import check_expansion
from polytask.data.reading.text.sheet_text import is_sheet, sheet_text
from polytask.errors import DataError, PolytaskError, StorageError, plain, shown
from polytask.options import ReadingOptions

# First bytes of files that are not text, their format, and what to do.
MAGIC_BYTES = (
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet", "Rename it to end in .zip, .xlsx or .ods"),
    (b"\xd0\xcf\x11\xe0", "an Excel file", "Rename it to end in .xls"),
    (b"PAR1", "a Parquet file", "Rename it to end in .parquet"),
    (b"ARROW1", "an Arrow file", "Rename it to end in .arrow"),
    (b"\x1f\x8b", "a gzip file", "Rename it to end in .csv.gz"),
    (b"%PDF", "a PDF file", "Save the table as CSV"),
    (b"<!doctype", "a web page", "Download the file itself"),
    (b"<html", "a web page", "Download the file itself"),
    (b"version https://git-lfs", "a Git LFS pointer", "Fetch the file itself with git lfs pull"),
)

SEPARATOR_LINE = re.compile(r'"?sep=([,;|\t])"?\r?\n', re.IGNORECASE)


def delimiter_of(path: Path, options: ReadingOptions) -> str:
    """Return the delimiter: as set in the options, or by default a tab for .tsv files and a comma for others."""
    return options.delimiter or ("\t" if path.name.lower().removesuffix(".gz").removesuffix(".zip").endswith(".tsv") else ",")


@final
class TextStream(io.RawIOBase):
    """Stream of a text file as UTF-8 without a byte order mark, read once from its beginning.

    Args:
        path: Path of the file; if its name ends in .gz or .zip, it is decompressed while it is read.
        options: Encoding, delimiter, and maximum number of bytes.
        lenient: Whether to replace invalid bytes and skip the checks, in order to count rows.

    Raises:
        DataError: Bytes are not text, a quote is misplaced, or the file is too large.
        StorageError: The file cannot be read.
    """

    def __init__(self, path: Path, options: ReadingOptions, lenient: bool = False) -> None:
        super().__init__()
        self.path, self.options = path, options
        self.quotes = QuoteTracker(delimiter_of(path, options))
        self.one_column = False
        self._lenient = lenient
        self._decoder = codecs.getincrementaldecoder(options.encoding)("replace" if lenient else "strict")
        self._file = _open_binary(path)
        try:
            self._raw = _decompressed(path, self._file, options)
        except PolytaskError:
            self._file.close()
            raise
        self._taken = self._seen = 0  # bytes read after decompression; bytes returned as UTF-8
        self._rest: bytes | None = b""

    def close(self) -> None:
        """Close the file."""
        self._raw.close()
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """Return True, as required by `io.RawIOBase`."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` of the next bytes as UTF-8; no bytes at the end of the file."""
        size = BLOCK_BYTES if size < 0 else size
        while self._rest == b"":
            self._rest = self._next_block(min(size, BLOCK_BYTES))
        if self._rest is None:
            return b""
        part, self._rest = self._rest[:size], self._rest[size:]
        return part

    def header(self) -> list[str]:
        """Return the cells of the first row; call it once, before `read`.

        Raises:
            DataError: The file is empty, or its first row cannot be parsed.
        """
        block = self.read(BLOCK_BYTES)
        if not block:
            raise DataError("an empty file", where=location(self.path), remedy="Name the columns in the first line")
        ends = row_ends(block)
        # Four bytes of any encoding yield at least one byte of UTF-8, so a shorter block is the whole text.
        if not len(ends) and len(block) >= BLOCK_BYTES // 4:
            raise DataError("the first line does not end", where=location(self.path, 0), found=f"{len(block)} bytes without a line end")
        if not len(ends):
            self.read(1)  # reach the end of the text, which raises an error for an unclosed quote
        end = int(ends[0]) if len(ends) else len(block)
        rest = block[end + 1 :]
        rest = rest[1:] if block[end : end + 1] == b"\r" and rest[:1] == b"\n" else rest
        self._rest = rest + (self._rest or b"")
        lines = io.StringIO(block[:end].decode("utf-8", "replace").lstrip("\r\n"), newline="")
        try:
            return next(csv.reader(lines, delimiter=self.quotes.delimiter, strict=True), [])
        except csv.Error as error:
            raise DataError("the header cannot be read", where=location(self.path, 0), found=str(error)) from None

    def row_blocks(self, size: int) -> Iterator[bytes]:
        """Yield the rest of the text in blocks of whole rows.

        Args:
            size: Number of bytes that are read at a time, and the largest number of bytes of a row.

        Raises:
            DataError: A row is longer, or the text is malformed.
        """
        rest, inside, last = b"", False, LINE_FEED
        while block := self.read(size):
            while block.endswith(b"\r") and (more := self.read(1)):  # CR LF is not torn apart
                block += more
            ends = row_ends(block, inside, last, blank=True)
            inside ^= bool(block.count(b'"') % 2)
            last = block[-1]
            if len(ends):
                end = int(ends[-1]) + (2 if block[ends[-1] :][:2] == b"\r\n" else 1)
                yield rest + block[:end]
                rest = block[end:]
            else:
                rest += block
            if len(rest) > size:
                row = self.row_of(self.quotes.opened) if self.quotes.open else None
                remedy = "Look for a quote that is not closed"
                raise DataError(f"a row of more than {size} bytes", where=location(self.path, row), remedy=remedy)
        if rest:
            yield rest

    def _next_block(self, size: int) -> bytes | None:
        raw = self._bytes(size)
        self._taken += len(raw)
        if self._taken > self.options.max_bytes:
            raise DataError(
                "the file is larger than is allowed",
                where=location(self.path),
                found=f"more than {self.options.max_bytes} bytes",
                remedy="Raise max_bytes (--set tables.NAME.max_bytes=…) if this size is intended",
            )
        if self._raw is not self._file and not is_sheet(self.path):
            check_expansion(self._taken, self._file.tell(), location(self.path))
        if self._taken == len(raw) and not self._lenient:
            self._check_beginning(raw)
        block = self._decoded(raw)
        if not self._lenient:
            self._check(block, final=not raw)
        self._seen += len(block)
        return block if raw or block else None

    def _bytes(self, size: int) -> bytes:
        try:
            return self._raw.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            kind = "ZIP" if isinstance(error, zipfile.BadZipFile) or self.path.suffix.lower() == ".zip" else "gzip"
            raise DataError(f"damaged {kind} data", where=location(self.path), found=str(error), remedy="Download the file again") from None
        except OSError as error:
            raise StorageError("the file cannot be read", where=location(self.path), found=error.strerror or str(error)) from None

    def _check_beginning(self, raw: bytes) -> None:
        for beginning, what, remedy in MAGIC_BYTES:
            if raw[: len(beginning)].lower() == beginning.lower():
                raise DataError("not a text file", where=location(self.path), found=what, remedy=remedy)

    def _decoded(self, raw: bytes) -> bytes:
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeError as error:
            good, bad = b"", ""
            if isinstance(error, UnicodeDecodeError):
                good = error.object[: error.start].decode(self.options.encoding, "replace").encode("utf-8", "replace")
                bad = f"the byte 0x{error.object[error.start]:02X}"
            self._refuse(
                f"not valid {self.options.encoding} text",
                self._seen + len(good),
                bad,
                'Set the encoding, as in encoding="cp1252" or "utf-16" (--encoding)',
            )
        if not self._seen:
            text = self._without_separator_line(text.removeprefix("\ufeff"))
        return text.encode("utf-8", "replace")

    def _without_separator_line(self, text: str) -> str:
        """Leave out a first line such as "sep=;", in which spreadsheets name the delimiter, and follow it unless the options have one."""
        found = SEPARATOR_LINE.match(text)
        if found is None:
            return text
        self.quotes = QuoteTracker(self.options.delimiter or found[1])
        return text[found.end() :]

    def _check(self, block: bytes, final: bool) -> None:
        nul = block.find(b"\0")
        if nul >= 0:
            self._refuse("a NUL byte in the text", self._seen + nul, "", "Save the table as UTF-8 text, or set its encoding")
        bad = self.quotes.fault(block)
        if bad is not None:
            self._refuse("a quote out of place", bad, "", "Quote the whole cell, and write a quote inside it twice")
        if final and self.quotes.open:
            self._refuse("a quote that is not closed", self.quotes.opened, "", "Close it")

    def _refuse(self, what: str, before: int, found: str, remedy: str) -> NoReturn:
        raise DataError(what, where=location(self.path, self.row_of(before)), found=found or None, remedy=remedy) from None

    def row_of(self, before: int) -> int:
        """Return the row (counted from 1 after the header; 0 is the header) of the byte at offset `before` of the UTF-8 text."""
        rows, inside, last = 0, False, LINE_FEED
        with TextStream(self.path, self.options, lenient=True) as text:
            while before > 0 and (block := text.read(BLOCK_BYTES)[:before]):
                rows += len(row_ends(block, inside, last, self.one_column))
                inside ^= bool(block.count(b'"') % 2)
                before, last = before - len(block), block[-1]
        return rows


def _open_binary(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise StorageError("the file cannot be opened", where=location(path), found=error.strerror or str(error)) from None


def _decompressed(path: Path, file: IO[bytes], options: ReadingOptions) -> IO[bytes]:
    """Return the content of a file, decompressed while it is read if the name of the file says that it is compressed.

    The content of a spreadsheet is the text of its cells, and its size is checked before.

    Raises:
        DataError: An archive does not hold exactly one file, or it cannot be read.
    """
    if is_sheet(path):
        return io.BytesIO(sheet_text(path, options))
    if path.name.lower().endswith(".gz"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if not path.name.lower().endswith(".zip"):
        return file
    try:
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        if len(names) == 1:
            return archive.open(names[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:  # damaged, or encrypted, or of another method
        raise DataError("the archive cannot be read", where=location(path), found=plain(error, 200), remedy="Unpack it first") from None
    archive.close()
    found = f"{len(names)} files" + (f": {', '.join(map(shown, names[:3]))}" if names else "")
    raise DataError("an archive must hold exactly one table", where=location(path), found=found, remedy="Unpack it first")
