"""Fingerprints of users' networks: a few outputs, by which other code with the same weights is told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

SAME_OUTPUTS = 1e-3
"""Relative difference up to which outputs are those of the same code; machines and memory formats round differently."""

Fingerprint = Mapping[str, Mapping[str, Sequence[float]]]
"""A few outputs by source and task."""


def changed_outputs(before: Fingerprint, now: Fingerprint) -> str:
    """Return what differs between two fingerprints, as a phrase; empty if nothing does.

    Args:
        before: Fingerprint that was stored; an empty one is like every other.
        now: Fingerprint of the present code.

    Example:
        >>> changed_outputs({"table": {"churn": [0.5, 2.0]}}, {"table": {"churn": [0.5, 2.5]}})
        'an output of churn that was 2 is 2.5'
        >>> changed_outputs({"table": {"churn": [0.5, 2.0]}}, {"table": {"churn": [0.5, 2.0001]}})
        ''
    """
    for source, outputs in before.items():
        for task, kept in outputs.items():
            found = now.get(source, {}).get(task, ())
            if len(found) != len(kept):
                return f"{len(found)} outputs of {task} that were {len(kept)}"
            limit = SAME_OUTPUTS * max(map(abs, kept), default=0.0)
            for one, other in zip(kept, found, strict=True):
                if not (abs(one - other) <= limit or (math.isnan(one) and math.isnan(other))):
                    return f"an output of {task} that was {one:.4g} is {other:.4g}"
    return ""
