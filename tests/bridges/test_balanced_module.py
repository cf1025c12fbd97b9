"""Lightning: the gradients of the bare loop to the bit, and its checkpoints."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.bridges.bare_loop import BALANCERS, Net, Setting, Trace, backward_of, bare_loop, losses_of, losses_with_gaps, rows
from torch import Tensor

from polytask.bridges import BalancedModule
from polytask.errors import ConfigError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.*:FutureWarning"),  # Lightning's use of PyTorch
]
SETTINGS = {
    "plain": Setting(),
    "clipped": Setting(clip=0.5),
    "accumulated": Setting(parts=2),
    "bf16": Setting(bf16=True),
    "all": Setting("pcgrad", clip=0.5, parts=2, bf16=True),
    **{name: Setting(name) for name in BALANCERS if name != "upgrad"},
}


@pytest.fixture(scope="module")
def lightning() -> Any:
    with warnings.catch_warnings(action="ignore"):
        found = pytest.importorskip("lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    return found


def module_of(lightning: Any, setting: Setting) -> Any:
    """A module that writes down its gradients."""

    class Module(BalancedModule, lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net, self.trace = Net(), Trace([], [])
            self.balance(backward_of(setting.balancer, self.net))

        def task_losses(self, batch: Tensor) -> Any:
            return losses_with_gaps(self.net, batch) if setting.gaps else losses_of(self.net, batch)

        def configure_gradient_clipping(self, optimizer: Any, **given: Any) -> None:
            super().configure_gradient_clipping(optimizer, **given)
            self.trace.note(self.net)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.net.parameters(), lr=0.01)

    return Module()


def trainer_of(lightning: Any, setting: Setting, folder: Path, **given: Any) -> Any:
    return lightning.Trainer(
        accelerator="cpu",
        accumulate_grad_batches=setting.parts,
        gradient_clip_val=setting.clip,
        precision="bf16-mixed" if setting.bf16 else "32-true",
        default_root_dir=folder,
        **{
            "max_epochs": setting.epochs,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            **given,
        },
    )


def loader() -> Any:
    return torch.utils.data.DataLoader(rows(), batch_size=8)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
def test_gradients_are_those_of_the_bare_loop(lightning: Any, tmp_path: Path, setting: Setting) -> None:
    module = module_of(lightning, setting)
    trainer_of(lightning, setting, tmp_path).fit(module, loader())
    assert module.trace.end(module.net).equals(bare_loop(setting))


def test_a_resumed_run_goes_on_to_the_bit(lightning: Any, tmp_path: Path) -> None:
    setting = Setting("moco")
    first = module_of(lightning, setting)
    trainer = trainer_of(lightning, Setting("moco", epochs=1), tmp_path)
    trainer.fit(first, loader())
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    resumed = module_of(lightning, setting)
    trainer_of(lightning, setting, tmp_path).fit(resumed, loader(), ckpt_path=tmp_path / "one.ckpt")
    first.trace.grads += resumed.trace.grads
    assert first.trace.end(resumed.net).equals(bare_loop(setting))


def test_losses_and_weights_are_logged(lightning: Any, tmp_path: Path) -> None:
    from lightning.pytorch.loggers import CSVLogger

    logger = CSVLogger(tmp_path)
    trainer_of(lightning, Setting(), tmp_path, logger=logger, log_every_n_steps=1).fit(module_of(lightning, Setting()), loader())
    header = (Path(logger.log_dir) / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train/up/loss", "train/down/loss", "weight/up", "weight/down", "cosine/up/down"} <= set(header)


def test_balancers_that_evaluate_losses_again_are_refused(lightning: Any) -> None:
    with pytest.raises(ConfigError, match="evaluates losses more than once"):
        module_of(lightning, Setting("famo"))
