"""Where the gradients of a step are collected on their way into `.grad`."""

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

    A process without others adds gradients to `.grad` as they come. One of several holds them back until the step is complete, when they
    are summed over all processes. In both cases the gradients of private parameters wait for their task's weight.

    Attributes:
        communicator: The processes.
        trained: All trained parameters of the model, in the same order in every process; not needed by a process without others.
        held: Per parameter of `trained`, by its id, the gradient that is held back.
        private: Per task the private parameters that it reaches, by their id, with their gradients. Which these are is asked at every
            step: a task may reach one part of the network now and another later.
    """

    communicator: Communicator
    trained: Mapping[int, Tensor] = field(default_factory=dict)
    held: dict[int, Tensor] = field(default_factory=dict)
    private: dict[str, dict[int, tuple[Tensor, Tensor]]] = field(default_factory=dict)

    def backward(self, scalars: Sequence[Tensor], slopes: Sequence[Tensor], *, keep: bool) -> None:
        """Add the gradient of Σ slope · scalar with respect to everything it reaches.

        Args:
            scalars: Losses, with their graphs.
            slopes: A weight per loss.
            keep: Whether the graphs are needed after this.
        """
        if not self.communicator.distributed:
            torch.autograd.backward(scalars, slopes, retain_graph=keep)
            return
        parameters = tuple(self.trained.values())
        self.add(parameters, torch.autograd.grad(scalars, parameters, slopes, retain_graph=keep, allow_unused=True))

    def add(self, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Add gradients of these parameters; None adds nothing.

        Raises:
            ConfigError: One of several processes meets a tensor that is no parameter of the model.
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
                    raise ConfigError("a loss reaches what is no parameter of the model", where="model", found=found, remedy=remedy)
                self.held[key] = self.held[key] + gradient if key in self.held else gradient

    def add_combined(self, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Add gradients that are sums over all processes already, and in memory of their own."""
        add_to_grad(parameters, gradients, owned=True)

    def hold_private(self, task: str, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Keep a task's gradients of its private parameters until its weight is known."""
        held = self.private.setdefault(task, {})
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                key = id(parameter)
                held[key] = (parameter, held[key][1] + gradient if key in held else gradient)

    def release_private(self, tasks: Sequence[str], weights: Sequence[float]) -> None:
        """Add the gradients of these tasks' private parameters, weighted."""
        for task, weight in zip(tasks, weights, strict=True):
            held = self.private.get(task, {}).values()
            gradients = [gradient if weight == 1.0 else gradient * weight for _, gradient in held]
            self.add([parameter for parameter, _ in held], gradients)

    def flush(self, *, failed: bool = False) -> None:
        """Finish the step: sum what is held back over all processes, and add it to `.grad`.

        Args:
            failed: Whether this process has met a problem, which it raises itself afterwards.

        Raises:
            ConfigError: Another process has met a problem.
        """
        if not self.communicator.distributed:
            return
        # One small sum says which parameters have a gradient anywhere, so that the large one is of these alone, and a parameter that nobody
        # reaches keeps a `.grad` of None in every process.
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
    """Add gradients to `.grad`, as `Tensor.backward` does; None leaves `.grad` as it is.

    Args:
        parameters: Whose `.grad`.
        gradients: One per parameter.
        owned: Whether nobody else holds these tensors, so that they may become `.grad` themselves.
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
                # In the parameter's own layout: fused optimizers walk memory and take no notice of strides.
                parameter.grad = torch.empty_like(parameter).copy_(gradient)
