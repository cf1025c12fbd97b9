"""Context managers for the modes of modules: training and evaluation."""

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


@contextmanager
def training_mode(module: nn.Module) -> Iterator[None]:
    """Put a module and all its submodules into training mode, and restore the modes of all of them on exit.

    Example:
        >>> module = nn.Dropout().eval()
        >>> with training_mode(module):
        ...     module.training
        True
        >>> module.training
        False
    """
    with training_modes(module):
        module.train()
        yield


@contextmanager
def training_modes(module: nn.Module) -> Iterator[None]:
    """Restore the mode of every submodule on exit, also after an error.

    Args:
        module: Module whose modes may be changed in the block.

    Example:
        >>> module = nn.Sequential(nn.Dropout().eval(), nn.Dropout())
        >>> with training_modes(module):
        ...     _ = module.train()
        >>> [part.training for part in module]
        [False, True]
    """
    modes = {part: part.training for part in module.modules()}
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
