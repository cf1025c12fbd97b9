"""A module looks at something without dropout, and is then as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Inside, the module is in evaluation mode; afterwards, also after an error, in the mode that it came in.

    Args:
        module: Its parts take its mode, both inside and afterwards.

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
