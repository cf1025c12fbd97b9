"""Rows as long as gradients that a balancer keeps from step to step."""

from __future__ import annotations

import torch
from torch import Tensor

from polytask.errors import ConfigError


def kept_row(rows: dict[str, Tensor], name: str, like: Tensor) -> Tensor:
    """Return the row that is kept under a name, on the device of another row; one of zeros if there is none yet.

    It has at least the precision of float32: means of rows in bfloat16 neither stand still nor lose what is left where they cancel.
    A state that is loaded is on the CPU, whatever the device on which it was saved.

    Args:
        rows: Kept rows (P,) by name, of which the returned one is an entry that may be changed in place.
        name: Name of the row, such as that of a task.
        like: Row (P,) with the shape, dtype and device.

    Raises:
        ConfigError: The kept row has another shape: it belongs to other parameters.

    Example:
        >>> rows = {}
        >>> kept_row(rows, "a", torch.ones(2)).add_(1)
        tensor([1., 1.])
        >>> rows
        {'a': tensor([1., 1.])}
    """
    row = rows.get(name)
    dtype = torch.promote_types(like.dtype, torch.float32)
    if row is None:
        row = rows[name] = torch.zeros_like(like, dtype=dtype)
    elif row.shape != like.shape:
        what, found = "the state of the balancer must be that of these parameters", f"{row.numel()} numbers for {like.numel()} parameters"
        raise ConfigError(what, where=f"kept gradients, {name!r}", found=found, remedy="Load it into the network that it was saved with")
    elif row.device != like.device or row.dtype != dtype:
        row = rows[name] = row.to(like.device, dtype)
    return row
