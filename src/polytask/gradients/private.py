"""The tasks' gradients of their private parameters, accumulated over the micro-batches of a step."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from polytask.gradients.layout import Gradients
from polytask.gradients.sink import Sink


class Private:
    """Per task the parameters that it reaches beside the shared ones, with their gradients.

    Which these are is asked at every step: a task may reach one part of the network now and another later.
    """

    def __init__(self) -> None:
        self._parameters: dict[str, dict[int, Tensor]] = {}
        self._gradients: dict[str, dict[int, Tensor]] = {}

    def add(self, task: str, parameters: Sequence[Tensor], gradients: Gradients) -> None:
        """Add to the task's gradients."""
        known, held = self._parameters.setdefault(task, {}), self._gradients.setdefault(task, {})
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                key = id(parameter)
                known[key] = parameter
                held[key] = held[key] + gradient if key in held else gradient

    def fill(self, sink: Sink, tasks: Sequence[str], weights: Sequence[float]) -> None:
        """Hand them to the sink, weighted."""
        for task, weight in zip(tasks, weights, strict=True):
            held = self._gradients.get(task, {})
            gradients = [gradient if weight == 1.0 else gradient * weight for gradient in held.values()]
            sink.add([self._parameters[task][key] for key in held], gradients)
