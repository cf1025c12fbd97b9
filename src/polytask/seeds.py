"""Seeds of named random streams, derived from one root seed.

A stream's seed is the SHA-256 hash of the root seed and the stream's name: its purpose (`initialization`, `shuffling`,
`dropout`, `balancer`) and the name of a task or a source. Therefore adding a task changes no other task's stream, and
resuming a run needs no stored random state.
"""

from __future__ import annotations

import hashlib


def derive_seed(root_seed: int, *stream_name: str | int) -> int:
    """Return the 63-bit seed of a named random stream.

    It is the first 8 bytes of SHA-256 over the root seed and the names, shifted right by one bit.

    Args:
        root_seed: Seed of the whole run.
        *stream_name: Parts of the stream's name, such as its purpose and a task's name.

    Example:
        >>> derive_seed(0, "initialisation", "digit") == derive_seed(0, "initialisation", "digit")
        True
        >>> derive_seed(0, "initialisation", "digit") == derive_seed(0, "initialisation", "garment")
        False
    """
    # repr keeps ("a", "b") apart from ("a, b",) and 1 apart from "1".
    digest = hashlib.sha256(repr((int(root_seed), *stream_name)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
