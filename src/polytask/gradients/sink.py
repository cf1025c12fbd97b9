"""Where gradients go that need no combining: into `.grad`, at once or after all processes have added theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, final

import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.gradients.layout import Gradients, Layout
from polytask.gradients.processes import Traffic, another_failed
from polytask.gradients.sharing import add_to_grad


class Sink(Protocol):
    """Takes gradients in."""

    def backward(self, scalars: Sequence[Tensor], slopes: Sequence[Tensor], *, keep: bool) -> None:
        """Take in the gradient of Σ slope · scalar with respect to everything it reaches; keep graphs if asked."""

    def add(self, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Take in gradients of these parameters."""

    def flush(self, *, failed: bool = False) -> None:
        """The step is complete: everything taken in is in `.grad` now. Or it has failed here, and the others hear of it.

        Raises:
            ConfigError: It has failed in another process.
        """

    def discard(self) -> None:
        """Forget what a step that raised has left behind."""


@final
class ToGrad:
    """Straight into `.grad`."""

    def backward(self, scalars: Sequence[Tensor], slopes: Sequence[Tensor], *, keep: bool) -> None:
        """As `Tensor.backward` does."""
        torch.autograd.backward(scalars, slopes, retain_graph=keep)

    def add(self, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Add to `.grad`."""
        add_to_grad(parameters, gradients)

    def flush(self, *, failed: bool = False) -> None:
        """Nothing is left to do."""

    def discard(self) -> None:
        """Nothing is held back."""


@final
class ToAllProcesses:
    """Held back until the step is complete, then summed over all processes, and the same in each of them.

    Args:
        named: All trained parameters of the model, in the same order in every process.
        traffic: The processes.
    """

    def __init__(self, named: Mapping[str, Tensor], traffic: Traffic) -> None:
        self._named, self._traffic = dict(named), traffic
        self._parameters = tuple(named.values())
        self._place = {id(parameter): number for number, parameter in enumerate(self._parameters)}
        self._held: list[Tensor | None] = [None] * len(self._parameters)

    def backward(self, scalars: Sequence[Tensor], slopes: Sequence[Tensor], *, keep: bool) -> None:
        """The gradient with respect to all parameters of the model."""
        found = torch.autograd.grad(scalars, self._parameters, slopes, retain_graph=keep, allow_unused=True)
        self.add(self._parameters, found)

    def add(self, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Hold these back."""
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                place = self._place_of(parameter)
                held = self._held[place]
                self._held[place] = gradient if held is None else held + gradient

    def discard(self) -> None:
        """Forget what is held back."""
        self._held = [None] * len(self._parameters)

    def flush(self, *, failed: bool = False) -> None:
        """One small sum says which parameters have a gradient anywhere; one sum of these gradients follows."""
        failures, *met = self._traffic.any([failed, *(gradient is not None for gradient in self._held)])
        if failures:
            self.discard()
            if failed:
                return
            raise another_failed()
        chosen = [number for number, some in enumerate(met) if some]
        layout = Layout({str(number): self._parameters[number] for number in chosen})
        if chosen:
            vector = self._traffic.total(layout.flat([self._held[number] for number in chosen]))
            add_to_grad(layout.parameters, layout.views(vector), owned=True)
        self.discard()

    def _place_of(self, parameter: Tensor) -> int:
        place = self._place.get(id(parameter))
        if place is None:
            remedy = "Pass the network with all of its parameters (model=), and inputs that require no gradient"
            found = f"a tensor of shape {tuple(parameter.shape)}"
            raise ConfigError("a loss reaches what is no parameter of the model", where="model", found=found, remedy=remedy)
        return place
