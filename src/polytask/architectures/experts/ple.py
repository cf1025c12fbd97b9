"""Shared and private experts, combined by gates level by level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from math import prod
from typing import cast

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.encoder_stages import stage_shapes
from polytask.architectures.experts.expert_copies import gate_input_width
from polytask.architectures.experts.expert_gates import SoftmaxGate, mix_experts
from polytask.architectures.submodule_keys import module_key
from polytask.encoders import Encoder
from polytask.errors import ConfigError

_SHARED = "shared"


class ExtractionNetwork(nn.Module):
    """One level of experts: shared and private ones, with one gate per task.

    Unless it is the last level, another gate mixes all experts for the shared experts of the next level.
    """

    def __init__(self, expert: nn.Sequential, inputs: int, tasks: Sequence[str], shared: int, private: int, *, last: bool) -> None:
        super().__init__()
        self.names = tuple(tasks)
        self.shared = nn.ModuleList(deepcopy(expert) for _ in range(shared))
        self.private = nn.ModuleDict({module_key(t): nn.ModuleList(deepcopy(expert) for _ in range(private)) for t in tasks})
        self.gates = nn.ModuleDict({module_key(task): SoftmaxGate(inputs, shared + private) for task in tasks})
        if not last:
            self.gates[_SHARED] = SoftmaxGate(inputs, shared + private * len(self.names))

    def forward(self, values: dict[str, Tensor], seen: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute the features of each task, and of `shared`, for the next level; `seen` are the inputs of the gates."""
        common = [expert(values[_SHARED]) for expert in self.shared]
        own = {t: [expert(values[t]) for expert in self._private(t)] for t in self.names}
        found = {t: self._mixed(module_key(t), seen[t], [*common, *own[t]]) for t in self.names}
        if _SHARED in self.gates:
            everything = [*common, *(features for task in self.names for features in own[task])]
            found[_SHARED] = self._mixed(_SHARED, seen[_SHARED], everything)
        return found

    def _private(self, task: str) -> nn.ModuleList:
        return cast("nn.ModuleList", self.private[module_key(task)])

    def _mixed(self, gate: str, inputs: Tensor, features: Sequence[Tensor]) -> Tensor:
        stacked = torch.stack(list(features))
        return mix_experts(self.gates[gate](inputs).to(stacked.dtype), stacked)


class PLE(Architecture):
    """Progressive layered extraction (Tang et al., RecSys 2020, section 4); with one level, customized gate control (CGC).

    At each level, task t mixes the shared experts and its private ones, by a gate on its own features x_t of the previous level:

        z_t = Σ_e g_te(x_t) f_e(·),    e over shared experts (of x_shared) and those of task t (of x_t)

    and, except at the last level, x_shared becomes a mixture of all experts. The encoder's stages are divided among the levels as
    evenly as possible: the experts of a level are copies of its stages. Without private experts, one level is MMoE.

    Defaults: one level (CGC), 2 shared and 1 private expert.

    Deviations: experts are stages of any encoder, where the paper has fully connected layers.

    Args:
        encoder: Encoder of whose stages the experts are copies.
        tasks: Names of the tasks.
        levels: Number of levels, at most the number of the encoder's stages with parameters.
        shared: Number of shared experts per level.
        private: Number of private experts per task and level.

    Raises:
        ConfigError: A level has no experts, several levels have no shared experts, there are more levels than stages, or a task is
            called "shared".

    Example:
        >>> from polytask.encoders import MLP
        >>> PLE(MLP((4,), hidden=(8, 6)), ("a", "b"), levels=2).width("a")
        6
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], levels: int = 1, shared: int = 2, private: int = 1) -> None:
        super().__init__(tasks, encoder)
        if shared < 0 or private < 0 or shared + private < 1:
            raise ConfigError(
                "every task needs at least one expert", where="architecture 'ple'", found=f"shared={shared}, private={private}"
            )
        if _SHARED in self.tasks:
            raise ConfigError("this name is reserved for the shared experts", where=f"task {_SHARED!r}", remedy="Rename the task")
        if levels > 1 and not shared:
            raise ConfigError("several levels need shared experts", where="architecture 'ple', shared", found=shared)
        parts = _split_into_levels(encoder, levels)
        shapes = stage_shapes(encoder, encoder.body)
        self.features, self.stem, self._summary = encoder.features, encoder.stem, encoder.summary
        self.levels, start = nn.ModuleList(), 0
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            width = prod(shapes[start - 1]) if start else gate_input_width(encoder)
            self.levels.append(ExtractionNetwork(nn.Sequential(*part), width, self.tasks, shared, private, last=last))
            start += len(part)

    def width(self, task: str) -> int:
        """Return the width of the experts' features."""
        del task
        return self.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield one stream per expert and gate; with one level, the first expert has that of the encoder under hard sharing."""
        levels = cast("Sequence[ExtractionNetwork]", self.levels)
        first = levels[0].shared[0] if len(levels) == 1 and len(levels[0].shared) else None
        yield (("architecture",), self.stem) if first is None else (("architecture",), nn.ModuleList([self.stem, first]))
        for number, level in enumerate(levels):
            for place, expert in enumerate(level.shared):
                if expert is not first:
                    yield ("architecture", "expert", number * 1000 + place), expert
            for task in self.tasks:
                yield ("architecture", "private", number, task), level.private[module_key(task)]
            for key, gate in level.gates.items():
                name = _SHARED if key == _SHARED else next(task for task in self.tasks if module_key(task) == key)
                yield ("architecture", "gate", name) if len(levels) == 1 else ("architecture", "gate", number, name), gate

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Run the levels one after the other for all tasks."""
        stemmed = self.stem(inputs)
        values, seen = (dict.fromkeys((*self.tasks, _SHARED), found) for found in (stemmed, self._summary(stemmed)))
        for level in self.levels:
            values = level(values, seen)
            seen = {name: features.flatten(1) for name, features in values.items()}
        return {task: values[task] for task in tasks}

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return the weight that each task gives to the shared experts of each level, averaged over the rows of its last batch."""
        found = {}
        for number, level in enumerate(cast("Sequence[ExtractionNetwork]", self.levels), start=1):
            gates = {task: cast("SoftmaxGate", level.gates[module_key(task)]).last for task in self.tasks}
            found[f"shared part, level {number}"] = {task: float(gate[: len(level.shared)].sum()) for task, gate in gates.items()}
        return found


def _split_into_levels(encoder: Encoder, levels: int) -> list[list[nn.Module]]:
    """Divide the encoder's stages into consecutive levels; stages without parameters stay with those before them."""
    groups: list[list[nn.Module]] = []
    for stage in encoder.body:
        if any(True for _ in stage.parameters()) or not groups:
            groups.append([stage])
        else:
            groups[-1].append(stage)
    if not 1 <= levels <= len(groups):
        remedy = f"Choose from 1 to {len(groups)} levels, or an encoder with more stages"
        raise ConfigError("each level needs a stage of the encoder", where="architecture 'ple', levels", found=levels, remedy=remedy)
    bounds = [len(groups) * number // levels for number in range(levels + 1)]
    return [[stage for group in groups[a:b] for stage in group] for a, b in pairwise(bounds)]
