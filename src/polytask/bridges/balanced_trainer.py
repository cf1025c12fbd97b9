"""`Backward` in the `Trainer` of Hugging Face Transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from polytask.bridges.accumulated_step import BalancedSteps, Counts, Losses, sum_of_means
from polytask.bridges.loop_processes import join_wrapped
from polytask.errors import ConfigError
from polytask.storage import has_state, load_state, save_state

FOLDER = "polytask"
"""Folder of the state of `Backward` in a checkpoint."""

if TYPE_CHECKING:

    class _Trainer:
        """What is used of a `Trainer`."""

        accelerator: Any
        args: Any
        state: Any
        current_gradient_accumulation_steps: int
        compute_loss_context_manager: Any
        _prepare_inputs: Any
        _get_output_dir: Any

        def get_batch_samples(self, *given: Any) -> Any:  # noqa: ANN401
            """Collect micro-batches."""

        def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:  # noqa: ANN401
            """Save a checkpoint."""

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
            """Load a checkpoint."""

else:
    _Trainer = object


class BalancedTrainer(BalancedSteps, _Trainer):
    """Base class, before `transformers.Trainer`, whose training step is a balancer's.

        class Balanced(pt.bridges.BalancedTrainer, transformers.Trainer):
            def task_losses(self, model, inputs):
                return {"intent": …, "slots": …}  # mean loss per task present

        trainer = Balanced(model=model, args=arguments, train_dataset=rows)
        trainer.balance(pt.Backward("upgrad", tasks=("intent", "slots"), shared=model.encoder, model=model))
        trainer.train()

    Clipping, accumulation, bf16, schedules, evaluation and checkpoints are the trainer's; the state of `Backward` is a folder in its
    checkpoints. Accumulated losses are means over micro-batches (`AccumulatedStep`), or over labeled units if `labeled_units` counts them.
    Evaluation reports the sum of the losses if `label_names` of the arguments says which inputs are labels.

    With several processes (`torchrun`, `accelerate launch`), `Backward` acts as one process on the rows of all of them (`AccumulatedStep`
    says what a task's loss then is), and does the communication in the place of `DistributedDataParallel`; it must know `shared` and
    `model`. FSDP, DeepSpeed and several devices in one process are refused.

    Example:
        >>> import torch
        >>> from polytask.gradients import Backward
        >>> class Balanced(BalancedTrainer):  # with a transformers.Trainer as the second base
        ...     def task_losses(self, model, inputs):
        ...         return {"a": model(inputs).square().mean()}
        >>> model, trainer = torch.nn.Linear(2, 1, bias=False), Balanced()
        >>> trainer.balance(Backward("equal", tasks=("a", "b"), model=model))
        >>> bool(trainer.compute_loss(model, torch.ones(4, 2)) == model(torch.ones(1, 2)) ** 2)
        True
    """

    _how_to_balance: ClassVar[str] = "Call trainer.balance(pt.Backward(...))"
    _counts: Counts | None = None

    def task_losses(self, model: nn.Module, inputs: Any) -> Losses:  # noqa: ANN401
        """Return the mean loss of each task that has labels in the batch, or `Loss` with `labeled_units`."""
        raise NotImplementedError

    def labeled_units(self, batches: Sequence[Any]) -> Counts | None:
        """Return the labeled units per task of all micro-batches of a step; `None` averages the means of the micro-batches."""
        del batches
        return None

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Any,  # noqa: ANN401
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:  # noqa: ANN401
        """Return the sum of the tasks' mean losses, and nothing as outputs."""
        del num_items_in_batch
        total = sum_of_means(self.task_losses(model, inputs))
        return (total, {}) if return_outputs else total

    def get_batch_samples(self, *given: Any) -> Any:  # noqa: ANN401
        """Collect the micro-batches of a step, and count their labeled units."""
        samples, items = super().get_batch_samples(*given)
        self._counts = self.labeled_units(samples)
        return samples, items

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Tensor | int | None = None) -> Tensor:  # noqa: ANN401
        """Take a micro-batch: forward in the trainer's precision, and the balancer's backward pass.

        Raises:
            ConfigError: There are several devices in one process, or processes that do not use `DistributedDataParallel`; or the
                trainer scales losses and `Backward` does not know its scaler; or the micro-batches of a step have losses of different
                tasks.
        """
        del num_items_in_batch
        self._check(model)
        model.train()
        with self.compute_loss_context_manager():
            losses = self.task_losses(model, self._prepare_inputs(inputs))
        parts, last = self.current_gradient_accumulation_steps, self.accelerator.sync_gradients
        self._steps().take(losses, parts=parts, last=last, counts=self._counts)
        return sum_of_means(losses).detach() / parts

    def _check(self, model: nn.Module) -> None:
        if self.args.n_gpu > 1:
            remedy = "Start a process per device: torchrun --nproc-per-node"
            raise ConfigError("a process balances on one device", where="Trainer", found=self.args.n_gpu, remedy=remedy)
        if self.accelerator.num_processes > 1:
            join_wrapped(self.balanced, model, "Trainer")
        if self.accelerator.scaler is not None and self.balanced.scaler is not self.accelerator.scaler:
            remedy = "Write Backward(scaler=trainer.accelerator.scaler), or use bf16"
            raise ConfigError("the trainer scales losses, which the balancer must not see", where="fp16", remedy=remedy)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:  # noqa: ANN401
        super()._save_checkpoint(model, trial)
        folder = Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}"
        if self.args.should_save:
            save_state(folder / FOLDER, self.balanced.state_dict())

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        folder = Path(resume_from_checkpoint) / FOLDER
        if has_state(folder):
            self.balanced.load_state_dict(load_state(folder))
