"""One trunk for all tasks, with a small task-specific module after each stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.encoder_stages import pointwise_layer, stage_shapes
from polytask.architectures.submodule_keys import module_key
from polytask.encoders import Encoder
from polytask.errors import ConfigError


class BottleneckAdapter(nn.Module):
    """Bottleneck x + U ReLU(D x) on the channels, with U = 0 at the start (Houlsby et al., ICML 2019, section 2.1)."""

    has_own_initialization = True

    def __init__(self, shape: tuple[int, ...], size: int) -> None:
        super().__init__()
        self.down, self.up = pointwise_layer(shape[0], size, shape), pointwise_layer(size, shape[0], shape)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set U to 0."""
        for parameter in self.up.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """Adapt features (N, C), (N, C, height, width) or (N, 1 + L, C)."""
        changed: Tensor = features + self.up(torch.relu(self.down(features)))
        return changed


class FeatureModulation(nn.Module):
    """Modulation (1 + γ) x + β per channel, with γ = β = 0 at the start (Perez et al., AAAI 2018, eq. 2, conditioned on the task)."""

    has_own_initialization = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.scale, self.shift = (nn.Parameter(torch.zeros(shape[0])) for _ in range(2))
        self.over = (-1, *(1,) * (len(shape) - 1))

    def reset_parameters(self) -> None:
        """Set γ and β to 0."""
        nn.init.zeros_(self.scale)
        nn.init.zeros_(self.shift)

    def forward(self, features: Tensor) -> Tensor:
        """Modulate features (N, C), (N, C, height, width) or (N, 1 + L, C)."""
        return features * (1 + self.scale.view(self.over)) + self.shift.view(self.over)


class _AdaptedTrunk(Architecture):
    """Trunk that runs separately for each task, with a task-specific module after each stage that has parameters."""

    def __init__(self, encoder: Encoder, tasks: Sequence[str], make: Callable[[tuple[int, ...]], nn.Module]) -> None:
        super().__init__(tasks, encoder)
        self.encoder = encoder
        learned = [any(True for _ in stage.parameters()) for stage in encoder.stages]
        shapes = [shape[-1:] if encoder.tokens else shape for shape in stage_shapes(encoder)]
        self.own = nn.ModuleDict(
            {
                module_key(task): nn.ModuleList(make(shape) if some else nn.Identity() for shape, some in zip(shapes, learned, strict=True))
                for task in self.tasks
            }
        )

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        del task
        return self.encoder.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield the encoder with the stream of hard sharing, and one stream per task."""
        yield ("architecture",), self.encoder
        for task in self.tasks:
            yield ("architecture", "own", task), self.own[module_key(task)]

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Run the trunk once per task, with the task's own modules."""
        return {task: self._way(inputs, self.own[module_key(task)]) for task in tasks}

    def _way(self, values: Tensor, own: nn.Module) -> Tensor:
        """Run the trunk with one module of a task after each stage."""
        for stage, change in zip(self.encoder.stages, own.children(), strict=True):
            values = change(stage(values))
        return values

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return the norm of each task's own parameters."""
        return {"length of its own part": {task: _length(self.own[module_key(task)]) for task in self.tasks}}


def _length(module: nn.Module) -> float:
    """Compute the Euclidean norm of a module's parameters."""
    return float(sum(float(parameter.detach().double().square().sum()) for parameter in module.parameters()) ** 0.5)


@final
class Adapters(_AdaptedTrunk):
    """Bottleneck adapters per task after each stage of one trunk (Houlsby et al., ICML 2019; Rebuffi et al., NeurIPS 2017).

        x ← x + U_t ReLU(D_t x)

    with U_t = 0 at the start, where it equals hard sharing. The trunk may be frozen (`freeze`) or trained.

    Deviations: the papers adapt transformers and residual networks; here the stages of any encoder are adapted.

    Args:
        encoder: Encoder that serves as the trunk.
        tasks: Names of the tasks.
        size: Width of the bottleneck, at least 1.

    Raises:
        ConfigError: The width is below 1, or features between stages are neither vectors, maps nor tokens.

    Example:
        >>> from polytask.encoders import MLP
        >>> Adapters(MLP((4,), hidden=(8,)), ("a", "b")).width("a")
        8
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], size: int = 8) -> None:
        if size < 1:
            raise ConfigError("`size` must be at least 1", where="architecture 'adapters'", found=size)
        super().__init__(encoder, tasks, lambda shape: BottleneckAdapter(shape, size))


@final
class FiLM(_AdaptedTrunk):
    """Feature-wise linear modulation per task after each stage of one trunk (Perez et al., AAAI 2018, eq. 2).

        x ← (1 + γ_t) x + β_t, channel by channel

    with γ_t = β_t = 0 at the start, where it equals hard sharing.

    Deviations: in the paper, γ and β are functions of a question; here they depend on the task only, so that they are parameters.

    Args:
        encoder: Encoder that serves as the trunk.
        tasks: Names of the tasks.

    Example:
        >>> from polytask.encoders import MLP
        >>> FiLM(MLP((4,), hidden=(8,)), ("a", "b")).width("a")
        8
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str]) -> None:
        super().__init__(encoder, tasks, FeatureModulation)
