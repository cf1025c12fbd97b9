"""Compare architectures on Multi-(Fashion+MNIST) with single-task training, with equal parameters and equal budget.

    python benchmarks/multi_fashion_mnist_architectures.py [--seeds 5] [--epochs 40] [--size sample] [--out
    runs/benchmark-multi-fashion-mnist]

Single-task training has a LeNet with a head per task (10 and 20 channels, 50 units: twice 24,390 parameters). Every other arm has the same
total number of parameters: the width of its encoder is chosen accordingly. Recon chooses its layers in its first phase, so it is sized as
if the last of three layers were split. The sample has 2,000 training and 4,000 test images; `--size full --epochs 8
--seeds 3` takes an hour.
"""

from __future__ import annotations

from typing import Any

from architecture_study import arguments, run, table
from polytask.architectures import NetworkPlan
from polytask.architectures.network.model_cost import count_parameters
from polytask.datasets import get_dataset
from polytask.tasks import Task

SHAPE, HIDDEN, EPOCHS = (1, 28, 28), (50,), 40
SHARINGS = ("hard", "cross-stitch", "mmoe(experts=3)", "ple", "adapters", "recon(split_fraction=0.34)")
SIZED_AS = {"recon(split_fraction=0.34)": "task-layers(paths=[third.1])"}


def options_of(width: float) -> dict[str, Any]:
    """Return the options of a LeNet whose layers are `width` times as wide as the usual ones."""
    return {"channels": [max(1, round(10 * width)), max(1, round(20 * width))], "features": max(2, round(50 * width))}


def parameters(sharing: str, width: float, tasks: tuple[Task, ...]) -> int:
    """Return the number of parameters of a network of this width."""
    return count_parameters(NetworkPlan("lenet", SHAPE, options_of(width), sharing, HIDDEN).build(tasks, seed=0))


def arm(sharing: str, tasks: tuple[Task, ...]) -> str:
    """Return the arm whose number of parameters is closest to that of two LeNets."""
    wanted = sum(parameters("hard", 1.0, (task,)) for task in tasks)
    widths = [step / 50 for step in range(20, 101)]
    width = min(widths, key=lambda width: abs(parameters(SIZED_AS.get(sharing, sharing), width, tasks) - wanted))
    spelled = ", ".join(f"{name}={value}" for name, value in options_of(width).items())
    return f"equal@{sharing}@encoder({spelled})"


def config() -> dict[str, Any]:
    """Return the configuration of the study."""
    tasks = get_dataset("multi-fashion-mnist", "full").tasks()
    return {
        "source": "multi-fashion-mnist",
        "size": "sample",
        "encoder": "lenet",
        "arms": ("single", *(arm(sharing, tasks) for sharing in SHARINGS)),
        "hidden": HIDDEN,
        "training": {
            "epochs": EPOCHS,
            "lr": 2e-3,
            "scheduler": "CosineAnnealingLR",
            "scheduler_options": {"T_max": EPOCHS},
            "patience": None,
        },
    }


if __name__ == "__main__":
    folder = run(config(), arguments(__doc__, seeds=5))
    print(table(folder, {"digit": "accuracy", "garment": "accuracy"}))
