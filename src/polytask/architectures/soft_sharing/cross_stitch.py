"""One encoder per task, with features mixed between stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.encoder_stages import broadcast_channels, require_stages, stage_shapes
from polytask.architectures.soft_sharing.separate import Separate
from polytask.encoders import Encoder
from polytask.errors import ConfigError


class CrossStitchUnit(nn.Module):
    """Learned mixture x_t ← Σ_s α_ts x_s, channel by channel, with α of shape (T, T, C).

    Its initial values are the same under every initialization scheme.
    """

    has_own_initialization = True

    def __init__(self, tasks: int, channels: int, self_weight: float) -> None:
        super().__init__()
        self.self_weight = self_weight
        self.weight = nn.Parameter(torch.empty(tasks, tasks, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set α to `self_weight` on the diagonal, with the rest divided among the other tasks."""
        tasks = len(self.weight)
        other = (1.0 - self.self_weight) / max(tasks - 1, 1)
        start = torch.full((tasks, tasks), other).fill_diagonal_(self.self_weight if tasks > 1 else 1.0)
        with torch.no_grad():
            self.weight.copy_(start[:, :, None].expand_as(self.weight))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Mix the tasks' features (N, C, ...)."""
        mixed = []
        for row in self.weight:
            terms = [broadcast_channels(weight, values) * values for weight, values in zip(row, features, strict=True)]
            mixed.append(torch.stack(terms).sum(0))
        return mixed


@final
class CrossStitch(Architecture):
    """Cross-stitch networks (Misra et al., CVPR 2016, eq. 1).

    One encoder per task. After each stage with parameters, features are mixed channel by channel,

        x_t ← Σ_s α_ts x_s

    with α learned. If α is the identity, the networks are separate; if all entries are equal, they are one network.

    Defaults: 0.9 on the diagonal, with the rest divided among the other tasks (paper, section 5.2); one α per channel (section 3.3).

    Deviations: the paper trains α with a separate learning rate, 10 to 1000 times that of the network, and starts from separately
    trained networks; here all parameters have one learning rate, and the encoders start alike.

    Args:
        encoder: Encoder of the first task; the other tasks get copies.
        tasks: Names of the tasks.
        self_weight: Initial diagonal of α, from 0 to 1.

    Raises:
        ConfigError: The encoder has a single stage, or `self_weight` is not between 0 and 1.

    Example:
        >>> from polytask.encoders import MLP
        >>> sharing = CrossStitch(MLP((4,), hidden=(8, 8)), ("a", "b"))
        >>> sharing.describe_sharing()["own part, stage 1"]
        {'a': 0.9..., 'b': 0.9...}
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], self_weight: float = 0.9) -> None:
        super().__init__(tasks, encoder)
        if not 0 <= self_weight <= 1:
            raise ConfigError("`self_weight` must be between 0 and 1", where="architecture 'cross-stitch'", found=self_weight)
        stages = require_stages("cross-stitch", encoder)
        shapes = stage_shapes(encoder)
        self.separate = Separate(encoder, tasks)
        learned = [any(True for _ in stage.parameters()) for stage in stages]
        self.stitches = nn.ModuleList(
            CrossStitchUnit(len(self.tasks), shape[0], self_weight) if some else nn.Identity()
            for shape, some in zip(shapes, learned, strict=True)
        )

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        return self.separate.width(task)

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield every encoder with the same stream, and the stitches, whose initial values are fixed."""
        yield from self.separate.initialization_streams()
        yield ("architecture", "stitches"), self.stitches

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Run all encoders stage by stage, and mix their features after each stage."""
        features: list[Tensor] = [inputs] * len(self.tasks)
        columns = zip(*(encoder.stages for encoder in self.separate.encoders), strict=True)
        for column, stitch in zip(columns, self.stitches, strict=True):
            features = [stage(values) for stage, values in zip(column, features, strict=True)]
            features = stitch(features) if isinstance(stitch, CrossStitchUnit) else features
        return {task: features[self.tasks.index(task)] for task in tasks}

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return the share of each task's own features at each stage, averaged over channels."""
        found: dict[str, dict[str, float]] = {}
        stitches = [stitch for stitch in self.stitches if isinstance(stitch, CrossStitchUnit)]
        for number, stitch in enumerate(stitches, start=1):
            size = stitch.weight.detach().abs().mean(2)
            own = (size.diagonal() / size.sum(1).clamp(min=1e-30)).tolist()
            found[f"own part, stage {number}"] = dict(zip(self.tasks, own, strict=True))
        return found
