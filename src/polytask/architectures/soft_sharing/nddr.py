"""One encoder per task, with features fused by 1×1 convolutions between stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast, final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.encoder_stages import pointwise_layer, require_stages, stage_shapes
from polytask.architectures.soft_sharing.separate import Separate
from polytask.encoders import Encoder
from polytask.errors import ConfigError


class NDDRLayer(nn.Module):
    """One linear map per task of the concatenated channels of all tasks.

    Each map starts at `self_weight` times the identity for the task's own channels; the rest is divided among the other tasks.
    """

    has_own_initialization = True

    def __init__(self, tasks: int, shape: tuple[int, ...], self_weight: float) -> None:
        super().__init__()
        self.channels, self.self_weight = shape[0], self_weight
        self.maps = nn.ModuleList(pointwise_layer(tasks * shape[0], shape[0], shape, bias=False) for _ in range(tasks))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the blocks of every map to multiples of the identity."""
        tasks = len(self.maps)
        other = (1.0 - self.self_weight) / max(tasks - 1, 1)
        with torch.no_grad():
            for task, one in enumerate(self.maps):
                weight = cast("Tensor", one.weight).flatten(1)
                weight.zero_()
                for place in range(tasks):
                    block = weight[:, place * self.channels : (place + 1) * self.channels]
                    block.fill_diagonal_((self.self_weight if tasks > 1 else 1.0) if place == task else other)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Fuse the tasks' features (N, C, ...)."""
        together = torch.cat(list(features), dim=1)
        return [one(together) for one in self.maps]

    def own(self) -> list[float]:
        """Return the share of each task's own channels in the absolute weights of its map."""
        shares = []
        for task, one in enumerate(self.maps):
            sizes = cast("Tensor", one.weight).detach().flatten(1).abs().sum(0).view(len(self.maps), -1).sum(1)
            shares.append(float(sizes[task] / sizes.sum().clamp(min=1e-30)))
        return shares


@final
class NDDR(Architecture):
    """Neural discriminative dimensionality reduction (Gao et al., CVPR 2019, section 3.2).

    One encoder per task. After each stage with parameters, with [x_1; …; x_T] the concatenated channels of the tasks,

        x_t ← W_t [x_1; …; x_T]

    at each position (a 1×1 convolution). Cross-stitch is the special case of diagonal blocks.

    Defaults: initially 0.9 times the identity for a task's own channels, with the rest divided among the others (paper, section 4.3).

    Deviations: no batch normalization after the fusion, so that no row depends on another; no shortcut to the last layer.

    Args:
        encoder: Encoder of the first task; the other tasks get copies.
        tasks: Names of the tasks.
        self_weight: Initial factor of a task's own channels, from 0 to 1.

    Raises:
        ConfigError: The encoder has a single stage, or `self_weight` is not between 0 and 1.

    Example:
        >>> from polytask.encoders import MLP
        >>> NDDR(MLP((4,), hidden=(8, 8)), ("a", "b")).width("a")
        8
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], self_weight: float = 0.9) -> None:
        super().__init__(tasks, encoder)
        if not 0 <= self_weight <= 1:
            raise ConfigError("`self_weight` must be between 0 and 1", where="architecture 'nddr'", found=self_weight)
        learned = [any(True for _ in stage.parameters()) for stage in require_stages("nddr", encoder)]
        shapes = stage_shapes(encoder)
        self.separate = Separate(encoder, tasks)
        self.fusions = nn.ModuleList(
            NDDRLayer(len(self.tasks), shape, self_weight) if some else nn.Identity() for shape, some in zip(shapes, learned, strict=True)
        )

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        return self.separate.width(task)

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield every encoder with the same stream, and the fusions, whose initial values are fixed."""
        yield from self.separate.initialization_streams()
        yield ("architecture", "fusions"), self.fusions

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Run all encoders stage by stage, and fuse their features after each stage."""
        features: list[Tensor] = [inputs] * len(self.tasks)
        columns = zip(*(encoder.stages for encoder in self.separate.encoders), strict=True)
        for column, fusion in zip(columns, self.fusions, strict=True):
            features = [stage(values) for stage, values in zip(column, features, strict=True)]
            features = fusion(features) if isinstance(fusion, NDDRLayer) else features
        return {task: features[self.tasks.index(task)] for task in tasks}

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return the share of each task's own channels at each stage."""
        fusions = [fusion for fusion in self.fusions if isinstance(fusion, NDDRLayer)]
        return {
            f"own part, stage {number}": dict(zip(self.tasks, fusion.own(), strict=True)) for number, fusion in enumerate(fusions, start=1)
        }
