"""What stays the same from step to step: tasks, shared parameters, processes, loss scaler, and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from polytask.errors import ConfigError
from polytask.gradients.primitives.communicator import Communicator
from polytask.gradients.primitives.flat_params import FlatParameters
from polytask.gradients.primitives.jacobian import JacobianBuffer
from polytask.gradients.primitives.reachability import found_shared


@dataclass
class StepContext:
    """Where the gradients of steps come from and go to.

    Attributes:
        tasks: All of them, in order.
        communicator: The processes.
        trained: By their id all trained parameters of the model, where there are several processes.
        scaler: The loss scaler, if there is one.
        shared: The shared parameters; None until they are known.
        batched: Whether the rows of all tasks are taken in one batched backward, from the representations on.
        jacobians: Per batch of a step the buffer for the tasks' rows, kept from step to step.
        stacks: Per representation memory for the tasks' gradients of it, kept for as long as its shape stays.
    """

    tasks: tuple[str, ...]
    communicator: Communicator
    trained: Mapping[int, Tensor] = field(default_factory=dict)
    scaler: GradScaler | None = None
    shared: FlatParameters | None = None
    batched: bool = False
    jacobians: dict[int, JacobianBuffer] = field(default_factory=dict)
    stacks: dict[int, Tensor] = field(default_factory=dict)

    def shared_parameters(self, losses: Mapping[str, Tensor]) -> FlatParameters:
        """Return the shared parameters: declared, or read off the graphs of a step with all tasks, once.

        Args:
            losses: Of this step, with their graphs.

        Raises:
            ConfigError: They are not declared, and a task is absent in the step that should show what is shared.
        """
        if self.shared is None:
            absent = [task for task in self.tasks if task not in losses]
            if absent:
                remedy = "Name the shared parameters (shared=), or start with a step that has all tasks"
                raise ConfigError("shared parameters cannot be found while a task is absent", where=repr(absent[0]), remedy=remedy)
            self.shared = FlatParameters(found_shared(losses))
        return self.shared

    def jacobian(self, losses: Mapping[str, Tensor], batch: int = 0) -> JacobianBuffer:
        """Return an empty buffer for the rows of a step.

        Args:
            losses: Of this step, with their graphs.
            batch: Number of the batch, for steps that compare several.
        """
        if batch not in self.jacobians:
            self.jacobians[batch] = JacobianBuffer(self.shared_parameters(losses), self.tasks, self.communicator)
        self.jacobians[batch].clear()
        return self.jacobians[batch]

    def stack(self, feature: int, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return uninitialized memory of that shape for the gradients of a representation."""
        kept = self.stacks.get(feature)
        if kept is None or kept.shape != torch.Size(shape) or kept.dtype != like.dtype or kept.device != like.device:
            self.stacks[feature] = torch.empty(*shape, dtype=like.dtype, device=like.device)
        return self.stacks[feature]

    def scaled(self, loss: Tensor) -> Tensor:
        """Return a loss, or the slope from which its walk starts, multiplied by the scaler's factor."""
        return loss if self.scaler is None else self.scaler.scale(loss)

    @property
    def scale(self) -> float:
        """Factor by which the gradients of scaled losses are too large."""
        return 1.0 if self.scaler is None else float(self.scaler.get_scale())
