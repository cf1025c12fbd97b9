"""Limit on how much larger than a compressed file its content may be."""

from __future__ import annotations

from polytask.errors import DataError

MAX_EXPANSION = 100
"""Largest number of bytes that a byte of a compressed file may expand to; tables of numbers and texts reach 3 to 20."""
MIN_EXPANDED = 2**26
"""Number of bytes of content up to which any expansion is accepted."""


def check_expansion(taken: int, held: int, where: str) -> None:
    """Refuse a compressed file whose content is so much larger than the file that it can only fill the memory.

    Args:
        taken: Number of bytes of the content so far.
        held: Number of bytes of the file that they come from.
        where: File, for the message.

    Raises:
        DataError: There is much content, and it is more than `MAX_EXPANSION` times as long as the bytes that it comes from.
    """
    if taken > MIN_EXPANDED and taken > MAX_EXPANSION * held:
        found = f"{taken} bytes from {held}"
        remedy = "If this size is intended, decompress the file first"
        raise DataError(f"the file expands to more than {MAX_EXPANSION} times its size", where=where, found=found, remedy=remedy)
