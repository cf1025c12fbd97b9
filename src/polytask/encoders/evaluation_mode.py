"""Context manager for running a module in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode, and restore its previous mode on exit, also after an error.

    Args:
        module: Module to run; its submodules take the same mode as the module, both inside and afterwards.

    Example:
        >>> module = nn.Dropout()
        >>> with eval_mode(module):
        ...     module.training
        False
        >>> module.training
        True
    """
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
