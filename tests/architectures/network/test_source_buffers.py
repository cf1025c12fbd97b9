"""Buffers that forward passes write exist once per source."""

from __future__ import annotations

import copy
import threading
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from polytask.architectures import MultiTaskModel
from polytask.balancing import Equal
from polytask.encoders import MLP, ModuleEncoder
from polytask.errors import ConfigError
from polytask.gradients import Backward
from polytask.gradients.primitives.scoped_state import preserved_buffers
from polytask.tasks import Binary

TASKS = (Binary(name="a"), Binary(name="b"))
SOURCES = {"first": ("a",), "sec.ond": ("b",)}


class MeanOfInputs(nn.Module):
    """Module with buffers of every kind: written in place, replaced, counted and constant."""

    source_independent_buffers = ("passes",)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("latest", torch.zeros(3), persistent=False)
        self.register_buffer("passes", torch.tensor(0))
        self.register_buffer("constant", torch.ones(3))
        self.mean: Tensor
        self.passes: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        """Subtract the moving mean of the inputs."""
        if self.training:
            self.mean.data.mul_(0.5).add_(0.5 * inputs.detach().mean(0))
            self.latest = inputs.detach().mean(0)
            self.passes += 1
        return inputs - self.mean


def network(*layers: nn.Module, architecture: str = "hard") -> MultiTaskModel:
    """Build a network of a linear layer and some others, in training mode."""
    torch.manual_seed(0)
    return MultiTaskModel(ModuleEncoder(nn.Sequential(nn.Linear(3, 3), *layers), (3,)), TASKS, architecture=architecture, hidden=())


def normalizing(*, separate: bool = True) -> MultiTaskModel:
    """Build a network with batch normalization, with a set for each source or none."""
    model = network(nn.BatchNorm1d(3))
    if separate:
        model.separate_buffers(SOURCES)
    return model


def inputs(seed: int, *, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    """Draw inputs."""
    return torch.randn(16, 3, generator=torch.Generator().manual_seed(seed)) * scale + shift


def test_statistics_of_a_source_are_those_of_a_network_that_sees_no_other() -> None:
    together = normalizing()
    for source, tasks, shift in (("first", ("a",), 5.0), ("sec.ond", ("b",), -3.0)):
        alone = normalizing(separate=False)
        for step in range(5):
            alone(inputs(step, shift=shift), tasks)
            together(inputs(step, shift=shift), tasks, source)
        for mode in (True, False):
            seen = inputs(9, shift=shift)
            assert torch.equal(alone.train(mode)(seen, tasks)[tasks[0]], together.train(mode)(seen, tasks, source)[tasks[0]])
        together.train()


@pytest.mark.parametrize("architecture", ["hard", "mmoe(experts=2)", "cross-stitch", "task-layers(paths=[module.1])"])
def test_interleaved_sources_do_not_touch_each_other(architecture: str) -> None:
    torch.manual_seed(0)
    encoder = MLP((3,), hidden=(4, 4)) if architecture == "cross-stitch" else None
    if encoder is None:
        model = network(nn.BatchNorm1d(3), architecture=architecture)
    else:
        encoder.layers[0].append(nn.BatchNorm1d(4))
        model = MultiTaskModel(encoder, TASKS, architecture=architecture, hidden=())
    model.separate_buffers(dict.fromkeys(SOURCES, ("a", "b")))
    assert model.source_buffers.paths
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for step in range(3):
        model(inputs(step, shift=4.0), source="first")
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if name.startswith("source_buffers.head_first.")}


def test_every_kind_of_buffer() -> None:
    model = network(MeanOfInputs(), nn.BatchNorm1d(3, track_running_stats=False))
    path = "architecture.encoder.module.1"
    assert set(model.separate_buffers(SOURCES)) == {f"{path}.mean", f"{path}.latest", f"{path}.constant"}
    kept = [key for key in model.state_dict() if key.startswith("source_buffers.head_first.")]
    assert kept == [f"source_buffers.head_first.{path.replace('.', '/')}/{name}" for name in ("mean", "constant")]
    model(inputs(0, shift=5), ["a"], "first")
    model(inputs(0, shift=-5), ["b"], "sec.ond")
    own = {source: dict(model.source_buffers.get_submodule(f"head_{source.replace('.', '%2E')}").named_buffers()) for source in SOURCES}
    for name in ("mean", "latest"):
        first, second = (own[source][f"{path.replace('.', '/')}/{name}"] for source in SOURCES)
        assert not torch.allclose(first, second)
    assert int(model.get_buffer(f"{path}.passes")) == 2


def test_nothing_is_kept_where_nothing_is_shared() -> None:
    assert network(nn.BatchNorm1d(3)).separate_buffers({"first": ("a", "b")}) == ()
    assert network(nn.BatchNorm1d(3), architecture="separate").separate_buffers(SOURCES) == ()
    frozen = network(nn.BatchNorm1d(3))
    frozen.get_submodule("architecture.encoder.module.1").train = lambda mode=True: None  # type: ignore[method-assign, assignment, misc]
    frozen.get_submodule("architecture.encoder.module.1").training = False
    assert frozen.separate_buffers(SOURCES) == ()
    plain = network(nn.LayerNorm(3))
    keys = list(plain.state_dict())
    assert plain.separate_buffers(SOURCES) == ()
    assert list(plain.state_dict()) == keys
    plain(inputs(0))  # needs no source


def test_looking_changes_nothing() -> None:
    model = network(nn.BatchNorm1d(3), nn.Dropout()).eval()
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    model.separate_buffers(SOURCES)
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert torch.equal(random, torch.get_rng_state())
    assert not any(module.training for module in model.modules() if module not in set(model.source_buffers.modules()))


def test_sets_follow_the_network() -> None:
    """Loading, copying, converting, and further sources."""
    model = normalizing()
    for source, shift in (("first", 5.0), ("sec.ond", -3.0)):
        model(inputs(0, shift=shift), source=source)
    model.eval()
    loaded = normalizing(separate=False).eval()
    loaded.load_state_dict(model.state_dict())
    others = (loaded, copy.deepcopy(model), copy.deepcopy(model).double())
    for source in SOURCES:
        expected = model(inputs(1), source=source)["a"]
        for other in others:
            dtype = next(other.parameters()).dtype
            torch.testing.assert_close(other(inputs(1).to(dtype), source=source)["a"], expected.to(dtype))
    before = model(inputs(1), source="first")["a"]
    model.separate_buffers({"third": ("a",)})
    assert model.source_buffers.sources == ("first", "sec.ond", "third")
    assert torch.equal(model(inputs(1), source="first")["a"], before)
    assert not torch.equal(model(inputs(1), source="third")["a"], before)


def test_a_source_without_a_set_is_refused() -> None:
    for source in ("", "thrid"):
        with pytest.raises(ConfigError, match=r"per source, and has none of this source") as caught:
            normalizing()(inputs(0), source=source)
        assert "\n" not in str(caught.value)


def test_an_error_in_the_forward_pass_leaves_all_sets_in_place() -> None:
    model = normalizing()
    before = {name: id(buffer) for name, buffer in model.named_buffers()}
    with pytest.raises(RuntimeError, match="mat1"):
        model(torch.zeros(4, 7), source="first")
    assert {name: id(buffer) for name, buffer in model.named_buffers()} == before


def test_graphs_outlive_the_exchange_and_a_look() -> None:
    model = normalizing()
    losses = {task: model(inputs(n), [task], source)[task].square().mean() for n, (source, (task,)) in enumerate(SOURCES.items())}
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with preserved_buffers(model):
        model(inputs(7, shift=9), ["a"], "first")
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    Backward(Equal(), tasks=["a", "b"], shared=model.shared_parameters(), model=model)(losses)
    assert all(parameter.grad is not None for parameter in model.shared_parameters().values())


def test_threads_may_predict_for_different_sources_at_once() -> None:
    model = normalizing()
    for source, shift in (("first", 5.0), ("sec.ond", -3.0)):
        model(inputs(0, shift=shift), source=source)
    model.eval()
    expected = {source: model(inputs(1), source=source)["a"].detach() for source in SOURCES}
    wrong: list[str] = []

    def predict(source: str) -> None:
        answers = [model(inputs(1), source=source)["a"] for _ in range(50)]
        wrong.extend(source for answer in answers if not torch.equal(answer, expected[source]))

    threads = [threading.Thread(target=partial(predict, source)) for source in [*SOURCES, *SOURCES]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a", "ignore:The .grad attribute of a Tensor")
def test_a_compiled_network_has_the_same_statistics() -> None:
    torch.compiler.reset()
    plain, inner = normalizing(), normalizing()
    compiled = torch.compile(inner, backend="eager")
    for step in range(3):
        for source, shift in (("first", 5.0), ("sec.ond", -3.0)):
            for model in (plain, compiled):
                model(inputs(step, shift=shift), ["a", "b"], source)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(inner.state_dict()[name], value)


def test_a_network_for_one_source_has_its_buffers_in_the_modules() -> None:
    model = normalizing()
    for source, shift in (("first", 5.0), ("sec.ond", -3.0)):
        model(inputs(0, shift=shift), source=source)
    model.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for source in SOURCES:
        own = model.for_source(source)
        assert not own.training
        assert own.source_buffers.paths == ()
        assert not any(name.startswith("source_buffers") for name in own.state_dict())
        assert torch.equal(own(inputs(1))["a"], model(inputs(1), source=source)["a"])
        encoder = own.architecture.encoder
        assert isinstance(encoder, nn.Module)
        assert torch.equal(encoder(inputs(1)), model.features(inputs(1), ["a"], source)["a"])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(ConfigError, match="has none of this source"):
        model.for_source("third")
    plain = normalizing(separate=False)
    assert plain.for_source("").state_dict().keys() == plain.state_dict().keys()
