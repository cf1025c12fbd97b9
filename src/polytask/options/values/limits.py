"""Largest values of options that size something, and checks that several commands share.

Beyond a limit, a process runs out of memory or time before it can say so.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from polytask.errors import ConfigError

MOST_THREADS = 256
"""Threads and processes; the first libraries end a process without a message if it cannot start as many."""
MOST_EPOCHS = 1_000_000
"""Epochs, and counts of epochs such as patience."""
MOST_ROWS = 2**31 - 1
"""Rows that are held or drawn at a time, and steps."""
MOST_PARTS = 65_536
"""Micro-batches of a step, trials of a study, tasks and networks: lists of this length are made before anything else is."""
MOST_SEEDS = 10_000
"""Seeds of a study, and numbers of them."""
MOST_FOLDS = 1_000
"""Folds of a cross-validation."""
MOST_BYTES = 2**50
"""Bytes of a file, and of a cell."""
MOST_COLUMNS = 1_000_000
"""Columns of a table."""

SeedCount = Annotated[int, Field(le=MOST_SEEDS)]
"""Number of seeds."""
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""Seed from which random streams are derived."""
Width = Annotated[int, Field(le=65_536)]
"""Width of a layer."""
MOST_LAYERS = 1_000
"""Hidden layers of a head."""


def expand_seeds(value: object) -> object:
    """Expand a number of seeds n into the seeds 0, …, n - 1; other values are returned unchanged.

    Raises:
        ConfigError: The number is larger than `MOST_SEEDS`.

    Example:
        >>> expand_seeds(3)
        (0, 1, 2)
    """
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if value > MOST_SEEDS:
        raise ConfigError(f"at most {MOST_SEEDS} seeds are possible", where="seeds", found=value)
    return tuple(range(value))


def check_several_seeds(seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Return seeds after checking that there are enough for a comparison, and that they differ.

    Raises:
        ValueError: There are fewer than two, or one is given twice.
    """
    if len(set(seeds)) < max(2, len(seeds)):
        raise ValueError("at least 2 different seeds are needed, and 3 for a reliable verdict")
    return seeds


def check_margins(margins: dict[str, float]) -> dict[str, float]:
    """Return margins after checking that each is a finite number above 0.

    Raises:
        ValueError: One is not.
    """
    if any(not 0 < margin < float("inf") for margin in margins.values()):
        raise ValueError("a margin must be a finite number above 0")
    return margins
