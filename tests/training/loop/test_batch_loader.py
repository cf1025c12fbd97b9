"""Batches of training from data sets and with transforms: the same for a seed, whoever makes them."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from polytask.data import Source
from polytask.data.loading.read_ahead import ReadAhead
from polytask.errors import ConfigError, DataError
from polytask.options import TrainingOptions
from polytask.studies import Study
from polytask.tasks import Binary, Regression, Task
from polytask.training import fit, prepare_data
from polytask.training.loop.batch_loader import BatchLoader

ROWS = 60
TASKS: tuple[Task, ...] = (Binary(name="big"), Regression(name="size"))
OPTIONS = TrainingOptions(epochs=3, batch_size=16, threads=1, precision="float32", lr=0.01)
X = np.random.default_rng(0).normal(size=(ROWS, 3)).astype("float32")
LABELS = {"big": X[:, 0] > 0, "size": X.sum(1)}


def noisy(inputs: Tensor, generator: torch.Generator) -> Tensor:
    return inputs + torch.randn(inputs.shape, generator=generator)


def noisy_from_anywhere(inputs: Tensor) -> Tensor:
    """Draw from every global generator, as functions of users do."""
    return inputs + torch.randn(()) + float(np.random.normal()) + random.gauss(0, 1)  # noqa: NPY002


class Vectors(Dataset[Any]):
    """Rows as items, one of which may become unreadable."""

    broken = -1

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> Any:
        if index == self.broken:
            raise OSError("the disk is gone")
        return X[index], {name: own[index] for name, own in LABELS.items()}


def weights_of(source: Source, **more: Any) -> dict[str, Tensor]:
    run = fit(TASKS, [source], options=OPTIONS, **more)
    return {name: tensor.clone() for name, tensor in run.model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("transform", [noisy, noisy_from_anywhere])
def test_a_transform_gives_the_same_weights_for_a_seed_with_any_workers_lazily_or_not(transform: Any) -> None:
    torch.manual_seed(5)
    held = weights_of(Source("s", X, LABELS, transform=transform))
    torch.manual_seed(6)
    np.random.seed(6)  # noqa: NPY002
    assert same(held, weights_of(Source("s", X, LABELS, transform=transform, loader_workers=1)))
    assert same(held, weights_of(Source.from_dataset("s", Vectors(), lazy=True, loader_workers=2, transform=transform)))
    assert not same(held, weights_of(Source("s", X, LABELS, transform=transform), seed=1))
    assert not same(held, weights_of(Source("s", X, LABELS)))


def test_a_run_that_is_interrupted_goes_on_with_the_same_batches(tmp_path: Path) -> None:
    source = Source("s", X, LABELS, transform=noisy)
    whole = weights_of(source)
    fit(TASKS, [source], options=OPTIONS, checkpoint=tmp_path, stop_after_epoch=1)
    assert same(whole, weights_of(Source("s", X, LABELS, transform=noisy, loader_workers=1), checkpoint=tmp_path))
    with pytest.raises(ConfigError, match="belongs to another run"):
        fit(TASKS, [Source("s", X, LABELS, transform=noisy_from_anywhere)], options=OPTIONS, checkpoint=tmp_path)


def test_only_batches_of_training_are_transformed_and_the_source_never() -> None:
    def zero(inputs: Tensor) -> Tensor:
        return inputs.zero_()

    source = Source("s", X.copy(), LABELS, transform=zero)
    data = prepare_data([source], TASKS, validation_fraction=None, seed=0)
    rows = torch.tensor([3, 1])
    ((_, batches),) = BatchLoader(data.training, 0).of_epoch([{"s": rows}], 0)
    assert not batches["s"].inputs.any()
    np.testing.assert_array_equal(source.inputs, X)
    torch.testing.assert_close(batches["s"].targets["size"], data.training["s"].rows.targets["size"][rows])
    assert data.validation["s"].rows.inputs.any()


@pytest.mark.parametrize("workers", [0, 1])
def test_loading_leaves_the_global_generators_as_they_are(workers: int) -> None:
    source = Source("s", X, LABELS, transform=noisy_from_anywhere, loader_workers=workers)
    data = prepare_data([source], TASKS, validation_fraction=None, seed=0)
    before, python = torch.default_generator.get_state(), random.getstate()
    list(BatchLoader(data.training, 0).of_epoch([{"s": torch.arange(4)}], 0))
    assert torch.equal(before, torch.default_generator.get_state()) and python == random.getstate()


def test_batches_differ_from_step_to_step_and_from_epoch_to_epoch() -> None:
    data = prepare_data([Source("s", X, LABELS, transform=noisy)], TASKS, validation_fraction=None, seed=0)
    loader, rows = BatchLoader(data.training, 0), torch.arange(4)
    found = [batches["s"].inputs for epoch in (0, 1) for _, batches in loader.of_epoch([{"s": rows}, {"s": rows}], epoch)]
    assert len({tuple(batch.flatten().tolist()) for batch in found}) == 4


def test_sources_with_and_without_a_transform_are_mixed() -> None:
    sources = [Source("plain", X, LABELS), Source("noisy", X, LABELS, transform=noisy, loader_workers=1)]
    data = prepare_data(sources, TASKS, validation_fraction=None, seed=0)
    steps = [{"plain": torch.arange(2)}, {"noisy": torch.arange(2), "plain": torch.arange(3)}, {"noisy": torch.arange(1)}]
    found = list(BatchLoader(data.training, 0).of_epoch(steps, 0))
    assert [{name: len(batch) for name, batch in batches.items()} for _, batches in found] == [
        {"plain": 2},
        {"noisy": 2, "plain": 3},
        {"noisy": 1},
    ]


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (lambda x: x[:, :2], r"source 's', transform: the transform must keep the shape \(5, 3\) .found \(5, 2\)"),
        (lambda x: x[:4], "must keep the shape"),
        (lambda x: None, "must return a tensor .found NoneType"),
        (lambda x: {"x": x}, "must return a tensor .found entries x"),
        (lambda x: x.int(), "must keep the type torch.float32 .found torch.int32"),
        (lambda x: 1 / 0, "the transform fails .found ZeroDivisionError: division by zero"),
    ],
)
@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_bad_transforms_are_named_in_one_line(transform: Any, message: str, workers: int) -> None:
    data = prepare_data([Source("s", X, LABELS, transform=transform, loader_workers=workers)], TASKS, validation_fraction=None, seed=0)
    with pytest.raises(ConfigError, match=message) as error:
        list(BatchLoader(data.training, 0).of_epoch([{"s": torch.arange(5)}], 0))
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_an_item_that_breaks_during_training_is_named(workers: int) -> None:
    dataset = Vectors()
    source = Source.from_dataset("s", dataset, lazy=True, held_out=np.arange(ROWS) > 40, loader_workers=workers)
    data = prepare_data([source], TASKS, validation_fraction=None, seed=0)
    dataset.broken = 11
    with pytest.raises(DataError, match=r"source 's', index 11: reading an item fails \(found OSError: the disk is gone\)") as error:
        list(BatchLoader(data.training, 0).of_epoch([{"s": torch.arange(5)}, {"s": torch.arange(8, 15)}], 0))
    assert "\n" not in str(error.value)


def test_a_worker_that_ends_is_named_in_one_line() -> None:
    ahead = ReadAhead(os._exit, workers=1)
    with pytest.raises(DataError, match=r"loader_workers: a worker that loads rows has ended .*loader_workers=0") as error:
        list(ahead.calls([3]))
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_transform_of_several_inputs_gets_and_returns_a_dict() -> None:
    inputs = {"left": X, "right": X[:, :1]}
    source = Source("s", inputs, LABELS, transform=lambda batch: batch | {"left": batch["left"] * 0})
    data = prepare_data([source], TASKS, validation_fraction=None, seed=0)
    ((_, batches),) = BatchLoader(data.training, 0).of_epoch([{"s": torch.arange(4)}], 0)
    assert not batches["s"].inputs["left"].any() and batches["s"].inputs["right"].all()
    one = Source("s", inputs, LABELS, transform=lambda batch: {"left": batch["left"]})
    data = prepare_data([one], TASKS, validation_fraction=None, seed=0)
    with pytest.raises(ConfigError, match=r"a dict with the entries left, right \(found entries left\)"):
        list(BatchLoader(data.training, 0).of_epoch([{"s": torch.arange(4)}], 0))


@pytest.mark.slow
def test_a_study_from_a_data_set_gives_the_same_bytes_with_workers(tmp_path: Path) -> None:
    class Own(Dataset[Any]):  # workers cannot import a module of tests, and get this class with the job
        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, index: int) -> Any:
            x = torch.randn(3, generator=torch.Generator().manual_seed(index))
            return x, {"big": bool(x[0] > 0), "size": float(x.sum())}

    def noisy_too(inputs: Tensor, generator: torch.Generator) -> Tensor:
        return inputs + torch.randn(inputs.shape, generator=generator)

    def run(name: str, workers: int) -> bytes:
        source = Source.from_dataset("s", Own(), lazy=True, loader_workers=workers - 1, transform=noisy_too)
        test = Source.from_dataset("s", Own(), lazy=True)
        study = Study([source], TASKS, ["single", "equal"], 2, test=lambda: (test,), training={"epochs": 2, "threads": 1}, workers=workers)
        study.run(tmp_path / name)
        return (tmp_path / name / "predictions.parquet").read_bytes()

    assert run("alone", 1) == run("together", 2)
