"""How the numbers of a network start: at random, or from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def initialize(module: nn.Module, scheme: str, seed: int) -> None:
    """Fill a module's parameters from a random stream of its own.

    * `framework`: what PyTorch's layers do by themselves (He uniform with a = √5).
    * `glorot`: weights uniform in ±√(6 / (fan_in + fan_out)) (Glorot & Bengio, AISTATS 2010, eq. 16), biases 0.
    * `he`: weights normal with variance 2 / fan_in (He et al., ICCV 2015, eq. 10), biases 0.

    Modules that say `has_own_initialization` start as their own `reset_parameters` says under all of them, and those that say
    `keeps_pretrained_weights`
    (pretrained ones) stay as they are. Under `glorot` and `he`, vectors that
    are no biases (scales of normalization layers) start as the framework does.

    Raises:
        ConfigError: There is no such initialization.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> initialize(layer, "he", seed=0)
        >>> layer.bias.tolist()
        [0.0, 0.0]
    """
    if scheme not in INITIALIZATIONS:
        raise ConfigError("unknown initialization", where=scheme, remedy=f"Choose from: {', '.join(INITIALIZATIONS)}")
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every device, and nothing restores those
        for layer in _modules_to_initialize(module):
            reset = getattr(layer, "reset_parameters", None)
            if callable(reset):
                reset()
    if scheme != "framework":
        _initialize_parameters(module, INITIALIZERS[scheme], torch.Generator().manual_seed(seed))
    _reset_self_initialized(module, seed)


def _modules_to_initialize(module: nn.Module) -> list[nn.Module]:
    """The modules whose numbers are drawn."""
    return [layer for layer in module.modules() if not getattr(layer, "keeps_pretrained_weights", False)]


def _reset_self_initialized(module: nn.Module, seed: int) -> None:
    """Modules whose start is part of what they are (`has_own_initialization`): an identity, a zero."""
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)
        for part in _modules_to_initialize(module):
            if getattr(part, "has_own_initialization", False):
                cast("Callable[[], None]", part.reset_parameters)()


def _initialize_parameters(module: nn.Module, filler: Initializer, generator: torch.Generator) -> None:
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
    """What a weights file and a module had in common.

    Attributes:
        loaded: Names of parameters and buffers that were loaded.
        missing: Names in the module that the file has not.
        unexpected: Names in the file that the module has not.
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
"""So many names are read in one line; the others are counted."""


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMES_SHOWN]) + (f" and {len(names) - MAX_NAMES_SHOWN} more" if len(names) > MAX_NAMES_SHOWN else "")


def load_weights(module: nn.Module, path: str | Path) -> LoadedWeights:
    """Load what matches by name and shape from a safetensors file, and report what did not.

    Names in the file may all begin with the name of a larger model (`bert.`, `module.`), which is left out.

    Raises:
        StorageError: The file is not there, or is no safetensors file.
        ConfigError: Nothing in it matches.
    """
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise StorageError("weights cannot be read", where=str(path), found=error, remedy="Give a safetensors file") from None
    own = module.state_dict()
    found = _strip_common_prefix(found, own)
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
    """The tensors without the beginning of their names with whose omission most of them are known."""
    beginnings = {name.removesuffix(known) for name in found for known in own if name.endswith(f".{known}")}
    best = max(["", *sorted(beginnings)], key=lambda beginning: sum(f"{beginning}{known}" in found for known in own))
    return {name.removeprefix(best): tensor for name, tensor in found.items()}


def match_parameters(module: nn.Module, prefixes: Sequence[str]) -> list[str]:
    """Names of the parameters that begin with one of the parts.

    Raises:
        ConfigError: A part names no parameter.
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
        ConfigError: A part names no parameter.

    Example:
        >>> freeze(nn.Sequential(nn.Linear(1, 1), nn.ReLU()), ("0",))
        ('0.weight', '0.bias')
    """
    frozen = match_parameters(module, prefixes)
    for name, parameter in module.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)  # noqa: FBT003 - that is its signature
    return tuple(dict.fromkeys(frozen))
