"""Rows as long as gradients that a balancer keeps from step to step."""

from __future__ import annotations

import torch
from torch import Tensor


def kept_row(rows: dict[str, Tensor], name: str, like: Tensor) -> Tensor:
    """Return the row that is kept under a name, on the device of another row; one of zeros if there is none yet.

    A state that is loaded is on the CPU, whatever the device on which it was saved.

    Args:
        rows: Kept rows (P,) by name, of which the returned one is an entry that may be changed in place.
        name: Name of the row, such as that of a task.
        like: Row (P,) with the shape, dtype and device.

    Example:
        >>> rows = {}
        >>> kept_row(rows, "a", torch.ones(2)).add_(1)
        tensor([1., 1.])
        >>> rows
        {'a': tensor([1., 1.])}
    """
    row = rows.get(name)
    if row is None or row.device != like.device:
        row = rows[name] = torch.zeros_like(like) if row is None else row.to(like.device)
    return row
