"""Train the residual network, which has batch normalization, on two sources of images: statistics per source and in common.

    python benchmarks/batch_normalization.py [--epochs 10] [--seeds 1]

The sources are MNIST with Fashion-MNIST, and MNIST with inverted Fashion-MNIST, from the sample that ships. For each network the program
prints the validation accuracy of every epoch, and the test accuracy in evaluation mode and in training mode, that is with the statistics of
test batches of 200 images: where the statistics fit the source, the two differ little.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

import polytask as pt
from polytask.data import Source
from polytask.datasets.mnist_fashion import MnistFashion
from polytask.training import FitResult, fit
from polytask.training.preparation.prepared_data import prepare_source

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
TEST_BATCH = 200
COLLAPSED = 0.2


def inverted(source: Source) -> Source:
    """Return a source with inverted images, if it is the one of garments."""
    return source if source.name == "mnist" else replace(source, inputs=255 - source.inputs)


def train(sources: Sequence[Source], tasks: Sequence[pt.tasks.Task], epochs: int, seed: int, *, common: bool = False) -> FitResult:
    """Train one network; `common` keeps one set of statistics for all sources."""
    model = pt.MultiTaskModel("resnet", tasks, input_shape=(1, 28, 28), seed=seed)
    if common:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.source_independent_buffers = STATISTICS  # type: ignore[assignment]
    return fit(model, sources, seed=seed, epochs=epochs, patience=None, threads=1)


def accuracy(run: FitResult, source: Source, task: pt.tasks.Task, *, training: bool) -> float:
    """Return the accuracy on test images in evaluation mode, or in training mode without updating the network."""
    rows = prepare_source(source, [task], run.normalizations[source.name]).rows
    targets = rows.targets[task.name]
    kept = {name: values.clone() for name, values in run.model.state_dict().items()}
    run.model.train(training)
    right = 0
    with torch.no_grad():
        for part in torch.split(torch.arange(len(rows)), TEST_BATCH):
            batch = rows.take(part)
            inputs = run.precision.format_inputs(batch.normalization(batch.inputs))
            outputs = run.model(inputs, [task.name], source.name)[task.name]
            right += int((outputs.argmax(1) == targets[part]).sum())
    run.model.load_state_dict(kept)
    return right / len(rows)


def describe(name: str, run: FitResult, tests: Mapping[str, Source], tasks: Sequence[pt.tasks.Task]) -> None:
    """Print the accuracies of one network."""
    for source in (source for source in tests.values() if source.name in run.normalizations):
        task = next(task for task in tasks if task.name in source.tasks)
        history = run.history
        own = history[(history.task == task.name) & (history.split == "validation") & (history.name == "accuracy")].value.tolist()
        by_mode = {mode: accuracy(run, source, task, training=mode == "training") for mode in ("evaluation", "training")}
        low = sum(value < COLLAPSED for value in own[3:])
        print(f"{name:34} {task.name:8} test {by_mode['evaluation']:.3f}, training mode {by_mode['training']:.3f}; ", end="")
        print(f"{low} epochs below {COLLAPSED} after the third; validation {' '.join(f'{value:.3f}' for value in own)}", flush=True)


def main() -> None:
    """Train all networks, and print their accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="also train one network per source")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    data = MnistFashion()
    tasks = data.tasks()
    for problem, change in (("mnist-fashion", lambda source: source), ("inverted garments", inverted)):
        sources = [change(source) for source in data.training()]
        tests = {source.name: change(source) for source in data.test()}
        for seed in range(chosen.seeds):
            for how, common in (("per source", False), ("in common", True)):
                describe(f"{problem}, {how}, seed {seed}", train(sources, tasks, chosen.epochs, seed, common=common), tests, tasks)
            for source in sources if chosen.alone else ():
                own = [task for task in tasks if task.name in source.tasks]
                describe(f"{problem}, alone, seed {seed}", train([source], own, chosen.epochs, seed), tests, tasks)


if __name__ == "__main__":
    main()
