"""`Backward` in a `LightningModule`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from polytask.bridges.accumulated_step import BalancedSteps, Losses, sum_of_means
from polytask.bridges.loop_processes import join_wrapped
from polytask.errors import ConfigError
from polytask.gradients import Report

STATE_KEY = "polytask"
"""Key of the state of `Backward` in a checkpoint."""

if TYPE_CHECKING:

    class _Module:
        """What is used of a `LightningModule`."""

        trainer: Any

        def log_dict(self, values: Mapping[str, Any]) -> None:
            """Log values."""

else:
    _Module = object


class BalancedModule(BalancedSteps, _Module):
    """Base class, before `LightningModule`, whose `backward` hook is a balancer.

        class Net(pt.bridges.BalancedModule, lightning.LightningModule):
            def __init__(self):
                super().__init__()
                self.trunk, self.heads = …
                self.balance(pt.Backward("upgrad", tasks=("a", "b"), shared=self.trunk, model=self))

            def task_losses(self, batch):
                return {"a": …, "b": …}  # mean loss per task present

    The rest stays Lightning's: optimization is automatic, so that `Trainer(gradient_clip_val=…, accumulate_grad_batches=…, precision=…)`,
    schedulers and callbacks work as always. The state of `Backward` is in the checkpoints of the trainer. Accumulated losses are means over
    micro-batches (`AccumulatedStep`). Losses and weights of each step are logged under the names of `Report.log_values`.

    With several processes of the strategy `ddp`, `Backward` acts as one process on the rows of all of them (`AccumulatedStep` says what a
    task's loss then is), and does the communication in the place of `DistributedDataParallel`; it must know `shared` and `model`. Other
    strategies of several processes are refused: they split the network, or average gradients that are balanced already.

    Example:
        >>> import torch
        >>> from polytask.gradients import Backward
        >>> class Net(BalancedModule, torch.nn.Module):  # a LightningModule in the place of torch.nn.Module
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.trunk = torch.nn.Linear(2, 2)
        ...         self.balance(Backward("equal", tasks=("a", "b"), model=self))
        >>> Net().balanced
        Backward(Equal(), tasks=('a', 'b'))
    """

    _how_to_balance: ClassVar[str] = "Call self.balance(pt.Backward(...)) in __init__"
    _losses: Losses

    def task_losses(self, batch: Any) -> Losses:  # noqa: ANN401
        """Return the mean loss of each task that has labels in the batch."""
        raise NotImplementedError

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ANN401
        """Compute the losses of the tasks, and return their sum, which the trainer shows."""
        del batch_idx
        self._losses = self.task_losses(batch)
        return sum_of_means(self._losses).detach()

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Fill `.grad` from the losses of the last `training_step` with the balancer; the sum of losses is not used."""
        del loss, args, kwargs
        parts = self.trainer.accumulate_grad_batches
        last = self.trainer.is_last_batch or (self.trainer.fit_loop.batch_idx + 1) % parts == 0
        losses, self._losses = self._losses, {}
        report = self._steps().take(losses, parts=parts, last=last)
        if last:
            self.log_report(report)

    def log_report(self, report: Report) -> None:
        """Log the losses and weights of a step; override it to log something else."""
        self.log_dict(report.log_values())

    def on_fit_start(self) -> None:
        """Join the other processes of the trainer, and check that the balancer sees what it needs.

        Raises:
            ConfigError: The trainer's processes are not those of `ddp`, or `Backward` does not know `shared` and `model`, which several
                processes need; or the trainer scales losses and `Backward` does not know its scaler.
        """
        if self.trainer.world_size > 1:
            join_wrapped(self.balanced, self.trainer.strategy.model, "Trainer(strategy=...)")
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is not None and self.balanced.scaler is not scaler:
            remedy = "Write Trainer(plugins=MixedPrecision('16-mixed', 'cuda', scaler)) and Backward(scaler=scaler)"
            raise ConfigError("the trainer scales losses, which the balancer must not see", where="precision", remedy=remedy)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the backward pass to a checkpoint."""
        checkpoint[STATE_KEY] = self.balanced.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of the backward pass from a checkpoint; one without it leaves the balancer as it is."""
        if STATE_KEY in checkpoint:
            self.balanced.load_state_dict(checkpoint[STATE_KEY])
