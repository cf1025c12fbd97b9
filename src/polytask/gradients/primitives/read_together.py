"""Copies of tensors of an accelerator to the CPU, as few as possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from polytask.devices import CPU, NO_FLOAT64


def read_together(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the tensors in float64 on the CPU, which waits once for their device and not once for each of them.

    Args:
        tensors: At least one tensor, of any shapes and real dtypes; those on the CPU are copied to the device of the others before.

    Example:
        >>> read_together([torch.ones(2), torch.tensor(3.0)])
        [tensor([1., 1.], dtype=torch.float64), tensor(3., dtype=torch.float64)]
    """
    if all(tensor.device == CPU for tensor in tensors):
        return [tensor.detach().double() for tensor in tensors]
    device = next(tensor.device for tensor in tensors if tensor.device != CPU)
    exact = torch.float32 if device.type in NO_FLOAT64 else torch.float64
    joined = torch.cat([tensor.detach().reshape(-1).to(device, exact, non_blocking=True) for tensor in tensors]).cpu().double()
    parts = torch.split(joined, [tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


class DeviceReader:
    """Copies of numbers of one step to the CPU: the first copy takes along all that the step has to know of its device.

    Args:
        wanted: Tensors that the step has to know, at least one.
        judge: Function that is called once with their values, and raises an error if the step cannot go on with them.

    Attributes:
        pending: Whether nothing has been copied yet.

    Example:
        >>> reader = DeviceReader([torch.tensor(2.0)], print)
        >>> reader.read([torch.tensor(3.0)])
        [tensor(2., dtype=torch.float64)]
        [tensor(3., dtype=torch.float64)]
    """

    def __init__(self, wanted: Sequence[Tensor], judge: Callable[[Sequence[Tensor]], object]) -> None:
        self._wanted, self._judge, self.pending = tuple(wanted), judge, True

    def read(self, tensors: Sequence[Tensor] = ()) -> list[Tensor]:
        """Return the tensors in float64 on the CPU, after the step has judged what it wanted to know."""
        if not self.pending:
            return read_together(tensors) if tensors else []
        self.pending = False
        found = read_together([*self._wanted, *tensors])
        self._judge(found[: len(self._wanted)])
        return found[len(self._wanted) :]
