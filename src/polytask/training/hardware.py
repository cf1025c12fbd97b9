"""What is measured, or depends on the machine: chosen once, recorded, and read back."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor, nn

NUMBERS_OF_A_REGISTER = 16


@dataclass(frozen=True)
class Precision:
    """The type of the forward and backward pass; losses, metrics and balancers stay in float32 or better.

    Attributes:
        name: `float32` or `bfloat16`; `float64` is for predicting with networks of that type.
        channels_last: Whether convolutions keep their images with channels last.
    """

    name: str
    channels_last: bool

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """The context of a forward pass."""
        if self.name != "bfloat16":
            yield
        else:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                yield

    def format_model(self, model: nn.Module) -> nn.Module:
        """The network with its weights in the layout."""
        return model.to(memory_format=torch.channels_last) if self.channels_last else model  # type: ignore[call-overload]

    def format_inputs(self, inputs: Tensor) -> Tensor:
        """Images in the layout; one channel is in both layouts at once."""
        if self.channels_last and inputs.dim() == 4 and inputs.shape[1] > 1:
            return inputs.contiguous(memory_format=torch.channels_last)
        return inputs.double() if self.name == "float64" and inputs.is_floating_point() else inputs


def has_native_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 by instructions of its own."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older releases of torch do not tell
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


def choose_precision(model: nn.Module, asked: str) -> Precision:
    """`auto`: bfloat16 for networks with convolutions where the processor has it; else float32.

    Example:
        >>> choose_precision(nn.Linear(1, 1), "auto")
        Precision(name='float32', channels_last=False)
    """
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    automatic = "bfloat16" if convolutions and has_native_bfloat16() else "float32"
    format_inputs = bool(convolutions) and not any(map(_needs_channels_first, convolutions))
    return Precision(automatic if asked == "auto" else asked, channels_last=format_inputs)


def _needs_channels_first(layer: nn.Conv2d) -> bool:
    """Whether oneDNN's gradient of the weights may write beyond its memory where channels are last.

    It does so for strided 1×1 convolutions with fewer input channels than a register has numbers: up to 16
    (https://github.com/uxlfoundation/oneDNN/issues/6035).
    """
    pointwise = max(layer.kernel_size) == 1
    return pointwise and max(layer.stride) > 1 and layer.in_channels // layer.groups < NUMBERS_OF_A_REGISTER


def available_cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_thread_count(run_step: Callable[[], object], *, workers: int, repeats: int = 5) -> int:
    """How many threads each of so many equal workers should have: one, or its share of the cores.

    One worker on c threads is timed against one on a single thread. A single thread is taken unless more threads make
    this very step faster by a tenth at least: steps too small to share, and busy machines, are faster alone.
    """
    share = max(1, available_cores() // workers)
    if share == 1:
        return 1
    seconds = {count: _median_seconds(run_step, count, repeats) for count in (1, share)}
    return share if seconds[share] < 0.9 * seconds[1] else 1


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """So many threads of the processor inside, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _median_seconds(step: Callable[[], object], count: int, repeats: int) -> float:
    with torch_threads(count):
        step()
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        return statistics.median(times)


class PeakMemory:
    """The largest memory of this process at the moments when it was asked, in bytes.

    The process's own high-water mark would hold what earlier jobs of the same worker needed.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.bytes = 0

    def sample(self) -> None:
        """Look now."""
        self.bytes = max(self.bytes, int(self._process.memory_info().rss))
