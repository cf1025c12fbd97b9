"""Precision, threads and memory: choices that depend on the machine, made once per run and recorded."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import torch
from torch import nn

from polytask.architectures import Network
from polytask.data.input_entries import Inputs
from polytask.devices import CPU

NUMBERS_OF_A_REGISTER = 16


@dataclass(frozen=True)
class Precision:
    """Numeric type and memory layout of the forward and backward pass; losses, metrics and balancers use float32 or better.

    Attributes:
        name: `float32`, `bfloat16` or `float16`; `float64` is for prediction with networks of that type.
        channels_last: Whether weights and images use the `channels_last` memory format.
        device: Device on which the network is.
    """

    name: str
    channels_last: bool
    device: torch.device = field(default=CPU, repr=False)

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Run the forward pass inside in this precision."""
        dtype = _AUTOCAST.get(self.name)
        if dtype is None:
            yield
        else:
            with torch.autocast(self.device.type, dtype=dtype):
                yield

    def format_model(self, model: nn.Module) -> nn.Module:
        """Return the network on the device, with its weights in the memory format."""
        if self.device.type != "cpu":
            model = model.to(self.device)
        return model.to(memory_format=torch.channels_last) if self.channels_last else model  # type: ignore[call-overload]

    def format_inputs(self, inputs: Inputs) -> Inputs:
        """Return inputs in the memory format and type of the network. Images of one channel are already in both formats."""
        if isinstance(inputs, dict):
            return {name: self.format_inputs(entry) for name, entry in inputs.items()}
        if self.channels_last and inputs.dim() == 4 and inputs.shape[1] > 1:
            return inputs.contiguous(memory_format=torch.channels_last)
        return inputs.double() if self.name == "float64" and inputs.is_floating_point() else inputs


def has_native_bfloat16() -> bool:
    """Return whether the processor has native instructions for products of bfloat16 numbers."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older releases of torch lack the function
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


_AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_precision(model: nn.Module, requested: str, device: torch.device = CPU) -> Precision:
    """Choose the precision and memory layout for a network.

    Args:
        model: Network to train.
        requested: Name of the precision. `auto` is bfloat16 for networks with convolutions on processors with native bfloat16, otherwise
            float32, which it also is on every accelerator.
        device: Device on which the network will be.

    Example:
        >>> choose_precision(nn.Linear(1, 1), "auto")
        Precision(name='float32', channels_last=False)
    """
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    automatic = "bfloat16" if convolutions and device.type == "cpu" and has_native_bfloat16() else "float32"
    format_inputs = bool(convolutions) and not any(map(_needs_channels_first, convolutions))
    if isinstance(model, Network):
        format_inputs = format_inputs and model.accepts_channels_last()
    return Precision(automatic if requested == "auto" else requested, channels_last=format_inputs, device=device)


def _needs_channels_first(layer: nn.Conv2d) -> bool:
    """Return whether oneDNN's weight gradient of a convolution may write out of bounds with channels last.

    It does so for strided 1×1 convolutions with fewer input channels than a vector register has elements, which is up to 16
    (https://github.com/uxlfoundation/oneDNN/issues/6035).
    """
    pointwise = max(layer.kernel_size) == 1
    return pointwise and max(layer.stride) > 1 and layer.in_channels // layer.groups < NUMBERS_OF_A_REGISTER


def available_cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_thread_count(run_step: Callable[[], object], *, workers: int, repeats: int = 5) -> int:
    """Choose the number of threads per worker process: one, or an equal share of the cores.

    A step on c threads is timed against one on a single thread. A single thread is chosen unless c threads make the step at least a tenth
    faster: small steps, and steps on busy machines, run faster on one thread.

    Args:
        run_step: Function that runs one training step.
        workers: Number of worker processes that train at the same time.
        repeats: Number of timed steps per candidate; their median is compared.
    """
    share = max(1, available_cores() // workers)
    if share == 1:
        return 1
    seconds = {count: _median_seconds(run_step, count, repeats) for count in (1, share)}
    return share if seconds[share] < 0.9 * seconds[1] else 1


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Set the number of PyTorch's CPU threads inside the context and restore it afterwards; `None` keeps the current number."""
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
    """Largest resident memory of this process over all samples, in bytes.

    The operating system's high-water mark of the process would include earlier jobs of the same worker.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.bytes = 0

    def sample(self) -> None:
        """Take a sample of the memory."""
        self.bytes = max(self.bytes, int(self._process.memory_info().rss))
