"""Objects of TorchJD by the names of their classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from polytask.errors import ConfigError, MissingExtraError
from polytask.registry import nearest


def object_named(name: str, options: Mapping[str, Any]) -> nn.Module:
    """Create an object of a class of `torchjd.aggregation` or `torchjd.scalarization`.

    If both modules have a class of this name, as for `Mean`, it is the aggregator.

    Args:
        name: Name of the class.
        options: Arguments of the class. A list of numbers becomes a tensor.

    Raises:
        MissingExtraError: TorchJD is not installed, or a package that this class needs.
        ConfigError: There is no such class, or it does not accept the arguments.

    Example:
        >>> object_named("PCD", {"tau": 0.1})
        PCD(tau=0.1, beta=0.999, eps=1e-08)
    """
    try:
        from torchjd import aggregation, scalarization
    except ImportError as error:
        raise MissingExtraError("TorchJD is needed", where="torchjd", found=error, remedy="pip install 'polytask[torchjd]'") from None
    classes = {found: getattr(module, found) for module in (scalarization, aggregation) for found in module.__all__}
    if name not in classes:
        raise ConfigError("unknown class of TorchJD", where="torchjd", found=repr(name), remedy=nearest(name, tuple(classes)))
    try:
        made: nn.Module = classes[name](**{option: _tensor(value) for option, value in options.items()})
    except ImportError as error:
        remedy = "Install the packages that it names, or choose polytask's own method of this name"
        raise MissingExtraError(
            "this class of TorchJD needs further packages", where=f"torchjd.{name}", found=error, remedy=remedy
        ) from None
    except (TypeError, ValueError) as error:
        raise ConfigError("TorchJD does not accept these arguments", where=f"torchjd.{name}", found=error) from None
    return made


def _tensor(value: Any) -> Any:  # noqa: ANN401 - an argument of any class
    numbers = isinstance(value, list | tuple) and value and all(isinstance(item, int | float) for item in value)
    return torch.tensor(value, dtype=torch.float64) if numbers else value
