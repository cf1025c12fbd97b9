"""`Backward` in loops that use Hugging Face Accelerate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import distributed

from polytask.bridges.accumulated_step import AccumulatedStep, Counts, Losses
from polytask.bridges.loop_processes import check_same_weights
from polytask.errors import ConfigError
from polytask.gradients import Backward, Report


class AcceleratedBackward:
    """`Backward` that takes the place of `accelerator.backward(loss)`.

        balanced = pt.bridges.AcceleratedBackward(accelerator, pt.Backward("upgrad", tasks=tasks, shared=model.trunk, model=model))
        for batch in loader:
            with accelerator.accumulate(model):
                balanced(losses_of(model, batch))

    Accumulation is that of the accelerator (`gradient_accumulation_steps`, see `AccumulatedStep`), and the state of the balancer is part of
    `accelerator.save_state` and `load_state`.

    With several processes, `Backward` acts as one process on the rows of all of them (`AccumulatedStep` says what a task's loss then is),
    and does the communication; it must know `shared` and `model`. The network may be prepared, which gives all processes the same
    weights, or not; a prepared one with `find_unused_parameters` is called within `accelerator.no_sync(model)`. FSDP and DeepSpeed are
    refused.

    Args:
        accelerator: Accelerator of the loop.
        backward: Backward pass; with float16, its `scaler` is `accelerator.scaler`.

    Raises:
        ConfigError: The accelerator scales losses and `backward` does not know its scaler; or there are several processes, and they
            share a network, or `backward` does not know `shared` and `model`.

    Example:
        >>> import torch
        >>> from polytask.gradients import Backward
        >>> class OneProcess:  # what is used of an accelerate.Accelerator
        ...     num_processes, scaler, gradient_accumulation_steps, sync_gradients = 1, None, 1, True
        ...     def register_for_checkpointing(self, *objects): ...
        >>> trunk = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> balanced = AcceleratedBackward(OneProcess(), Backward("equal", tasks=("a", "b")))
        >>> balanced({"a": (trunk**2).sum(), "b": trunk.sum()}).weights
        {'a': 1.0, 'b': 1.0}
    """

    def __init__(self, accelerator: Any, backward: Backward) -> None:  # noqa: ANN401 - its library is not imported
        if accelerator.scaler is not None and backward.scaler is not accelerator.scaler:
            remedy = "Write Backward(scaler=accelerator.scaler)"
            raise ConfigError("the accelerator scales losses, which the balancer must not see", where="backward", remedy=remedy)
        if accelerator.num_processes > 1:
            kind = str(getattr(accelerator.distributed_type, "value", accelerator.distributed_type))
            if not kind.startswith("MULTI_"):
                remedy = "Use processes with a whole network each (accelerate launch --multi_gpu or --cpu)"
                raise ConfigError("several processes need a whole network each", where="accelerator", found=kind, remedy=remedy)
            world = distributed.group.WORLD
            if backward.group is None and world is not None:
                backward.join(world)
        self.accelerator, self.backward = accelerator, backward
        self._step = None if backward.asks_again else AccumulatedStep(backward)
        self._compared = False
        accelerator.register_for_checkpointing(self)

    def __call__(
        self,
        losses: Losses | Callable[[Any], Losses],
        batches: Sequence[Any] = (),
        *,
        counts: Counts | None = None,
        **given: Any,  # noqa: ANN401
    ) -> Report:
        """Add the gradients of a batch, or of a micro-batch, to `.grad`.

        Args:
            losses: Mean loss per task present; or a function that returns them for one of `batches`.
            batches: Arguments of that function, as many as the balancer takes.
            counts: Labeled units per task of the whole step, if it has several micro-batches that label different numbers of units.
            **given: Other arguments of `Backward`.

        Raises:
            ConfigError: See `Backward`; or the micro-batches of a step have losses of different tasks; or several processes begin with
                different weights.
        """
        if not self._compared:
            check_same_weights(self.backward)
            self._compared = True
        if self._step is None or not isinstance(losses, Mapping):
            return self.backward(losses, batches, counts=counts, **given)
        parts, last = self.accelerator.gradient_accumulation_steps, self.accelerator.sync_gradients
        return self._step.take(losses, parts=parts, last=last, counts=counts, **given)

    def after_step(self) -> None:
        """Update balancers that evaluate the losses again after the update; to be called after `optimizer.step()`."""
        self.backward.after_step()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of `backward`."""
        return self.backward.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of `backward`."""
        self.backward.load_state_dict(state)
