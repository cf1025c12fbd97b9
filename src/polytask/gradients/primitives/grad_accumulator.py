"""Accumulation of the gradients of a step, before they are added to `.grad`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from polytask.balancing.building_blocks.row_combination import LARGEST_WEIGHT
from polytask.errors import ConfigError
from polytask.gradients.primitives.communicator import Communicator, peer_failure
from polytask.gradients.primitives.flat_params import FlatParameters, Gradients


@dataclass(frozen=True)
class HeldGradient:
    """Gradient of a parameter that is not yet in `.grad`.

    Attributes:
        parameter: The parameter.
        gradient: Its gradient.
        owned: Whether no other tensor shares the gradient's memory, so that it may become `.grad` without a copy.
    """

    parameter: Tensor
    gradient: Tensor
    owned: bool

    def plus(self, gradient: Tensor) -> HeldGradient:
        """Return the sum with another gradient of the same parameter."""
        return HeldGradient(self.parameter, self.gradient + gradient, owned=True)


@dataclass
class GradAccumulator:
    """Hold the gradients of one step, and add them to `.grad` when the step is complete.

    Until then nothing that the user can see has changed, so that a step with values that are not finite can be discarded. With several
    processes, the gradients are summed over all of them. Gradients of private parameters are held until their task's weight is known.

    Attributes:
        communicator: Communicator of the processes.
        trained: Parameters that losses may reach by their id, in the same order in every process.
        held: Held gradients by the parameter's id.
        private: Private parameters and their gradients per task, by the parameter's id. They are determined in every step, since a
            task may reach different parts of the network in different steps.
    """

    communicator: Communicator
    trained: Mapping[int, Tensor] = field(default_factory=dict)
    held: dict[int, HeldGradient] = field(default_factory=dict)
    private: dict[str, dict[int, tuple[Tensor, Tensor]]] = field(default_factory=dict)

    def backward(self, scalars: Sequence[Tensor], slopes: Sequence[Tensor], *, keep: bool) -> None:
        """Hold the gradient of Σ slope · loss with respect to all parameters that it reaches.

        Args:
            scalars: Losses, or tensors of losses, with their graphs.
            slopes: Weights of the losses, in tensors of the same shapes.
            keep: Whether to keep the graphs for further backward passes.
        """
        parameters = tuple(self.trained.values())
        if self.communicator.distributed:
            self.add(parameters, torch.autograd.grad(scalars, parameters, slopes, retain_graph=keep, allow_unused=True))
            return
        # The engine adds up in `.grad`, which is lent to it for this pass. That is faster than to name all parameters, and a tensor that is
        # not known yet gets its gradient all the same.
        before = [parameter.grad for parameter in parameters]
        for parameter in parameters:
            held = self.held.get(id(parameter))
            parameter.grad = None if held is None else held.gradient
        try:
            torch.autograd.backward(scalars, slopes, retain_graph=keep)
        finally:
            for parameter, grad in zip(parameters, before, strict=True):
                if parameter.grad is not None:
                    self.held[id(parameter)] = HeldGradient(parameter, parameter.grad, owned=True)
                parameter.grad = grad

    def add(self, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Hold gradients of parameters; `None` adds nothing.

        Raises:
            ConfigError: There are several processes, and a tensor is not a parameter of the model.
        """
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                if self.communicator.distributed and id(parameter) not in self.trained:
                    remedy = "Pass the network with all of its parameters (model=), and inputs that require no gradient"
                    found = f"a tensor of shape {tuple(parameter.shape)}"
                    what = "every tensor that a loss reaches must be a parameter of the model"
                    raise ConfigError(what, where="model", found=found, remedy=remedy)
                self._hold(parameter, gradient, owned=False)

    def add_combined(self, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Add gradients that are already summed over all processes and that no other tensor shares memory with."""
        if self.communicator.distributed:
            add_to_grad(parameters, gradients, owned=True)
            return
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                self._hold(parameter, gradient, owned=True)

    def _hold(self, parameter: Tensor, gradient: Tensor, *, owned: bool) -> None:
        held = self.held.get(id(parameter))
        self.held[id(parameter)] = HeldGradient(parameter, gradient, owned) if held is None else held.plus(gradient)

    def take(self, other: GradAccumulator) -> None:
        """Hold the gradients that another accumulator of the same step holds."""
        for held in other.held.values():
            self._hold(held.parameter, held.gradient, owned=held.owned)

    def failures(self) -> list[Tensor]:
        """Return scalars on the devices, above 0 where a held gradient is not finite."""
        return non_finite_flags(held.gradient for held in self.held.values())

    def finite(self) -> bool:
        """Return whether all held gradients are finite."""
        return all_finite(held.gradient for held in self.held.values())

    def hold_private(self, task: str, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Hold a task's gradients of its private parameters until its weight is known."""
        held = self.private.setdefault(task, {})
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                key = id(parameter)
                held[key] = (parameter, held[key][1] + gradient if key in held else gradient)

    def private_failures(self, tasks: Sequence[str]) -> list[Tensor]:
        """Return scalars on the devices, above 0 where a gradient of private parameters is not finite."""
        return non_finite_flags(gradient for task in tasks for _, gradient in self.private.get(task, {}).values())

    def private_finite(self, tasks: Sequence[str], failures: Sequence[Tensor] | None = None) -> list[bool]:
        """Return for every task whether its gradients of private parameters are finite.

        Args:
            tasks: Names of the tasks.
            failures: `private_failures` of the tasks, if they are on the CPU already.
        """
        if not any(map(float, self.private_failures(tasks) if failures is None else failures)):
            return [True] * len(tasks)
        return [all_finite(gradient for _, gradient in self.private.get(task, {}).values()) for task in tasks]

    def weigh_outside(self, parameters: Mapping[int, Tensor], weights: Mapping[str, float]) -> None:
        """Hold the gradients of parameters that several tasks reach, times the tasks' weights, and not with those of private ones.

        Args:
            parameters: These parameters by their id.
            weights: Weight per task.
        """
        for task, weight in weights.items():
            held = self.private.get(task, {})
            for key in [key for key in held if key in parameters]:
                parameter, gradient = held.pop(key)
                self._hold(parameter, _times(gradient, weight), owned=False)

    def release_private(self, tasks: Sequence[str], weights: Sequence[float]) -> None:
        """Hold the gradients of the tasks' private parameters, times the tasks' weights."""
        for task, weight in zip(tasks, weights, strict=True):
            held = self.private.get(task, {}).values()
            gradients = [_times(gradient, weight) for _, gradient in held]
            self.add([parameter for parameter, _ in held], gradients)

    def flush(self, *, failed: bool = False) -> None:
        """Finish the step: add the held gradients to `.grad`, summed over all processes.

        Args:
            failed: Whether this process has failed; it then raises its own error afterwards.

        Raises:
            ConfigError: Another process has failed.
        """
        held, self.held = self.held, {}
        if not self.communicator.distributed:
            for owned in (True, False):
                entries = [entry for entry in held.values() if entry.owned == owned]
                add_to_grad([entry.parameter for entry in entries], [entry.gradient for entry in entries], owned=owned)
            return
        # A small all-reduce tells which parameters have a gradient in any process, so that the large one is limited to these, and a
        # parameter without gradients keeps a `.grad` of None in every process.
        failures, *reached = self.communicator.any([failed, *(key in held for key in self.trained)])
        if failed:
            return
        if failures:
            raise peer_failure()
        chosen = [key for key, anywhere in zip(self.trained, reached, strict=True) if anywhere]
        if chosen:
            flat = FlatParameters({str(number): self.trained[key] for number, key in enumerate(chosen)})
            vector = self.communicator.all_reduce(flat.flatten([held[key].gradient if key in held else None for key in chosen]))
            add_to_grad(flat.parameters, flat.views(vector), owned=True)


def _times(gradient: Tensor, weight: float) -> Tensor:
    if weight == 1.0:
        return gradient
    return gradient * weight if abs(weight) < LARGEST_WEIGHT else (gradient.double() * weight).to(gradient.dtype)


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


@lru_cache
def _one(device: torch.device) -> Tensor:
    return torch.ones((), device=device, dtype=torch.float32)  # whatever the default dtype is: the routine below takes no other


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Return whether all numbers of some tensors are finite.

    Example:
        >>> all_finite([torch.ones(2), torch.tensor([1.0, float("nan")])])
        False
    """
    return not any(map(float, non_finite_flags(tensors)))


def non_finite_flags(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return scalars on the devices of some tensors, one for each device and dtype, above 0 where a number is not finite.

    Example:
        >>> non_finite_flags([torch.ones(2), torch.tensor([1.0, float("nan")])])
        [tensor(1.)]
    """
    groups: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for tensor in tensors:
        dense = tensor.coalesce().values() if tensor.is_sparse else tensor
        groups.setdefault((dense.device, dense.dtype), []).append(dense.detach() if dense.requires_grad else dense)
    flags = []
    for (device, _), group in groups.items():
        # The one pass over a list of tensors that PyTorch has, which its loss scaler makes too; multiplying by 1 changes nothing. It takes
        # 6 µs for the gradients of a small network, where separate tests of every tensor take 40.
        found = torch.zeros((), device=device, dtype=torch.float32)
        torch._amp_foreach_non_finite_check_and_unscale_(group, found, _one(device))
        flags.append(found)
    return flags
