"""An encoder per task, whose features are mixed between stages."""

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
    """α (T, T, C): x_t ← Σ_s α_ts x_s, channel by channel. It starts at its own values under every initialization."""

    has_own_initialization = True

    def __init__(self, tasks: int, channels: int, self_weight: float) -> None:
        super().__init__()
        self.same = self_weight
        self.weight = nn.Parameter(torch.empty(tasks, tasks, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """`same` on the diagonal, the rest divided among the others."""
        tasks = len(self.weight)
        other = (1.0 - self.same) / max(tasks - 1, 1)
        start = torch.full((tasks, tasks), other).fill_diagonal_(self.same if tasks > 1 else 1.0)
        with torch.no_grad():
            self.weight.copy_(start[:, :, None].expand_as(self.weight))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """The tasks' features (N, C, ...), mixed."""
        mixed = []
        for row in self.weight:
            terms = [broadcast_channels(weight, values) * values for weight, values in zip(row, features, strict=True)]
            mixed.append(torch.stack(terms).sum(0))
        return mixed


@final
class CrossStitch(Architecture):
    """Cross-stitch networks (Misra et al., CVPR 2016, eq. 1).

    An encoder per task; after every stage with parameters, channel by channel,

        x_t ← Σ_s α_ts x_s

    with α learned. The identity keeps the networks separate; equal entries make them one.

    Defaults: 0.9 on the diagonal, the rest divided among the others (paper, section 5.2), an α per channel (section 3.3).

    Deviations: the paper gives α a learning rate of its own, 10 to 1000 times that of the network, and starts from separately trained
    networks; here one learning rate serves all, and the encoders start alike.

    Args:
        encoder: The first task's; the others get copies.
        tasks: The names of the tasks.
        self_weight: The diagonal of α at the start.

    Raises:
        ConfigError: The encoder has a single stage; `self_weight` is not a number from 0 to 1.

    Example:
        >>> from polytask.encoders import MLP
        >>> sharing = CrossStitch(MLP((4,), hidden=(8, 8)), ("a", "b"))
        >>> sharing.describe_sharing()["own part, stage 1"]
        {'a': 0.9..., 'b': 0.9...}
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], self_weight: float = 0.9) -> None:
        super().__init__(tasks, encoder)
        if not 0 <= self_weight <= 1:
            raise ConfigError("a number from 0 to 1 is needed", where="cross-stitch, same", found=self_weight)
        stages = require_stages("cross-stitch", encoder)
        shapes = stage_shapes(encoder)
        self.separate = Separate(encoder, tasks)
        learned = [any(True for _ in stage.parameters()) for stage in stages]
        self.stitches = nn.ModuleList(
            CrossStitchUnit(len(self.tasks), shape[0], self_weight) if some else nn.Identity()
            for shape, some in zip(shapes, learned, strict=True)
        )

    def width(self, task: str) -> int:
        """The encoder's features."""
        return self.separate.width(task)

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """The same stream for every encoder; the stitches start at their own values."""
        yield from self.separate.initialization_streams()
        yield ("architecture", "stitches"), self.stitches

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Features of all encoders, mixed on their way."""
        features: list[Tensor] = [inputs] * len(self.tasks)
        columns = zip(*(encoder.stages for encoder in self.separate.encoders), strict=True)
        for column, stitch in zip(columns, self.stitches, strict=True):
            features = [stage(values) for stage, values in zip(column, features, strict=True)]
            features = stitch(features) if isinstance(stitch, CrossStitchUnit) else features
        return {task: features[self.tasks.index(task)] for task in tasks}

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Per stage the share of each task's own features, averaged over channels."""
        found: dict[str, dict[str, float]] = {}
        stitches = [stitch for stitch in self.stitches if isinstance(stitch, CrossStitchUnit)]
        for number, stitch in enumerate(stitches, start=1):
            size = stitch.weight.detach().abs().mean(2)
            own = (size.diagonal() / size.sum(1).clamp(min=1e-30)).tolist()
            found[f"own part, stage {number}"] = dict(zip(self.tasks, own, strict=True))
        return found
