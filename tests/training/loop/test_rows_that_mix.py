"""Training of networks with batch normalization on several sources, of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import polytask as pt
from polytask.architectures import MultiTaskModel, NetworkPlan
from polytask.data import Source
from polytask.encoders import ModuleEncoder
from polytask.errors import ConfigError, DataError
from polytask.run_files import ModelIndex
from polytask.run_files.model_index import MODEL_INDEX
from polytask.tasks import Binary, Regression
from polytask.training import FitResult, fit
from polytask.training.inference import predict_outputs
from polytask.training.loop.micro_batches import split_micro_batches
from polytask.training.preparation.prepared_data import prepare_data, prepare_source
from polytask.training.preparation.training_sampler import minimum_rows
from polytask.training.trained_network import TrainedNetwork, load_network, save_network

TASKS = (Regression(name="large"), Regression(name="small"))
CHOICES: dict[str, Any] = {"epochs": 1, "batch_size": 64, "patience": None, "threads": 1}
SAMPLERS = ("proportional", "temperature", "uniform", "round-robin")


def source(name: str, rows: int) -> Source:
    """Build a source whose label is its first column, with inputs that are not normalized alike."""
    values = np.random.default_rng(rows).normal(size=(rows, 3)).astype("float32")
    return Source(name, values, {name: values[:, 0]})


def network(norm: type[nn.Module] = nn.BatchNorm1d, seed: int = 0) -> MultiTaskModel:
    """Build a small network with a normalization."""
    torch.manual_seed(seed)
    return MultiTaskModel(ModuleEncoder(nn.Sequential(nn.Linear(3, 4), norm(4), nn.ReLU()), (3,)), TASKS, hidden=())


def trained(rows: int, **choices: Any) -> FitResult:
    """Train on 1,000 rows of one source and some of another."""
    return fit(network(), [source("large", 1_000), source("small", rows)], **(CHOICES | choices))


@pytest.mark.sampled(132, sweep=4)
@pytest.mark.parametrize("parts", [1, 2, 3, 4])
@pytest.mark.parametrize("sampling", SAMPLERS)
@pytest.mark.parametrize("rows", range(3, 65))
def test_every_size_trains(rows: int, sampling: str, parts: int) -> None:
    history = trained(rows, sampling=sampling, micro_batches=parts).history
    assert set(history[history.split == "training"].task) == {"large", "small"}


@pytest.mark.parametrize("rows", [1, 2])
def test_a_source_without_rows_for_both_parts_is_refused(rows: int) -> None:
    with pytest.raises(DataError, match="too few rows"):
        trained(rows)


def test_a_source_with_one_training_row_is_refused_before_the_first_step() -> None:
    one = Source("one", np.ones((2, 3), "float32"), {"small": np.arange(2.0)})
    with pytest.raises(ConfigError, match=r"several rows of every source in a step, here 2 \(found 1 training row\)") as caught:
        fit(network(), [source("large", 100), source("small", 40), one], validation_fraction=0.5, **CHOICES)
    assert "source 'one'" in str(caught.value)
    assert "\n" not in str(caught.value)
    fit(network(nn.LayerNorm), [source("large", 100), source("small", 40), one], validation_fraction=0.5, **CHOICES)


def test_every_batch_of_a_balancer_has_two_rows() -> None:
    with pytest.raises(ConfigError, match="here 6 "):
        trained(6, balancer="modo")
    history = trained(9, balancer="modo").history
    assert set(history[history.split == "training"].task) == {"large", "small"}


def test_only_networks_that_mix_rows_wait_for_a_second_row() -> None:
    assert minimum_rows(network()) == 2
    assert minimum_rows(network(nn.LayerNorm)) == 1
    frozen = network().train()
    frozen.get_submodule("architecture.encoder.module.1").train = lambda mode=True: None  # type: ignore[method-assign, assignment, misc]
    frozen.get_submodule("architecture.encoder.module.1").training = False
    assert minimum_rows(frozen) == 1


@pytest.mark.parametrize("least", [1, 2])
@pytest.mark.parametrize("parts", [1, 2, 3, 4])
def test_no_micro_batch_has_too_few_rows(parts: int, least: int) -> None:
    rows = prepare_data([source("large", 80)], TASKS[:1], validation_fraction=0.2, seed=0).training["large"].rows
    for size in range(least, 20):
        batch = rows.take(torch.arange(size))
        found = [part["large"] for part in split_micro_batches({"large": batch}, parts, least) if part]
        assert torch.equal(torch.cat([part.inputs for part in found]), batch.inputs)
        sizes = [len(part) for part in found]
        assert min(sizes) >= least
        assert max(sizes) - min(sizes) <= 1
        assert len(sizes) == max(1, min(parts, size // least))


def two_distributions(rows: int) -> tuple[list[Source], tuple[Binary, ...]]:
    """Two sources with classes that are linear in the inputs: independent columns, and columns of one common factor."""
    random = np.random.default_rng(0)
    columns = 20
    independent = random.normal(size=(rows, columns))
    factor = 3 * random.normal(size=(rows, 1)) + 0.3 * random.normal(size=(rows, columns))
    inputs = {"independent": independent, "factor": factor}
    classes = {name: (values @ random.normal(size=columns) > 0).astype(int) for name, values in inputs.items()}
    found = [Source(name, values.astype("float32"), {name: classes[name]}) for name, values in inputs.items()]
    return found, tuple(Binary(name=name) for name in inputs)


def test_evaluation_mode_is_as_good_as_training_mode(tmp_path: Path) -> None:
    sources, tasks = two_distributions(4_000)
    torch.manual_seed(0)
    layers = (nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU())
    model = MultiTaskModel(ModuleEncoder(nn.Sequential(*layers), (20,)), tasks)
    run = fit(model, sources, epochs=10, batch_size=256, patience=None, threads=1, checkpoint=tmp_path, validation_fraction=0.5)
    for name, held_out in prepare_data(sources, tasks, validation_fraction=0.5, seed=0).validation.items():
        rows = held_out.rows
        inputs, truth = rows.normalization(rows.inputs), rows.targets[name].flatten()
        with torch.no_grad():
            seen = {mode: ((model.train(mode)(inputs, [name], name)[name].flatten() > 0) == truth).float().mean() for mode in (False, True)}
        assert abs(float(seen[False] - seen[True])) < 0.01
        assert float(seen[False]) == pytest.approx(run.validation[name]["accuracy"], abs=1e-3)
        assert float(seen[False]) > 0.9


@pytest.mark.parametrize("architecture", ["hard", "mmoe(experts=2)", "recon"])
def test_a_saved_network_has_the_statistics_of_every_source(architecture: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = {name: random.integers(0, 128 * n, (40, 1, 8, 8), dtype=np.uint8) for n, name in enumerate(("large", "small"), start=1)}
    sources = [Source(name, values, {name: values.reshape(40, -1).mean(1)}) for name, values in images.items()]
    plan = NetworkPlan("resnet", (1, 8, 8), {"width": 2, "blocks": (1, 1)}, architecture)
    run = fit(plan.build(TASKS, seed=0), sources, **CHOICES)
    assert run.model.source_buffers.paths
    save_network(tmp_path / "model", plan, run, {})
    loaded, trained_one = load_network(tmp_path / "model"), TrainedNetwork.of(plan, run)
    for name in images:
        expected, found = (network.outputs_for(name, images["large"])[name] for network in (trained_one, loaded))
        assert torch.equal(found, expected)
    other = {name: loaded.model(torch.ones(2, 1, 8, 8), ["large"], name)["large"] for name in images}
    assert not torch.allclose(other["large"], other["small"])


def test_a_run_that_stopped_goes_on_with_the_statistics_of_every_source(tmp_path: Path) -> None:
    choices = CHOICES | {"epochs": 3}
    sources = [source("large", 100), source("small", 33)]
    whole = fit(network(), sources, **choices).model.state_dict()
    fit(network(), sources, checkpoint=tmp_path, stop_after_epoch=2, **choices)
    resumed = fit(network(), sources, checkpoint=tmp_path, **choices).model.state_dict()
    assert any(name.startswith("source_buffers.head_small.") for name in whole)
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_a_model_of_a_run_folder_predicts_every_source_as_the_trained_network_does(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = {name: random.integers(0, 128 * n, (40, 1, 8, 8), dtype=np.uint8) for n, name in enumerate(("large", "small"), start=1)}
    sources = [Source(name, values, {name: values.reshape(40, -1).mean(1)}) for name, values in images.items()]
    plan = NetworkPlan("resnet", (1, 8, 8), {"width": 2, "blocks": (1, 1)})
    run = fit(plan.build(TASKS, seed=0), sources, **CHOICES)
    save_network(tmp_path / "model" / "0", plan, run, {})
    content = {"networks": [{"folder": "0", "tasks": ["large", "small"]}]}
    ModelIndex.model_validate(content).write(tmp_path / "model" / MODEL_INDEX)
    loaded = pt.load(tmp_path)
    run.model.eval()
    for name, values in images.items():
        rows = prepare_source(Source(name, values, {}), (), run.normalizations[name]).rows
        expected = predict_outputs(run.model, rows, run.precision, ("large", "small"))
        predicted = {task.name: task.predict(expected[task.name]).values for task in run.tasks}
        for task, answer in loaded.answers(values, name):
            assert np.array_equal(answer.values, predicted[task.name])
    others = [loaded.answers(images["large"], name)[0][1].values for name in images]
    assert not np.array_equal(*others)
