"""What stays the same from step to step: the tasks, the shared parameters, the processes, the loss scaler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from polytask.errors import ConfigError
from polytask.gradients.layout import Layout
from polytask.gradients.processes import Traffic
from polytask.gradients.rows import Rows
from polytask.gradients.sharing import found_shared
from polytask.gradients.sink import Sink


@dataclass
class Setting:
    """Where a step's gradients come from and go to.

    Attributes:
        tasks: All of them, in order.
        traffic: The processes.
        sink: Where gradients go that need no combining.
        scaler: The loss scaler, if there is one.
        shared: The layout of the shared parameters; none until they are known.
        batched: Whether the rows of all tasks are walked in one batched backward, from the representations on.
    """

    tasks: tuple[str, ...]
    traffic: Traffic
    sink: Sink
    scaler: GradScaler | None = None
    shared: Layout | None = None
    batched: bool = False

    def __post_init__(self) -> None:
        self._rows: dict[int, Rows] = {}
        self._buffers: dict[int, Tensor] = {}

    def layout(self, parts: Mapping[str, Tensor]) -> Layout:
        """The layout of the shared parameters: declared, or read off the graphs of a step with all tasks, once.

        Raises:
            ConfigError: A task is absent in the step that should show what is shared.
        """
        if self.shared is None:
            absent = [task for task in self.tasks if task not in parts]
            if absent:
                remedy = "Name the shared parameters (shared=), or start with a step that has all tasks"
                raise ConfigError("shared parameters cannot be found while a task is absent", where=repr(absent[0]), remedy=remedy)
            self.shared = Layout(found_shared(parts))
        return self.shared

    def rows(self, parts: Mapping[str, Tensor], batch: int = 0) -> Rows:
        """The buffer for the step's rows, of its first or of a further batch: kept from step to step."""
        if batch not in self._rows:
            self._rows[batch] = Rows(self.layout(parts), self.tasks, self.traffic)
        self._rows[batch].clear()
        return self._rows[batch]

    def buffer(self, number: int, shape: Sequence[int], like: Tensor) -> Tensor:
        """An uninitialised tensor of that shape, kept from step to step for as long as the shape stays."""
        kept = self._buffers.get(number)
        if kept is None or kept.shape != torch.Size(shape) or kept.dtype != like.dtype or kept.device != like.device:
            self._buffers[number] = torch.empty(*shape, dtype=like.dtype, device=like.device)
        return self._buffers[number]

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss as it is walked."""
        return loss if self.scaler is None else self.scaler.scale(loss)

    @property
    def scale(self) -> float:
        """What the gradients of walked losses are too large by."""
        return 1.0 if self.scaler is None else float(self.scaler.get_scale())
