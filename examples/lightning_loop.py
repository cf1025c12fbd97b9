"""Balance two opposed tasks in a LightningModule: python examples/lightning_loop.py [epochs]."""

from __future__ import annotations

import sys

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional

import polytask as pt

Batch = tuple[Tensor, Tensor, Tensor]


class Net(pt.bridges.BalancedModule, lightning.LightningModule):  # type: ignore[misc]
    """A trunk with two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(8, 32), nn.ReLU())
        self.heads = nn.ModuleDict({"price": nn.Linear(32, 1), "sold": nn.Linear(32, 1)})
        self.balance(pt.Backward("upgrad", tasks=("price", "sold"), shared=self.trunk, model=self))

    def task_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean loss of each task."""
        rows, price, sold = batch
        features = self.trunk(rows)
        logits = self.heads["sold"](features)[:, 0]
        return {
            "price": functional.mse_loss(self.heads["price"](features)[:, 0], price),
            "sold": functional.binary_cross_entropy_with_logits(logits, sold),
        }

    def validation_step(self, batch: Batch) -> None:
        """Log the losses under the names of loggers."""
        self.log_dict({f"val/{task}/loss": loss for task, loss in self.task_losses(batch).items()}, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


def main() -> None:
    """Train with clipping and accumulation, which are Lightning's own."""
    lightning.seed_everything(0)
    rows = torch.randn(1024, 8)
    price = rows[:, 0] - rows[:, 1]
    data = torch.utils.data.TensorDataset(rows, price, (price < 0).float())
    train, validation = torch.utils.data.random_split(data, [768, 256])
    loaders = [torch.utils.data.DataLoader(part, batch_size=32, shuffle=part is train) for part in (train, validation)]
    epochs = int((*sys.argv, "5")[1])
    trainer = lightning.Trainer(max_epochs=epochs, gradient_clip_val=1.0, accumulate_grad_batches=2, accelerator="cpu", logger=False)
    trainer.fit(Net(), *loaders)
    print({name: round(float(value), 3) for name, value in trainer.callback_metrics.items() if name.startswith("val/")})


if __name__ == "__main__":
    main()
