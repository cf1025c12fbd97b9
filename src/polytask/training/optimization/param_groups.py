"""Parameter groups with their learning rates, and gradual unfreezing of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from polytask.architectures import Network
from polytask.encoders.initial_weights import match_parameters
from polytask.errors import ConfigError
from polytask.options import TrainingOptions

TRUNK, TASK_PREFIX = "trunk", "task:"


def make_param_groups(model: Network, options: TrainingOptions) -> list[dict[str, Any]]:
    """Return the parameters that are trained now or after unfreezing, grouped by learning rate.

        lr_p = lr · decay^(K − 1 − k) · factor

    where p is in layer group k of the K layer groups of an encoder: its stem, then its stages, or the blocks of a transformer (Howard &
    Ruder, ACL 2018, section 3.2, use a decay of 1 / 2.6). Copies of a layer group that an architecture makes have the same rate; parameters
    outside encoders have no decay. The factor is that of the most specific matching entry of `lr_multipliers`: the longest prefix of the
    parameter's name, then `task:name` for parameters that only this task uses, then `trunk` for parameters that several tasks share.

    Raises:
        ConfigError: An entry of `lr_multipliers` or `unfreeze` matches no parameter, or rates decay in a network without layer groups.
    """
    later = {name for parts in options.unfreeze.values() for name in match_parameters(model, parts)}
    factors = _lr_multipliers(model, options.lr_multipliers)
    depths = _layers_above(model) if options.layer_decay != 1 else {}
    if options.layer_decay != 1 and not depths:
        raise ConfigError("this network has no layer groups", where="layer_decay", found=options.layer_decay, remedy="Use lr_multipliers")
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad or name in later:
            lr = options.lr * options.layer_decay ** depths.get(id(parameter), 0) * factors.get(name, 1.0)
            groups.setdefault(lr, []).append(parameter)
    return [{"params": parameters, "lr": lr} for lr, parameters in groups.items()]


def unfreeze_due(model: Network, unfreeze_at: Mapping[int, Sequence[str]], epoch: int) -> bool:
    """Unfreeze the parameters that are due in this epoch or before, and return whether any of them was frozen.

    Args:
        model: Network, changed in place.
        unfreeze_at: Per epoch, from 1, the parts of the network to unfreeze.
        epoch: Current epoch.
    """
    due = {name for start, parts in unfreeze_at.items() if start <= epoch for name in match_parameters(model, parts)}
    frozen = [p for name, p in model.named_parameters() if name in due and not p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)  # noqa: FBT003 - that is its signature
    return bool(frozen)


def _lr_multipliers(model: Network, given: Mapping[str, float]) -> dict[str, float]:
    """Return the factor of every parameter that has one, by the parameter's name."""
    factors: dict[str, float] = {}
    # From the least to the most specific entry: later ones override earlier ones.
    for part in sorted(given, key=lambda part: (part != TRUNK, not part.startswith(TASK_PREFIX), len(part))):
        for name in _matching_parameters(model, part):
            factors[name] = given[part]
    return factors


def _matching_parameters(model: Network, part: str) -> list[str]:
    if part != TRUNK and not part.startswith(TASK_PREFIX):
        return match_parameters(model, [part])
    named = (
        model.shared_parameters(trainable_only=False).values()
        if part == TRUNK
        else model.private_parameters(part.removeprefix(TASK_PREFIX))
    )
    own = {id(parameter) for parameter in named}
    return [name for name, parameter in model.named_parameters() if id(parameter) in own]


def _layers_above(model: Network) -> dict[int, int]:
    """Return, by the `id` of each parameter of an encoder, the number of layer groups after its own."""
    return {
        id(parameter): after
        for module in model.modules()
        if (after := getattr(module, "groups_after", None)) is not None
        for parameter in module.parameters(recurse=False)
    }
