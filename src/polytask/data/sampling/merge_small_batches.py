"""Steps without too few rows of a source, for networks in which the rows of a source are mixed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor


def with_minimum_rows(steps: Iterable[Mapping[str, Tensor]], least: int) -> Iterator[dict[str, Tensor]]:
    """Yield the steps of an epoch such that each has either no row of a source or at least `least`.

    Rows that are too few wait for the next step of the epoch that has rows of their source, and are left out of the epoch if there is
    none. A step that has no rows left is skipped. So the rows of an epoch remain a function of the seed and the epoch, and steps with
    enough rows of every source are unchanged.

    Args:
        steps: Row numbers (B,) by source, for each step of an epoch.
        least: Smallest number of rows of a source in a step.

    Example:
        >>> steps = [{"a": torch.arange(3), "b": torch.tensor([0])}, {"b": torch.tensor([1])}, {"a": torch.tensor([3])}]
        >>> [{source: rows.tolist() for source, rows in step.items()} for step in with_minimum_rows(steps, 2)]
        [{'a': [0, 1, 2]}, {'b': [0, 1]}]
    """
    waiting: dict[str, Tensor] = {}
    for step in steps:
        found: dict[str, Tensor] = {}
        for source, rows in step.items():
            joined = torch.cat([waiting.pop(source), rows]) if source in waiting else rows
            (found if len(joined) >= least else waiting)[source] = joined
        if found or not step:
            yield found
