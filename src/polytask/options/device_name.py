"""Names of devices in configurations, which are checked without waiting for PyTorch."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from polytask.errors import ConfigError

DEVICE_NAMES = ("auto", "cpu", "cuda", "cuda:1", "xpu", "mps")
"""Names of devices, for messages."""
_FORM = re.compile(r"auto|cpu|mps|(cuda|xpu)(:\d+)?")


def device_written(given: Any) -> str:  # noqa: ANN401 - a name or a device of PyTorch
    """Return the name of a device, in the form that files store; whether the machine has it is checked where the run starts.

    Args:
        given: Name, or `torch.device`.

    Raises:
        ConfigError: There is no such kind of device.

    Example:
        >>> device_written("cuda:0")
        'cuda:0'
        >>> device_written("gpu")
        Traceback (most recent call last):
            ...
        polytask.errors.ConfigError: device: unknown device (found 'gpu'). Choose from: auto, cpu, cuda, cuda:1, xpu, mps.
    """
    name = str(given)
    if not _FORM.fullmatch(name):
        raise ConfigError("unknown device", where="device", found=repr(name), remedy=f"Choose from: {', '.join(DEVICE_NAMES)}")
    return name


DeviceName = Annotated[str, BeforeValidator(device_written)]
"""Name of a device; an object of PyTorch is stored as its name."""
