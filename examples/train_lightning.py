"""Study a LightningModule that balances its tasks: python examples/train_lightning.py 5, the number of seeds."""

import sys

import lightning
import torch
from sklearn.datasets import load_diabetes

import polytask as pt


class Net(pt.bridges.BalancedModule, lightning.LightningModule):  # type: ignore[misc] # noqa: D101
    def __init__(self, tasks: tuple[pt.Task, ...]) -> None:
        super().__init__()
        self.tasks, self.trunk = tasks, torch.nn.Sequential(torch.nn.BatchNorm1d(9), torch.nn.Linear(9, 64), torch.nn.ReLU())
        self.heads = torch.nn.ModuleDict({task.name: torch.nn.Linear(64, task.outputs) for task in tasks})
        self.balance(pt.Backward("upgrad", tasks=tuple(self.heads), shared=self.trunk, model=self))

    def task_losses(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:  # noqa: D102
        features = self.trunk(batch["rows"])
        return {task.name: task.loss_per_unit(self.heads[task.name](features), batch[task.name]).mean() for task in self.tasks}

    def configure_optimizers(self) -> torch.optim.Optimizer:  # noqa: D102
        return torch.optim.Adam(self.parameters(), 3e-3)


def train(request: pt.TrainingRequest) -> dict[str, pt.Outputs]:
    """Train one module for the tasks of the request, and return its outputs."""
    lightning.seed_everything(request.seed)
    (rows,), (test,) = request.training.values(), request.test.values()
    targets = {task.name: torch.from_numpy(task.encode(rows.labels[task.name]).values) for task in request.tasks}
    data = torch.utils.data.StackDataset(rows=torch.from_numpy(rows.inputs).float(), **targets)  # type: ignore[arg-type]
    net, quiet = Net(request.tasks), {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    lightning.Trainer(max_epochs=request.epochs, **quiet).fit(net, torch.utils.data.DataLoader(data, batch_size=32, shuffle=True))
    return {name: pt.Outputs(head(net.eval().trunk(torch.from_numpy(test.inputs).float())).detach()) for name, head in net.heads.items()}


if __name__ == "__main__":
    pt.add_import_path(sys.path[0])  # other processes import train from this file
    print(pt.study(load_diabetes(as_frame=True).frame, targets=["target", "bp"], train="train_lightning:train", seeds=int(sys.argv[1])))
