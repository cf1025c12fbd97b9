"""Named random streams that grow from one root seed.

A stream is keyed by the root seed and by what it is for (`initialization`, `shuffling`, `dropout`, `balancer`, a task's
or a source's name), through SHA-256. So adding a task changes no other task's stream, and nothing has to be
remembered to go on where a run stopped.
"""

from __future__ import annotations

import hashlib


def derive_seed(root_seed: int, *stream_name: str | int) -> int:
    """A 63-bit seed for the stream of that name: the first 8 bytes of SHA-256 over root and names, top bit cleared.

    Example:
        >>> derive_seed(0, "initialisation", "digit") == derive_seed(0, "initialisation", "digit")
        True
        >>> derive_seed(0, "initialisation", "digit") == derive_seed(0, "initialisation", "garment")
        False
    """
    # repr keeps ("a", "b") apart from ("a, b",) and 1 apart from "1".
    digest = hashlib.sha256(repr((int(root_seed), *stream_name)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
