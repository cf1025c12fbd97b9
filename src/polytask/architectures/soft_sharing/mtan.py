"""One trunk, with masks per task on its features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast, final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.encoder_stages import pointwise_layer, require_stages, stage_shapes
from polytask.architectures.submodule_keys import module_key
from polytask.encoders import Encoder


class TaskAttention(nn.Module):
    """Mask σ(h(ReLU(g([p; f(â)])))) of the features p of a stage, with pointwise g and h.

    It depends on p and on the masked features â of the previous stage, if there is one.

    Attributes:
        last: Mean of the mask in the last forward pass.
    """

    def __init__(self, shape: tuple[int, ...], before: tuple[int, ...] | None) -> None:
        super().__init__()
        channels = shape[0]
        self.fitted = None if before is None else pointwise_layer(before[0], channels, before)
        self.first = pointwise_layer(channels * (1 if before is None else 2), channels, shape)
        self.second = pointwise_layer(channels, channels, shape)
        self.last = 0.5

    def forward(self, features: Tensor, before: Tensor | None) -> Tensor:
        """Return the masked features of the stage."""
        seen = features
        if self.fitted is not None and before is not None:
            fitted = self.fitted(before)
            if features.dim() == 4:
                fitted = nn.functional.adaptive_avg_pool2d(fitted, cast("tuple[int, int]", tuple(features.shape[2:])))
            elif fitted.dim() == 4:  # the previous stage gave maps, this one gives vectors
                fitted = fitted.mean((2, 3))
            seen = torch.cat([features, fitted], dim=1)
        mask = torch.sigmoid(self.second(torch.relu(self.first(seen))))
        self.last = float(mask.detach().mean())
        return mask * features


@final
class MTAN(Architecture):
    """Multi-task attention network (Liu, Johns & Davison, CVPR 2019, eq. 1 and 2).

    One trunk. After each stage j with parameters, task t masks the features p_j of the stage:

        a_tj = σ(h_tj(ReLU(g_tj([p_j; f_tj(â_t,j−1)])))),    â_tj = a_tj ∘ p_j

    where g and h are linear maps of the channels at each position. The masked features of the last stage are those of the task. With
    masks of 1 it is hard sharing.

    Deviations: the mask of a stage depends on the stage's output, since the inside of an arbitrary encoder's stage is not known, where
    that of the paper depends on the first layer of a block of two; f is a linear map of channels and a mean over positions, instead of
    a convolution and pooling; no batch normalization, so that no row depends on another.

    Args:
        encoder: Encoder that serves as the trunk.
        tasks: Names of the tasks.

    Raises:
        ConfigError: The encoder has a single stage, or its features between stages are neither vectors nor maps.

    Example:
        >>> from polytask.encoders import MLP
        >>> MTAN(MLP((4,), hidden=(8, 6)), ("a", "b")).width("a")
        6
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str]) -> None:
        super().__init__(tasks, encoder)
        self.encoder = encoder
        self._learned = [any(True for _ in stage.parameters()) for stage in require_stages("mtan", encoder)]
        shapes = [shape for shape, some in zip(stage_shapes(encoder), self._learned, strict=True) if some]
        pairs = list(zip(shapes, [None, *shapes[:-1]], strict=True))
        self.masks = nn.ModuleDict(
            {module_key(t): nn.ModuleList(TaskAttention(shape, before) for shape, before in pairs) for t in self.tasks}
        )

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        del task
        return self.encoder.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield the encoder with the stream of hard sharing, and one stream per task."""
        yield ("architecture",), self.encoder
        for task in self.tasks:
            yield ("architecture", "own", task), self.masks[module_key(task)]

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Run the trunk once and mask its features for each task; stages after the last mask have no parameters."""
        stages = self.encoder.stages
        last = max(number for number, some in enumerate(self._learned) if some)
        features, values = [], inputs
        for number, stage in enumerate(stages[: last + 1]):
            values = stage(values)
            if self._learned[number]:
                features.append(values)
        found = {}
        for task in tasks:
            masked: Tensor | None = None
            for mask, seen in zip(cast("nn.ModuleList", self.masks[module_key(task)]), features, strict=True):
                masked = mask(seen, masked)
            rest = cast("Tensor", masked)
            for stage in stages[last + 1 :]:
                rest = stage(rest)
            found[task] = rest
        return found

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return the mean of each task's mask at each stage, in its last batch."""
        masks = {task: cast("Sequence[TaskAttention]", self.masks[module_key(task)]) for task in self.tasks}
        count = len(next(iter(masks.values())))
        return {f"mask, stage {n + 1}": {task: own[n].last for task, own in masks.items()} for n in range(count)}
