"""Hugging Face `Trainer`: the gradients of the bare loop to the bit, and its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.bridges.bare_loop import BALANCERS, TASKS, Net, Setting, Trace, backward_of, bare_loop, losses_of, rows
from torch import Tensor, nn

import polytask as pt
from polytask.bridges import BalancedTrainer
from polytask.errors import ConfigError

pytest.importorskip("accelerate")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.slow
SETTINGS = {
    "plain": Setting(),
    "clipped": Setting(clip=0.5),
    "accumulated": Setting(parts=2),
    "bf16": Setting(bf16=True),
    "all": Setting("pcgrad", clip=0.5, parts=2, bf16=True),
    **{name: Setting(name) for name in BALANCERS if name != "upgrad"},
}


class Wrapped(nn.Module):
    """A network as the trainer wants it: a function of what the collator returns."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, values: Tensor) -> dict[str, Tensor]:
        return self.net(values)  # type: ignore[no-any-return]


class Balanced(BalancedTrainer, transformers.Trainer):  # type: ignore[misc, name-defined]
    """A trainer that sees its rows in order, and writes down its gradients."""

    trace: Trace

    def task_losses(self, model: nn.Module, inputs: Any) -> dict[str, Tensor]:
        return losses_of(lambda batch: model(values=batch), inputs["values"])

    def _get_train_sampler(self, *given: Any) -> Any:
        return torch.utils.data.SequentialSampler(self.train_dataset)


class Note(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
    """Writes down the gradients that the optimizer sees."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **given: Any) -> None:
        self.trace.note(model.net)


def trainer_of(setting: Setting, folder: Path, kind: Any = Balanced, **given: Any) -> Any:
    args = transformers.TrainingArguments(
        folder,
        **{
            "use_cpu": True,
            "num_train_epochs": setting.epochs,
            "per_device_train_batch_size": 8,
            "gradient_accumulation_steps": setting.parts,
            "max_grad_norm": setting.clip or 0.0,
            "bf16": setting.bf16,
            "learning_rate": 0.01,
            "lr_scheduler_type": "constant",
            "optim": "adamw_torch",
            "report_to": "none",
            "save_strategy": "no",
            "disable_tqdm": True,
            "remove_unused_columns": False,
            **given,
        },
    )
    model = Wrapped()
    trace = Trace([], [])
    optimizers = (torch.optim.Adam(model.parameters(), lr=0.01), None)
    data = [{"values": row} for row in rows()]
    trainer = kind(model=model, args=args, train_dataset=data, optimizers=optimizers, callbacks=[Note(trace)])
    trainer.trace = trace
    trainer.balance(backward_of(setting.balancer, model.net))
    return trainer


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
def test_gradients_are_those_of_the_bare_loop(tmp_path: Path, setting: Setting) -> None:
    """The trainer divides the last step of an epoch by the micro-batches that it has."""
    trainer = trainer_of(setting, tmp_path)
    trainer.train()
    assert trainer.trace.end(trainer.model.net).equals(bare_loop(setting, divide_by="step"))


def test_a_resumed_run_goes_on_to_the_bit(tmp_path: Path) -> None:
    setting = Setting("moco")
    first = trainer_of(Setting("moco", epochs=1), tmp_path, save_strategy="epoch")
    first.train()
    assert (tmp_path / "checkpoint-5" / "polytask").is_dir()
    resumed = trainer_of(setting, tmp_path)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-5"))
    first.trace.grads += resumed.trace.grads
    assert first.trace.end(resumed.model.net).equals(bare_loop(setting))


class Counted(Balanced):
    """Counts rows instead of micro-batches."""

    def task_losses(self, model: nn.Module, inputs: Any) -> Any:
        size = len(inputs["values"])
        return {task: pt.Loss(loss * size, size) for task, loss in super().task_losses(model, inputs).items()}

    def labeled_units(self, batches: Any) -> dict[str, int]:
        return dict.fromkeys(TASKS, sum(len(batch["values"]) for batch in batches))


def test_units_may_be_counted(tmp_path: Path) -> None:
    """A step of one micro-batch of 16 rows, or of two of 8: the same up to the order of sums."""
    parts = trainer_of(Setting(parts=2, epochs=1), tmp_path, Counted)
    whole = trainer_of(Setting(epochs=1), tmp_path, Counted, per_device_train_batch_size=16)
    for trainer in (parts, whole):
        trainer.train()
    for ours, theirs in zip(parts.trace.grads[0], whole.trace.grads[0], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_evaluation_reports_the_sum_of_losses(tmp_path: Path) -> None:
    trainer = trainer_of(Setting(), tmp_path, label_names=["values"])
    found = trainer.evaluate([{"values": row} for row in rows()[:8]])["eval_loss"]
    with torch.no_grad():
        assert found == pytest.approx(float(sum(losses_of(trainer.model.net, rows()[:8]).values())), rel=1e-6)


def test_balancers_that_evaluate_losses_again_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="evaluates losses more than once"):
        trainer_of(Setting("famo"), tmp_path)
