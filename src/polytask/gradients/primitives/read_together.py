"""Copy of several tensors of an accelerator to the CPU in one go."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polytask.devices import NO_FLOAT64


def read_together(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the tensors in float64 on the CPU, which waits once for their device and not once for each of them.

    Args:
        tensors: At least one tensor, of any shapes and real dtypes; those on another device than the first are copied there before.

    Example:
        >>> read_together([torch.ones(2), torch.tensor(3.0)])
        [tensor([1., 1.], dtype=torch.float64), tensor(3., dtype=torch.float64)]
    """
    device = tensors[0].device
    exact = torch.float32 if device.type in NO_FLOAT64 else torch.float64
    joined = torch.cat([tensor.detach().reshape(-1).to(device, exact, non_blocking=True) for tensor in tensors]).cpu().double()
    parts = torch.split(joined, [tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
