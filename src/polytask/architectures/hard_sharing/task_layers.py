"""One trunk in which some layers exist once per task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import NamedTuple, cast, final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.encoder_stages import apply_stages
from polytask.architectures.submodule_keys import module_key
from polytask.encoders import Encoder
from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest


def parametrized_layers(encoder: Encoder) -> dict[str, nn.Module]:
    """Return the modules of an encoder that hold parameters directly, by path.

    Example:
        >>> from polytask.encoders import MLP
        >>> list(parametrized_layers(MLP((4,), hidden=(8, 6))))
        ['layers.0.0', 'layers.1.0']
    """
    return {path: module for path, module in encoder.named_modules() if next(module.parameters(recurse=False), None) is not None}


class _Place(NamedTuple):
    """Location of a parameter or buffer of a task-specific layer within a stage.

    Attributes:
        within: Path of the parameter or buffer in the stage.
        layer: Index of its layer among the task-specific ones.
        name: Name of the parameter or buffer in its layer.
    """

    within: str
    layer: int
    name: str


@final
class TaskLayers(Architecture):
    """Layer-wise task-specific parameters: named layers of one trunk exist once per task, all others once.

    Without task-specific layers it is hard sharing; with all layers it is separate networks. All copies of a layer start alike. The
    stages before the first task-specific layer run once for all tasks.

    Args:
        encoder: Encoder that serves as the trunk; its own layers are those of the first task.
        tasks: Names of the tasks.
        paths: Paths of the task-specific layers in the encoder, such as `first.0`.

    Raises:
        ConfigError: The encoder has no layer with one of these paths.

    Example:
        >>> from polytask.encoders import MLP
        >>> sharing = TaskLayers(MLP((4,), hidden=(8, 6)), ("a", "b"), paths=("layers.1.0",))
        >>> sharing.tasks_reaching("encoder.layers.0.0.weight"), sharing.tasks_reaching("encoder.layers.1.0.weight")
        (('a', 'b'), ('a',))
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], paths: Sequence[str] = ()) -> None:
        super().__init__(tasks, encoder)
        layers = parametrized_layers(encoder)
        for path in paths:
            if path not in layers:
                raise ConfigError("the encoder has no such layer", where=f"task-layers, {path!r}", remedy=nearest(path, tuple(layers)))
        self.encoder, self.own = encoder, tuple(path for path in layers if path in paths)
        chosen = [layers[path] for path in self.own]
        self.copies = nn.ModuleDict({module_key(task): nn.ModuleList(map(_copy_without_children, chosen)) for task in self.tasks[1:]})
        self._places = [list(_places(stage, chosen)) for stage in encoder.stages]
        self._split = next((number for number, places in enumerate(self._places) if places), len(self._places))

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        del task
        return self.encoder.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield the encoder with the stream of hard sharing, then copy its initial values to the tasks' layers."""
        yield ("architecture",), self.encoder
        # When the generator resumes, the caller has initialized the encoder.
        layers = parametrized_layers(self.encoder)
        for copies in self.copies.values():
            for path, copy in zip(self.own, cast("nn.ModuleList", copies), strict=True):
                copy.load_state_dict(_copy_without_children(layers[path]).state_dict())

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Run the shared stages at the beginning once, and the remaining stages for each task."""
        common = apply_stages(self.encoder.stages[: self._split], inputs)
        if self._split == len(self._places):
            return dict.fromkeys(tasks, common)
        return {task: self._rest(task, common) for task in tasks}

    def _rest(self, task: str, values: Tensor) -> Tensor:
        """Run the remaining stages with the parameters and buffers of a task's own layers."""
        stages = self.encoder.stages[self._split :]
        if task == self.tasks[0]:
            return apply_stages(stages, values)
        copies = cast("nn.ModuleList", self.copies[module_key(task)])
        for stage, places in zip(stages, self._places[self._split :], strict=True):
            changed = {place.within: _named(copies[place.layer])[place.name] for place in places}
            values = functional_call(stage, changed, (values,)) if changed else stage(values)
        return values

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return how far each task's own layers are from the mean over tasks, relative to their norm."""
        if not self.own:
            return {}
        layers = parametrized_layers(self.encoder)
        groups = [[layers[path] for path in self.own], *(list(cast("nn.ModuleList", copies)) for copies in self.copies.values())]
        with torch.no_grad():
            flat = torch.stack([torch.cat([p.flatten() for layer in own for p in layer.parameters(recurse=False)]) for own in groups])
            far = (flat - flat.mean(0)).norm(dim=1) / flat.norm(dim=1).clamp(min=1e-30)
        return {"distance from the mean": dict(zip(self.tasks, far.tolist(), strict=True))}


def _copy_without_children(layer: nn.Module) -> nn.Module:
    """Return a copy of a layer without its children, which are layers themselves."""
    alone = nn.Module()
    if hasattr(layer, "groups_after"):
        alone.groups_after = layer.groups_after
    for name, parameter in layer.named_parameters(recurse=False):
        alone.register_parameter(name, deepcopy(parameter))
    for name, buffer in layer.named_buffers(recurse=False):
        alone.register_buffer(name, buffer.clone())
    return alone


def _named(layer: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers that a layer holds directly, by name."""
    return {**dict(layer.named_parameters(recurse=False)), **dict(layer.named_buffers(recurse=False))}


def _places(stage: nn.Module, chosen: Sequence[nn.Module]) -> Iterator[_Place]:
    """Yield the location of each parameter and buffer of the chosen layers in a stage."""
    numbers = {id(layer): number for number, layer in enumerate(chosen)}
    for path, module in stage.named_modules():
        if id(module) in numbers:
            for name in _named(module):
                yield _Place(f"{path}.{name}" if path else name, numbers[id(module)], name)
