"""Accumulation of the gradients of a step, before they are added to `.grad`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.gradients.primitives.communicator import Communicator, peer_failure
from polytask.gradients.primitives.flat_params import FlatParameters, Gradients


@dataclass
class GradAccumulator:
    """Collect the gradients of one step, and add them to `.grad`.

    A single process adds gradients to `.grad` immediately. With several processes they are held until the step is complete, and then
    summed over all processes. In both cases the gradients of private parameters are held until their task's weight is known.

    Attributes:
        communicator: Communicator of the processes.
        trained: All trained parameters of the model by their id, in the same order in every process; unused with a single process.
        held: Held gradients of parameters of `trained`, by the parameter's id.
        private: Private parameters and their gradients per task, by the parameter's id. They are determined in every step, since a
            task may reach different parts of the network in different steps.
    """

    communicator: Communicator
    trained: Mapping[int, Tensor] = field(default_factory=dict)
    held: dict[int, Tensor] = field(default_factory=dict)
    private: dict[str, dict[int, tuple[Tensor, Tensor]]] = field(default_factory=dict)

    def backward(self, scalars: Sequence[Tensor], slopes: Sequence[Tensor], *, keep: bool) -> None:
        """Add the gradient of Σ slope · scalar with respect to all parameters that it reaches.

        Args:
            scalars: Losses, with their graphs.
            slopes: Weight of each loss.
            keep: Whether to keep the graphs for further backward passes.
        """
        if not self.communicator.distributed:
            torch.autograd.backward(scalars, slopes, retain_graph=keep)
            return
        parameters = tuple(self.trained.values())
        self.add(parameters, torch.autograd.grad(scalars, parameters, slopes, retain_graph=keep, allow_unused=True))

    def add(self, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Add gradients of parameters; `None` adds nothing.

        Raises:
            ConfigError: There are several processes, and a tensor is not a parameter of the model.
        """
        if not self.communicator.distributed:
            add_to_grad(parameters, gradients)
            return
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                key = id(parameter)
                if key not in self.trained:
                    remedy = "Pass the network with all of its parameters (model=), and inputs that require no gradient"
                    found = f"a tensor of shape {tuple(parameter.shape)}"
                    raise ConfigError(
                        "every tensor that a loss reaches must be a parameter of the model", where="model", found=found, remedy=remedy
                    )
                self.held[key] = self.held[key] + gradient if key in self.held else gradient

    def add_combined(self, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Add gradients that are already summed over all processes and that no other tensor shares memory with."""
        add_to_grad(parameters, gradients, owned=True)

    def hold_private(self, task: str, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Hold a task's gradients of its private parameters until its weight is known."""
        held = self.private.setdefault(task, {})
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                key = id(parameter)
                held[key] = (parameter, held[key][1] + gradient if key in held else gradient)

    def release_private(self, tasks: Sequence[str], weights: Sequence[float]) -> None:
        """Add the held gradients of the tasks' private parameters, times the tasks' weights."""
        for task, weight in zip(tasks, weights, strict=True):
            held = self.private.get(task, {}).values()
            gradients = [gradient if weight == 1.0 else gradient * weight for _, gradient in held]
            self.add([parameter for parameter, _ in held], gradients)

    def flush(self, *, failed: bool = False) -> None:
        """Finish the step: sum the held gradients over all processes, and add them to `.grad`.

        Args:
            failed: Whether this process has failed; it then raises its own error afterwards.

        Raises:
            ConfigError: Another process has failed.
        """
        if not self.communicator.distributed:
            return
        # A small all-reduce tells which parameters have a gradient in any process, so that the large one is limited to these, and a
        # parameter without gradients keeps a `.grad` of None in every process.
        failures, *reached = self.communicator.any([failed, *(key in self.held for key in self.trained)])
        held, self.held = self.held, {}
        if failed:
            return
        if failures:
            raise peer_failure()
        chosen = [key for key, anywhere in zip(self.trained, reached, strict=True) if anywhere]
        if chosen:
            flat = FlatParameters({str(number): self.trained[key] for number, key in enumerate(chosen)})
            vector = self.communicator.all_reduce(flat.flatten([held.get(key) for key in chosen]))
            add_to_grad(flat.parameters, flat.views(vector), owned=True)


def add_to_grad(parameters: Iterable[Tensor], gradients: Iterable[Tensor | None], *, owned: bool = False) -> None:
    """Add gradients to `.grad`, as `Tensor.backward` does; `None` leaves `.grad` unchanged.

    Args:
        parameters: Parameters whose `.grad` is changed.
        gradients: One gradient per parameter.
        owned: Whether the gradients are not used elsewhere, so that they may become `.grad` without a copy.
    """
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is None:
                continue
            if parameter.grad is not None:
                parameter.grad.add_(gradient)
            elif owned and gradient.stride() == parameter.stride() and gradient.dtype == parameter.dtype:
                parameter.grad = gradient
            else:
                # Use the parameter's memory layout, since fused optimizers ignore strides.
                parameter.grad = torch.empty_like(parameter).copy_(gradient)
