"""Mixed precision is for forwards: what is computed from gradients keeps its own precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch

DEVICES = ("cpu", "cuda")


def precisions() -> dict[str, torch.dtype | None]:
    """Per kind of device what is cast to at present; None for nothing."""
    return {device: torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None for device in DEVICES}


@contextmanager
def casting(wanted: Mapping[str, torch.dtype | None]) -> Iterator[None]:
    """Cast as `precisions` found it. What is so already is left alone, which is most often everything."""
    present = precisions()
    with ExitStack() as stack:
        for device, dtype in wanted.items():
            if dtype != present[device]:
                stack.enter_context(torch.autocast(device, dtype=dtype, enabled=dtype is not None))
        yield


NOTHING: Mapping[str, torch.dtype | None] = dict.fromkeys(DEVICES)
