"""Memory of a network's own for all its parameters and buffers."""

from __future__ import annotations

import torch
from torch import Tensor, UntypedStorage, nn
from torch.nn.parameter import is_lazy

Copies = dict[tuple[int, int], UntypedStorage]


def take_own_memory(module: nn.Module) -> None:
    """Copy the memory of all parameters and buffers, so that nothing outside the module shares it.

    `nn.Parameter(matrix)` and `nn.Embedding.from_pretrained(matrix, freeze=False)` use the memory of the matrix: training one network would
    change the start of all others. Parameters stay the same objects, and tensors that share memory within the module still do.

    Args:
        module: Module that a user's function has made.

    Example:
        >>> matrix = torch.zeros(1, 2)
        >>> module = nn.Linear(2, 1)
        >>> module.weight = nn.Parameter(matrix)
        >>> take_own_memory(module)
        >>> _ = module.weight.data.add_(1)
        >>> matrix
        tensor([[0., 0.]])
    """
    copies: Copies = {}
    for parameter in module.parameters():
        if not is_lazy(parameter):
            parameter.data = _copied(parameter.data, copies)
    for part in module.modules():
        for name, buffer in part._buffers.items():
            # A buffer may be one object in several networks: it becomes another one, as in `module.to`.
            if buffer is not None and not is_lazy(buffer):
                part._buffers[name] = _copied(buffer.detach(), copies)


def _copied(tensor: Tensor, copies: Copies) -> Tensor:
    """Return a copy of a tensor with the same strides, in the copy of its whole memory, which is made once."""
    if type(tensor) is not Tensor or tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return tensor.clone()
    storage = tensor.untyped_storage()
    key = storage.data_ptr(), storage.nbytes()
    if key not in copies:
        copies[key] = storage.clone()  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=tensor.dtype).set_(copies[key], tensor.storage_offset(), tensor.shape, tensor.stride())
