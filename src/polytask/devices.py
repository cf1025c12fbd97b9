"""Devices on which networks are trained and evaluated: names, availability, random generators, and what a run records of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from polytask.errors import ConfigError

CPU = torch.device("cpu")
AUTO = "auto"
NO_FLOAT64 = ("mps",)
"""Types of devices that have no numbers of 64 bits; what needs them is computed on the CPU."""

_COUNTS: Mapping[str, Callable[[], int]] = {
    "cpu": lambda: 1,
    "cuda": lambda: torch.cuda.device_count() if torch.cuda.is_available() else 0,
    "xpu": lambda: torch.xpu.device_count() if torch.xpu.is_available() else 0,
    "mps": lambda: int(torch.backends.mps.is_available()),
}
_ACCELERATORS = ("cuda", "xpu", "mps")
_BUILT: Mapping[str, Callable[[], bool]] = {
    "cuda": torch.backends.cuda.is_built,
    "mps": torch.backends.mps.is_built,
}


def resolve_device(given: str | torch.device, where: str = "device") -> torch.device:
    """Return the device that a name stands for, after checking that this machine has it.

    Args:
        given: `cpu`, `cuda`, `cuda:1`, `mps`, `xpu`, a device of PyTorch, or `auto`: the first accelerator, or the CPU if there is none.
        where: Argument that is named in the error message.

    Raises:
        ConfigError: The name is unknown, this build of PyTorch cannot use such a device, or the machine has none with this number.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
        >>> resolve_device("gpu")
        Traceback (most recent call last):
            ...
        polytask.errors.ConfigError: device: unknown device (found 'gpu'). Choose from: auto, cpu, cuda, xpu, mps.
    """
    if given == AUTO:
        return next((torch.device(kind, 0) for kind in _ACCELERATORS if _COUNTS[kind]()), CPU)
    device = _parsed(given, where)
    count = _COUNTS[device.type]()
    if device.type == "cpu":
        return CPU
    if not count:
        built = _BUILT.get(device.type, lambda: True)()
        what = f"this machine has no device {device.type}" if built else f"this build of PyTorch cannot use {device.type}"
        raise ConfigError(what, where=where, found=str(given), remedy="Choose cpu, or auto" if built else _build_remedy(device.type))
    number = device.index or 0
    if number >= count:
        known = ", ".join(f"{device.type}:{place}" for place in range(count))
        raise ConfigError("this machine has no such device", where=where, found=str(given), remedy=f"Choose from: {known}, cpu")
    return torch.device(device.type, number)


def _parsed(given: str | torch.device, where: str) -> torch.device:
    try:
        device = torch.device(given)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in _COUNTS:
        raise ConfigError("unknown device", where=where, found=repr(str(given)), remedy=f"Choose from: {', '.join((AUTO, *_COUNTS))}")
    return device


def _build_remedy(kind: str) -> str:
    return "Install a CUDA build of PyTorch, or choose cpu" if kind == "cuda" else "Choose cpu, or auto"


def stored_name(device: torch.device, given: str) -> str:
    """Return the name of a device in the files of a run: its type, and its number if it is given.

    Example:
        >>> stored_name(torch.device("cuda", 0), "auto"), stored_name(torch.device("cuda", 1), "cuda:1")
        ('cuda', 'cuda:1')
    """
    return str(device) if ":" in given else device.type


def worker_devices(device: torch.device, given: str) -> tuple[torch.device, ...]:
    """Return the devices among which the workers of a study are divided: all of a type that is given without a number, else one.

    Args:
        device: Resolved device.
        given: Name of the device as the user has written it.

    Example:
        >>> worker_devices(torch.device("cpu"), "auto")
        (device(type='cpu'),)
    """
    if device.type == "cpu" or ":" in given:
        return (device,)
    return tuple(torch.device(device.type, number) for number in range(max(1, _COUNTS[device.type]())))


def describe_device(device: torch.device) -> dict[str, str]:
    """Return the name of a device and the version of its driver as far as PyTorch tells them; nothing for the CPU but its type.

    Example:
        >>> describe_device(torch.device("cpu"))
        {'device': 'cpu'}
    """
    facts = {"device": str(device)}
    if device.type == "cuda" and torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(device)
        facts |= {"device_name": properties.name, "device_memory_gib": f"{properties.total_memory / 2**30:.1f}"}
        facts |= {"cuda_driver": _driver_version(), "cuda_runtime": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}  # type: ignore[no-untyped-call]
    return facts


def _driver_version() -> str:
    """Return the newest version of CUDA that the driver knows, such as 12.4."""
    major, rest = divmod(int(torch._C._cuda_getDriverVersion()), 1000)  # type: ignore[attr-defined]
    return f"{major}.{rest // 10}"


def memory_limit(device: torch.device) -> int | None:
    """Return the bytes that are free on a device; `None` where the number is not known, as for the CPU."""
    if device.type == "cuda" and torch.cuda.is_available():
        return int(torch.cuda.mem_get_info(device)[0])
    return None


def generator_of(device: torch.device) -> torch.Generator | None:
    """Return PyTorch's default generator of a device; `None` for one that draws with that of the CPU."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        return torch.cuda.default_generators[device.index or 0]
    if device.type == "xpu":
        torch.xpu.init()
        return torch.xpu.default_generators[device.index or 0]
    return torch.mps._get_default_mps_generator() if device.type == "mps" else None


def seed_generator(device: torch.device, seed: int) -> None:
    """Seed the default generator of an accelerator; those of others are unchanged."""
    own = generator_of(device)
    if own is not None:
        own.manual_seed(seed)


@contextmanager
def forked_generators(device: torch.device) -> Iterator[None]:
    """Restore the default generators of the CPU and of a device at the end of the block."""
    own = generator_of(device)
    state = None if own is None else own.get_state()
    with torch.random.fork_rng(devices=()):
        try:
            yield
        finally:
            if own is not None and state is not None:
                own.set_state(state)


@contextmanager
def reproducible_kernels(device: torch.device) -> Iterator[None]:
    """Use kernels of CUDA that repeat their results, and products of float32 numbers in full precision, within the block.

    Where CUDA has no such kernel, PyTorch warns and takes another one. Other devices have no such choice, and nothing changes for them.
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, cuBLAS may add up in another order each time
    places = [(torch.backends.cuda.matmul, "allow_tf32", False), (torch.backends.cudnn, "allow_tf32", False)]
    places += [(torch.backends.cudnn, "deterministic", True), (torch.backends.cudnn, "benchmark", False)]
    before = [getattr(place, name) for place, name, _ in places]
    chosen, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    for place, name, value in places:
        setattr(place, name, value)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(chosen, warn_only=warns)
        for (place, name, _), value in zip(places, before, strict=True):
            setattr(place, name, value)


def generator_states(device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the states of the default generators of the CPU and of a device, for `set_generator_states`."""
    own = generator_of(device)
    return torch.get_rng_state(), None if own is None else own.get_state()


def set_generator_states(device: torch.device, states: tuple[torch.Tensor, torch.Tensor | None]) -> None:
    """Restore what `generator_states` has returned."""
    torch.set_rng_state(states[0])
    own = generator_of(device)
    if own is not None and states[1] is not None:
        own.set_state(states[1])


def device_of(tensors: Any) -> torch.device:  # noqa: ANN401 - an iterable of tensors or a module
    """Return the device of the first tensor of an iterable, or of the first parameter of a module; the CPU if there is none.

    Example:
        >>> device_of([])
        device(type='cpu')
    """
    found = tensors.parameters() if isinstance(tensors, torch.nn.Module) else iter(tensors)
    first = next(found, None)
    return CPU if first is None else torch.device(first.device)
