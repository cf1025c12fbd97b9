"""Quote checking and row detection in the bytes of a CSV file, block by block."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

QUOTE, LINE_FEED, CARRIAGE_RETURN = b'"\n\r'


@final
class QuoteTracker:
    """Checker that every quote opens a cell, closes one, or is doubled inside one (RFC 4180).

    In well-formed text, quotes alternately open and close, where a doubled quote closes and opens again. So an opening quote follows a
    delimiter, a line end or a quote, and a closing quote is followed by one of these.

    Args:
        delimiter: Character between two cells.

    Attributes:
        open: Whether the text read so far ends inside a quoted cell.
        opened: Offset of the last opening quote, in bytes from the beginning of the text.

    Example:
        >>> quotes = QuoteTracker(",")
        >>> quotes.fault(b'1,"a ""b"",')
        >>> quotes.open, quotes.opened
        (True, 9)
        >>> quotes.fault(b'c"d')
        9
    """

    def __init__(self, delimiter: str) -> None:
        self.delimiter, self.open, self.opened = delimiter, False, 0
        self._borders = np.zeros(256, dtype=np.bool_)
        self._borders[[ord(delimiter), LINE_FEED, CARRIAGE_RETURN, QUOTE]] = True
        self._seen, self._last = 0, LINE_FEED
        self._closed = False  # the last block ended with a closing quote, so the next byte must be checked

    def fault(self, block: bytes) -> int | None:
        """Check the next block of the text.

        Args:
            block: Next bytes of the text.

        Returns:
            Offset of the cell with the first misplaced quote, in bytes from the beginning of the text; `None` if all quotes are valid.
        """
        if not block:
            return None
        found = self._first_fault(np.frombuffer(block, dtype=np.uint8)) if self._closed or b'"' in block else None
        self._seen, self._last = self._seen + len(block), block[-1]
        return found

    def _first_fault(self, data: NDArray[np.uint8]) -> int | None:
        if self._closed and not self._borders[data[0]]:
            return self.opened
        # Quotes alternate: from the first opening quote on, every second one opens and the others close.
        at = np.flatnonzero(data == QUOTE)
        opening, closing = at[int(self.open) :: 2], at[1 - int(self.open) :: 2]
        before = np.where(opening > 0, data[opening - 1], self._last)
        after = np.where(closing < len(data) - 1, data[np.minimum(closing + 1, len(data) - 1)], LINE_FEED)
        bad = [*opening[~self._borders[before]][:1]]
        for late in closing[~self._borders[after]][:1]:
            opened = opening[opening < late]
            bad.append(opened[-1] if len(opened) else self.opened - self._seen)
        if bad:
            return self._seen + int(min(bad))
        if len(opening):
            self.opened = self._seen + int(opening[-1])
        self.open ^= bool(len(at) % 2)
        self._closed = bool(len(closing)) and bool(closing[-1] == len(data) - 1)
        return None


def row_ends(block: bytes, inside: bool = False, last: int = LINE_FEED, blank: bool = False) -> NDArray[np.intp]:
    r"""Return the positions in a block at which rows end, which are line ends outside quotes.

    Args:
        block: Bytes of the text.
        inside: Whether the block begins inside a quoted cell.
        last: Byte before the block.
        blank: Whether empty lines count as rows.

    Returns:
        Ascending positions of the line ends in the block; of CR LF, that of CR.

    Example:
        >>> row_ends(b'a\r\n\r\n"b\nc"\n').tolist()
        [1, 10]
    """
    data = np.frombuffer(block, dtype=np.uint8)
    before: NDArray[Any] = np.concatenate(([np.uint8(last)], data[:-1]))
    ends = (data == CARRIAGE_RETURN) | ((data == LINE_FEED) & (before != CARRIAGE_RETURN))
    if not blank:
        ends &= (before != LINE_FEED) & (before != CARRIAGE_RETURN)
    if inside or b'"' in block:
        ends &= (np.cumsum(data == QUOTE) + inside) % 2 == 0
    return np.flatnonzero(ends)
