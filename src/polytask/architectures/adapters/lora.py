"""One trunk for all tasks, with a low-rank update of its weights per task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.submodule_keys import module_key
from polytask.encoders import Encoder
from polytask.errors import ConfigError


class LowRankUpdate(nn.Module):
    """Update Δ = (s / r) B A in the shape of a weight, with A (r, inputs), B (outputs, r), and B = 0 at the start."""

    has_own_initialization = True

    def __init__(self, shape: torch.Size, rank: int, scale: float) -> None:
        super().__init__()
        self.shape, self.rank, self.scale = shape, rank, scale
        self.a = nn.Parameter(torch.empty(rank, shape[1:].numel()))
        self.b = nn.Parameter(torch.empty(shape[0], rank))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize A like a linear layer, and set B to 0."""
        if self.rank:
            nn.init.kaiming_uniform_(self.a, a=5**0.5)
        nn.init.zeros_(self.b)

    def forward(self) -> Tensor:
        """Compute Δ."""
        return (self.b @ self.a).view(self.shape) * (self.scale / max(self.rank, 1))


@final
class LoRA(Architecture):
    """Low-rank adaptation per task (Hu et al., ICLR 2022, section 4.1).

    Every weight W of the trunk's linear layers and convolutions becomes, for task t,

        W + (s / r) B_t A_t

    with B_t = 0 at the start, where it equals hard sharing; with a rank of 0 it stays so. The trunk may be frozen (`freeze`) or trained.

    Defaults: r = 4, s = r (paper, section 4.1: s is a constant in r).

    Deviations: the paper adapts the attention of transformers; here every weight with two dimensions or more is adapted, kernels of
    convolutions as matrices with one row per output channel.

    Args:
        encoder: Encoder that serves as the trunk.
        tasks: Names of the tasks.
        rank: Rank r of the updates, at least 0.
        scale: Scale s of the updates; `None` means r.

    Raises:
        ConfigError: The rank is negative, or the encoder has no weight to adapt.

    Example:
        >>> from polytask.encoders import MLP
        >>> LoRA(MLP((4,), hidden=(8,)), ("a", "b"), rank=2).width("a")
        8
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], rank: int = 4, scale: float | None = None) -> None:
        super().__init__(tasks, encoder)
        if rank < 0:
            raise ConfigError("`rank` must be at least 0", where="architecture 'lora'", found=rank)
        weights = {name: p.shape for name, p in encoder.named_parameters() if p.dim() >= 2}
        if not weights:
            raise ConfigError("the encoder has no weight to adapt", where="architecture 'lora'", found=type(encoder).__name__)
        self.encoder = encoder
        self.names = tuple(weights)
        size = float(rank if scale is None else scale)
        self.updates = nn.ModuleDict(
            {module_key(task): nn.ModuleList(LowRankUpdate(shape, rank, size) for shape in weights.values()) for task in self.tasks}
        )

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        del task
        return self.encoder.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield the encoder with the stream of hard sharing, and one stream per task."""
        yield ("architecture",), self.encoder
        for task in self.tasks:
            yield ("architecture", "own", task), self.updates[module_key(task)]

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Run the trunk once per task, with the task's own weights."""
        plain = dict(self.encoder.named_parameters())
        found = {}
        for task in tasks:
            updates = cast("nn.ModuleList", self.updates[module_key(task)])
            changed = {name: plain[name] + update() for name, update in zip(self.names, updates, strict=True)}
            found[task] = cast("Tensor", functional_call(self.encoder, changed, (inputs,)))
        return found

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return the norm of each task's update, relative to that of the weights that it changes."""
        plain = dict(self.encoder.named_parameters())
        whole = sum(float(plain[name].detach().double().square().sum()) for name in self.names) ** 0.5
        found = {}
        with torch.no_grad():
            for task in self.tasks:
                updates = cast("nn.ModuleList", self.updates[module_key(task)])
                found[task] = sum(float(update().double().square().sum()) for update in updates) ** 0.5 / max(whole, 1e-30)
        return {"length of its own part": found}
