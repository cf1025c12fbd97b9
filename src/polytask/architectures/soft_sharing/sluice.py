"""One encoder per task, with subspaces of features mixed between stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast, final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.encoder_stages import require_stages, stage_shapes
from polytask.architectures.soft_sharing.separate import Separate
from polytask.encoders import Encoder
from polytask.errors import ConfigError


class SubspaceMix(nn.Module):
    """Learned mixture α (2 T, 2 T): each half of a task's channels becomes a combination of all halves."""

    has_own_initialization = True

    def __init__(self, tasks: int, self_weight: float) -> None:
        super().__init__()
        self.self_weight = self_weight
        self.weight = nn.Parameter(torch.empty(2 * tasks, 2 * tasks))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set α to `self_weight` on the diagonal, with the rest divided among the other halves."""
        count = len(self.weight)
        with torch.no_grad():
            self.weight.fill_((1.0 - self.self_weight) / (count - 1)).fill_diagonal_(self.self_weight)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Mix the tasks' features (N, C, ...)."""
        halves = torch.stack([half for values in features for half in values.chunk(2, dim=1)])
        mixed = torch.einsum("ij,j...->i...", self.weight.to(halves.dtype), halves)
        return [torch.cat([mixed[2 * task], mixed[2 * task + 1]], dim=1) for task in range(len(features))]


@final
class Sluice(Architecture):
    """Sluice networks (Ruder et al., AAAI 2019, eq. 1 to 3).

    One encoder per task. At each stage with parameters, its channels form two subspaces x_t1 and x_t2. After the stage, with α learned,

        (x_11, x_12, …, x_T1, x_T2) ← α (x_11, x_12, …, x_T1, x_T2)

    and the penalty c Σ ‖W_t1 W_t2ᵀ‖²_F, added outside the balancer, keeps the subspaces apart, where W_t1 and W_t2 are the rows of a
    stage's last weight that produce the halves. If all stages have the same width, the features are Σ_stages β_ts x_t of that stage,
    with β learned as a softmax.

    Defaults: 0.9 on the diagonal of α, with the rest divided among the others; c = 0.01 (our choice; the paper tunes both).

    Deviations: stages of any encoder, where the paper has recurrent layers of one width; β only if all widths are equal.

    Args:
        encoder: Encoder of the first task; the other tasks get copies.
        tasks: Names of the tasks.
        self_weight: Initial diagonal of α, from 0 to 1.
        orthogonality: Strength c of the penalty, at least 0.

    Raises:
        ConfigError: The encoder has a single stage or a stage with an odd number of channels, or a number is out of its range.

    Example:
        >>> from polytask.encoders import MLP
        >>> Sluice(MLP((4,), hidden=(8, 8)), ("a", "b")).width("a")
        8
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], self_weight: float = 0.9, orthogonality: float = 0.01) -> None:
        super().__init__(tasks, encoder)
        if not 0 <= self_weight <= 1:
            raise ConfigError("`self_weight` must be between 0 and 1", where="architecture 'sluice'", found=self_weight)
        if not 0 <= orthogonality < float("inf"):
            raise ConfigError("`orthogonality` must be finite and at least 0", where="architecture 'sluice'", found=orthogonality)
        stages = require_stages("sluice", encoder)
        self._learned = [any(True for _ in stage.parameters()) for stage in stages]
        widths = [shape[0] for shape, some in zip(stage_shapes(encoder), self._learned, strict=True) if some]
        if any(width % 2 for width in widths):
            remedy = "Choose an encoder with even widths"
            raise ConfigError("two subspaces need an even number of channels", where="architecture 'sluice'", found=widths, remedy=remedy)
        self.orthogonality = orthogonality
        self.separate = Separate(encoder, tasks)
        self.mixes = nn.ModuleList(SubspaceMix(len(self.tasks), self_weight) for _ in widths)
        alike = len(set(stage_shapes(encoder))) == 1 and all(self._learned)
        self.depths = nn.Parameter(_last_of(len(self.tasks), len(stages))) if alike else None

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        return self.separate.width(task)

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield every encoder with the same stream, and the mixtures, whose initial values are fixed."""
        yield from self.separate.initialization_streams()
        yield ("architecture", "mixes"), self.mixes

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Run all encoders stage by stage, and mix their features after each stage."""
        features: list[Tensor] = [inputs] * len(self.tasks)
        seen: list[list[Tensor]] = []
        mixes = iter(self.mixes)
        for column, some in zip(zip(*(e.stages for e in self.separate.encoders), strict=True), self._learned, strict=True):
            features = [stage(values) for stage, values in zip(column, features, strict=True)]
            features = next(mixes)(features) if some else features
            seen.append(features)
        if self.depths is not None:
            shares = torch.softmax(self.depths, dim=1).unbind()
            features = [torch.stack([s * at[t] for s, at in zip(own, seen, strict=True)]).sum(0) for t, own in enumerate(shares)]
        return {task: features[self.tasks.index(task)] for task in tasks}

    def penalty(self) -> Tensor | None:
        """Return c Σ ‖W_t1 W_t2ᵀ‖²_F, or `None` if c is 0."""
        if not self.orthogonality:
            return None
        encoders = cast("Sequence[Encoder]", self.separate.encoders)
        weights = [_last_weight(stage) for encoder in encoders for stage in encoder.stages]
        halves = [weight.flatten(1).chunk(2) for weight in weights if weight is not None]
        return self.orthogonality * torch.stack([(first @ second.T).square().sum() for first, second in halves]).sum()

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return the share of each task's own subspaces at each stage."""
        found = {}
        for number, mix in enumerate(self.mixes, start=1):
            weight = cast("SubspaceMix", mix).weight.detach().abs()
            size = weight.view(len(self.tasks), 2, len(self.tasks), 2).sum((1, 3))
            own = (size.diagonal() / size.sum(1).clamp(min=1e-30)).tolist()
            found[f"own part, stage {number}"] = dict(zip(self.tasks, own, strict=True))
        return found


def _last_of(tasks: int, stages: int) -> Tensor:
    """Return logits (tasks, stages) whose softmax gives nearly all weight to the last stage."""
    logits = torch.zeros(tasks, stages)
    logits[:, -1] = 5.0
    return logits


def _last_weight(stage: nn.Module) -> Tensor | None:
    """Return the last parameter of a stage that is a matrix or a kernel, or `None` if there is none."""
    matrices = [parameter for parameter in stage.parameters() if parameter.dim() >= 2]
    return matrices[-1] if matrices else None
