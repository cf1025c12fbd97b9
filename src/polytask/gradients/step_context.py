"""State shared by all steps: tasks, shared parameters, processes, loss scaler, and buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from polytask.errors import ConfigError
from polytask.gradients.primitives.communicator import Communicator
from polytask.gradients.primitives.flat_params import FlatParameters
from polytask.gradients.primitives.jacobian_buffer import JacobianBuffer
from polytask.gradients.primitives.reachability import Reachability, found_shared


class UndeclaredSharedError(ConfigError):
    """Several tasks reach parameters that are not declared as shared; `parameters` are these."""

    parameters: tuple[Tensor, ...] = ()


@dataclass
class StepContext:
    """Tasks, shared parameters, processes and buffers that the steps of one `Backward` have in common.

    Attributes:
        tasks: Names of all tasks, in order.
        communicator: Communicator of the processes.
        trained: All trained parameters of the model by their id; a single process adds what its losses reach.
        scaler: Loss scaler of mixed precision; `None` if there is none.
        shared: Shared parameters; `None` until they are known.
        batched: Whether the Jacobian's rows are computed by one batched backward pass from the representations.
        jacobians: Buffers for the Jacobian's rows by the number of the batch, reused from step to step.
        stacks: Buffers for the tasks' gradients by the number of the representation, reused as long as its shape is the same.
        last_weights: Weight per task of the last step whose condition had a solution.
        met: Tasks whose graphs have been walked once, to learn which parameters they reach.
        outside: Parameters that several tasks reach although they are not declared as shared, by their id.
    """

    tasks: tuple[str, ...]
    communicator: Communicator
    trained: dict[int, Tensor] = field(default_factory=dict)
    scaler: GradScaler | None = None
    shared: FlatParameters | None = None
    batched: bool = False
    jacobians: dict[int, JacobianBuffer] = field(default_factory=dict)
    stacks: dict[int, Tensor] = field(default_factory=dict)
    last_weights: dict[str, float] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)
    outside: dict[int, Tensor] = field(default_factory=dict)

    def meet(self, losses: Mapping[str, Tensor]) -> None:
        """Learn the parameters that tasks reach, when a task is met for the first time; several processes know them beforehand."""
        self.met.update(losses)
        if self.communicator.distributed:
            return
        declared = set() if self.shared is None else {id(parameter) for parameter in self.shared.parameters}
        reachability, seen = Reachability(), set[int]()
        for loss in losses.values():
            for leaf in reachability.leaves(loss):
                self.trained[id(leaf)] = leaf
                if id(leaf) in seen and self.shared is not None and id(leaf) not in declared:
                    self.outside[id(leaf)] = leaf
                seen.add(id(leaf))
        if reachability.met:
            # A compiled function reaches all parameters, whichever of its results is used, and a reentrant checkpoint shows none.
            self.outside.clear()
            return
        if self.shared is not None and self.shared.parameters and seen.isdisjoint(declared) and self.met.issuperset(self.tasks):
            remedy = "Pass the parameters of the network that computes these losses; a copy or a reloaded network has other ones"
            raise ConfigError("no loss reaches any of the shared parameters", where="shared", remedy=remedy)

    def refuse_outside(self) -> None:
        """Refuse shared parameters that are not declared as such.

        Raises:
            UndeclaredSharedError: There are such parameters.
        """
        outside = list(self.outside.values())
        if outside:
            found = f"{len(outside)} tensors, such as one of shape {tuple(outside[0].shape)}"
            remedy = "Add them to shared=, or say with outside='weighted' or outside='sum' what their gradients are"
            error = UndeclaredSharedError(
                "several tasks reach parameters that are not declared as shared", where="shared", found=found, remedy=remedy
            )
            error.parameters = tuple(outside)
            raise error

    def shared_parameters(self, losses: Mapping[str, Tensor]) -> FlatParameters:
        """Return the shared parameters, which are declared or found once in the graphs of a step with all tasks.

        Args:
            losses: Losses of this step, with their graphs.

        Raises:
            ConfigError: The shared parameters are not declared, and a task is absent in the step in which to find them.
        """
        if self.shared is None:
            absent = [task for task in self.tasks if task not in losses]
            if absent:
                remedy = "Name the shared parameters (shared=), or start with a step that has all tasks"
                raise ConfigError("shared parameters cannot be found while a task is absent", where=repr(absent[0]), remedy=remedy)
            self.shared = FlatParameters(found_shared(losses))
        return self.shared

    def jacobian(self, losses: Mapping[str, Tensor], batch: int = 0) -> JacobianBuffer:
        """Return an empty buffer for the Jacobian's rows of a step.

        Args:
            losses: Losses of this step, with their graphs.
            batch: Number of the batch, for steps with several batches.
        """
        if batch not in self.jacobians:
            self.jacobians[batch] = JacobianBuffer(self.shared_parameters(losses), self.tasks, self.communicator)
        self.jacobians[batch].clear()
        return self.jacobians[batch]

    def stack(self, feature: int, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return an uninitialized buffer for the tasks' gradients of a representation.

        Args:
            feature: Number of the representation.
            shape: Shape of the buffer.
            like: Tensor that has the dtype and device of the buffer.
        """
        kept = self.stacks.get(feature)
        if kept is None or kept.shape != torch.Size(shape) or kept.dtype != like.dtype or kept.device != like.device:
            self.stacks[feature] = torch.empty(*shape, dtype=like.dtype, device=like.device)
        return self.stacks[feature]

    def scaled(self, loss: Tensor) -> Tensor:
        """Return a loss, or the gradient from which its backward pass starts, multiplied by the scaler's factor."""
        return loss if self.scaler is None else self.scaler.scale(loss)

    @property
    def scale(self) -> float:
        """Factor by which the scaler has multiplied losses and their gradients."""
        return 1.0 if self.scaler is None else float(self.scaler.get_scale())
