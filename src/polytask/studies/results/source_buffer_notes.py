"""Note on buffers that exist once per source, such as running statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def source_buffer_notes(facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence if networks keep buffers per source, from the recorded facts of all networks; no sentence otherwise.

    Example:
        >>> source_buffer_notes([{"source_buffers": ["digits", "garments"]}, {}])
        ['Running statistics, such as those of batch normalization, are kept per source where sources share a module (digits, garments).']
    """
    sources = dict.fromkeys(source for fact in facts for source in fact.get("source_buffers", ()))
    what = "Running statistics, such as those of batch normalization, are kept per source where sources share a module"
    return [f"{what} ({', '.join(sources)})."] if sources else []
