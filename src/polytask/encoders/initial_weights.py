"""Initial values of a network: random, or loaded from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from polytask.errors import ConfigError, StorageError

Initializer = Callable[[Tensor, torch.Generator], object]


def _glorot(weight: Tensor, generator: torch.Generator) -> Tensor:
    return nn.init.xavier_uniform_(weight, generator=generator)


def _he(weight: Tensor, generator: torch.Generator) -> Tensor:
    return nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


INITIALIZERS: Mapping[str, Initializer] = {"glorot": _glorot, "he": _he}
INITIALIZATIONS = ("framework", *INITIALIZERS)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed PyTorch's global random generator of the CPU in the block, and restore it afterwards."""
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed all devices, which this fork does not restore
        yield


def initialize(module: nn.Module, scheme: str, seed: int) -> None:
    """Initialize the parameters of a module from a random stream with a given seed.

    * `framework`: the defaults of PyTorch's layers (He uniform with a = √5).
    * `glorot`: weights uniform in ±√(6 / (fan_in + fan_out)) (Glorot & Bengio, AISTATS 2010, eq. 16), biases 0.
    * `he`: weights normal with variance 2 / fan_in (He et al., ICCV 2015, eq. 10), biases 0.

    Modules with `has_own_initialization` use their `reset_parameters` under every scheme, and modules with `keeps_pretrained_weights`
    keep their values. Under `glorot` and `he`, vectors other than biases (scales of normalization layers) start as under `framework`.

    Raises:
        ConfigError: The scheme is unknown.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> initialize(layer, "he", seed=0)
        >>> layer.bias.tolist()
        [0.0, 0.0]
    """
    if scheme not in INITIALIZATIONS:
        raise ConfigError("unknown initialization", where=scheme, remedy=f"Choose from: {', '.join(INITIALIZATIONS)}")
    with seeded(seed):
        # An attention layer resets private parameters, and the bias of its last layer, which is a module of its own: it comes after that.
        for name in ("reset_parameters", "_reset_parameters"):
            for layer in _modules_to_initialize(module):
                if callable(reset := getattr(layer, name, None)):
                    reset()
    if scheme != "framework":
        _initialize_parameters(module, INITIALIZERS[scheme], torch.Generator().manual_seed(seed))
    _reset_self_initialized(module, seed)


def _modules_to_initialize(module: nn.Module) -> list[nn.Module]:
    """Return the modules to initialize: all except those with pretrained weights."""
    return [layer for layer in module.modules() if not getattr(layer, "keeps_pretrained_weights", False)]


def _reset_self_initialized(module: nn.Module, seed: int) -> None:
    """Reset modules whose initial values are part of their definition (`has_own_initialization`), such as an identity or zeros."""
    with seeded(seed):
        for part in _modules_to_initialize(module):
            if getattr(part, "has_own_initialization", False):
                cast("Callable[[], None]", part.reset_parameters)()


def _initialize_parameters(module: nn.Module, filler: Initializer, generator: torch.Generator) -> None:
    """Fill matrices and kernels with `filler`, and biases with zeros."""
    drawn = {id(parameter) for layer in _modules_to_initialize(module) for parameter in layer.parameters(recurse=False)}
    for name, parameter in module.named_parameters():
        if id(parameter) not in drawn:
            continue
        if parameter.dim() >= 2 and parameter.numel():
            filler(parameter.data, generator)
        elif name.rpartition(".")[2] == "bias":
            nn.init.zeros_(parameter)


@dataclass(frozen=True)
class LoadedWeights:
    """Result of loading a weights file into a module.

    Attributes:
        loaded: Names of the parameters and buffers that were loaded.
        missing: Names in the module that are not in the file.
        unexpected: Names in the file that are not in the module.
        mismatched: Names in both with different shapes, as `name: file's shape, module's shape`.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]

    def __str__(self) -> str:
        parts = {"not in the file": self.missing, "not in the network": self.unexpected, "of another shape": self.mismatched}
        rest = "; ".join(f"{what}: {_first(names)}" for what, names in parts.items() if names)
        return f"{len(self.loaded)} tensors loaded" + (f"; {rest}" if rest else "")


MAX_NAMES_SHOWN = 5
"""Number of names that a message lists; the others are only counted."""


def _first(names: Sequence[str]) -> str:
    """List the first names, and the number of the others."""
    return ", ".join(names[:MAX_NAMES_SHOWN]) + (f" and {len(names) - MAX_NAMES_SHOWN} more" if len(names) > MAX_NAMES_SHOWN else "")


def load_weights(module: nn.Module, path: str | Path) -> LoadedWeights:
    """Load what matches by name and shape from a safetensors file, and report what did not.

    Names in the file may begin with the name of a larger model (`bert.`, `module.`); this prefix is removed. If no name matches, they may
    be names within a part of the module: the prefix with which most of them match is added.

    Raises:
        StorageError: The file does not exist, or is not a safetensors file.
        ConfigError: No tensor in the file matches.
    """
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise StorageError("weights cannot be read", where=str(path), found=error, remedy="Give a safetensors file") from None
    own = module.state_dict()
    found = _add_common_prefix(_strip_common_prefix(found, own), own)
    fits = {name: tensor for name, tensor in found.items() if name in own and tensor.shape == own[name].shape}
    matched = LoadedWeights(
        loaded=tuple(sorted(fits)),
        missing=tuple(sorted(own.keys() - found.keys())),
        unexpected=tuple(sorted(found.keys() - own.keys())),
        mismatched=tuple(f"{n}: {list(found[n].shape)}, {list(own[n].shape)}" for n in sorted(own.keys() & found.keys() - fits.keys())),
    )
    if not fits:
        raise ConfigError("no tensor in the file matches the network", where=str(path), found=str(matched))
    module.load_state_dict(fits, strict=False)
    return matched


def _strip_common_prefix(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Remove the prefix from the names of tensors without which most of them match names in the module."""
    beginnings = {name.removesuffix(known) for name in found for known in own if name.endswith(f".{known}")}
    best = max(["", *sorted(beginnings)], key=lambda beginning: sum(f"{beginning}{known}" in found for known in own))
    return {name.removeprefix(best): tensor for name, tensor in found.items()}


def _add_common_prefix(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add the prefix to the names of tensors with which most of them match names in the module, if none matches without it."""
    if not own.keys().isdisjoint(found):
        return dict(found)
    beginnings = {known.removesuffix(name) for name in found for known in own if known.endswith(f".{name}")}
    best = max(["", *sorted(beginnings)], key=lambda beginning: sum(f"{beginning}{name}" in own for name in found))
    return {f"{best}{name}": tensor for name, tensor in found.items()}


def match_parameters(module: nn.Module, prefixes: Sequence[str]) -> list[str]:
    """Return the names of the parameters that equal one of the prefixes, or lie in the module of that name.

    Raises:
        ConfigError: A prefix matches no parameter.
    """
    names = [name for name, _ in module.named_parameters()]
    found: list[str] = []
    for part in prefixes:
        chosen = [name for name in names if name == part or name.startswith(f"{part}.")]
        if not chosen:
            known = ", ".join(dict.fromkeys(name.rpartition(".")[0] for name in names))
            raise ConfigError("no parameter has that name", where=part, remedy=f"Choose from: {known}")
        found.extend(chosen)
    return found


def freeze(module: nn.Module, prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """Freeze the parameters whose names begin with one of `prefixes`, and return their names.

    Raises:
        ConfigError: A prefix matches no parameter.

    Example:
        >>> freeze(nn.Sequential(nn.Linear(1, 1), nn.ReLU()), ("0",))
        ('0.weight', '0.bias')
    """
    frozen = match_parameters(module, prefixes)
    for name, parameter in module.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)  # noqa: FBT003 - PyTorch's signature
    return tuple(dict.fromkeys(frozen))
