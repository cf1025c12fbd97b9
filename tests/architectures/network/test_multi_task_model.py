"""The whole network: sharing, names, starts and cost."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from polytask.architectures import HardSharing, MultiTaskModel, NetworkPlan, build_head, measure_cost
from polytask.balancing import CAGrad
from polytask.encoders import MLP, Conv
from polytask.errors import ConfigError
from polytask.storage import load_state, save_state
from polytask.tasks import Binary, Multiclass, Regression

DIGIT, GARMENT = (Multiclass(name=name, classes=tuple(range(10))) for name in ("digit", "garment"))


def test_the_reference_network_has_its_parameters() -> None:
    model = MultiTaskModel(Conv((1, 28, 28)), (DIGIT, GARMENT))
    trunk = (9 + 1) * 32 + (32 * 9 + 1) * 64
    one_head = (1_600 + 1) * 64 + (64 + 1) * 10
    assert sum(p.numel() for p in model.parameters()) == trunk + 2 * one_head
    assert sum(p.numel() for p in model.shared_parameters().values()) == trunk


def test_the_cost_is_counted_right() -> None:
    model = MultiTaskModel(Conv((1, 28, 28)), (DIGIT, GARMENT))
    convolutions = 26 * 26 * 32 * 9 + 11 * 11 * 64 * 32 * 9
    one_head = 1_600 * 64 + 64 * 10
    both = {"digit": ("digit",), "garment": ("garment",)}
    shapes = dict.fromkeys(both, (1, 28, 28))
    assert measure_cost(model, shapes, both).multiply_adds == 2 * (convolutions + one_head)
    table = {"table": ("digit", "garment")}
    assert measure_cost(model, {"table": (1, 28, 28)}, table).multiply_adds == convolutions + 2 * one_head
    assert model.training, "counting leaves the mode alone"
    assert (measure_cost(model, shapes, both) + measure_cost(model, shapes, both)).networks == 2


def test_another_task_changes_nobodys_start() -> None:
    alone = MultiTaskModel(MLP((4,)), (DIGIT,), initialization="framework", seed=3)
    joint = MultiTaskModel(MLP((4,)), (GARMENT, DIGIT), initialization="framework", seed=3)
    for ours, theirs in ((alone.architecture, joint.architecture), (alone.head("digit"), joint.head("digit"))):
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert not torch.equal(next(joint.head("digit").parameters()), next(joint.head("garment").parameters()))


def test_hard_sharing_gives_every_task_the_same_features() -> None:
    sharing = HardSharing(MLP((4,), (8,)), ("a", "b"))
    features = sharing(torch.rand(2, 4), ("a", "b"))
    assert features["a"] is features["b"]
    assert {sharing.tasks_reaching(name) for name, _ in sharing.named_parameters()} == {("a", "b")}


def test_a_single_task_shares_nothing() -> None:
    assert MultiTaskModel(MLP((4,)), (DIGIT,)).shared_parameters() == {}


@pytest.mark.parametrize("name", ["a.b", "keys", "type", "Größe (cm)", " ", "a/b", "../../x", "%2E", "forward"])
def test_whatever_a_task_is_called(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    tasks = (Regression(name=name), Binary(name="other"))
    model = MultiTaskModel(MLP((4,)), tasks)
    inputs = torch.rand(2, 4)
    assert set(model(inputs)) == {name, "other"}
    assert model(inputs, (name,))[name].shape == (2, 1)
    folder = tmp_path_factory.mktemp("model") / "state"
    save_state(folder, {"model": model.state_dict()})
    again = MultiTaskModel(MLP((4,)), tasks, initialization="framework", seed=1)
    again.load_state_dict(load_state(folder)["model"])
    assert torch.equal(again(inputs)[name], model(inputs)[name])


def test_names_that_look_alike_stay_apart() -> None:
    model = MultiTaskModel(MLP((4,)), (Regression(name="a.b"), Regression(name="a%2Eb")))
    assert model.head("a.b") is not model.head("a%2Eb")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: MultiTaskModel("mlp", (DIGIT,)), "Give input_shape="),
        (lambda: MultiTaskModel(MLP, (DIGIT,)), "Give input_shape="),
        (lambda: MultiTaskModel("mlpp", (DIGIT,), input_shape=(4,)), "Did you mean 'mlp'"),
        (lambda: MultiTaskModel(MLP((4,)), (DIGIT,), input_shape=(5,)), "Leave input_shape out"),
        (lambda: MultiTaskModel(CAGrad(), (DIGIT,)), "an encoder is needed .found a balancer, CAGrad"),  # type: ignore[arg-type]
        (lambda: MultiTaskModel(nn.Linear(4, 2), (DIGIT,)), "needs the shape of one input"),
        (lambda: MultiTaskModel(MLP((4,)), ()), "at least one task"),
        (lambda: MultiTaskModel(MLP((4,)), (DIGIT, DIGIT)), "each name only once"),
        (lambda: MultiTaskModel(MLP((4,)), (DIGIT,), architecture="hrd"), "Did you mean 'hard'"),
        (lambda: build_head(4, 2, (0,)), "at least one unit"),
        (lambda: NetworkPlan("mlp", (4,), {"depth": 3}).build((DIGIT,), 0), "encoder 'mlp'"),
    ],
)
def test_what_cannot_be(make: type, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make()


@pytest.mark.parametrize("encoder", ["mlp(hidden=[8])", "MLP(hidden=(8,))", "polytask.encoders.mlp:MLP(hidden=[8])", MLP])
def test_an_encoder_by_name_or_class_is_made_for_the_shape_and_from_the_seed(encoder: str | type[MLP]) -> None:
    first, second = (MultiTaskModel(encoder, (DIGIT,), input_shape=(4,), seed=3) for _ in range(2))
    assert first(torch.zeros(2, 4))["digit"].shape == (2, 10)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_plan_is_plain_data_and_builds_the_same_network() -> None:
    plan = NetworkPlan("mlp", (4,), {"hidden": (8, 4)}, hidden=(), initialization="he")
    first, second = plan.build((DIGIT,), seed=2), NetworkPlan.from_dict(plan.to_dict()).build((DIGIT,), seed=2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert [layer.out_features for layer in first.head("digit").modules() if isinstance(layer, nn.Linear)] == [10]


def test_an_encoder_stays_as_it_is_given_unless_an_initialization_is_named() -> None:
    encoder = MLP((4,))
    pretrained = {name: torch.full_like(p, 0.5) for name, p in encoder.state_dict().items()}
    encoder.load_state_dict(pretrained)
    kept = MultiTaskModel(encoder, (DIGIT, GARMENT), seed=3).architecture.encoder.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in pretrained.items())
    drawn = MultiTaskModel(encoder, (DIGIT, GARMENT), initialization="framework", seed=3).architecture.encoder.state_dict()
    assert not any(torch.equal(value, drawn[name]) for name, value in pretrained.items())


def test_heads_grow_from_the_seed_whatever_the_encoder_is() -> None:
    kept, drawn = (MultiTaskModel(MLP((4,)), (DIGIT,), initialization=how, seed=3).head("digit") for how in (None, "framework"))
    assert all(torch.equal(a, b) for a, b in zip(kept.parameters(), drawn.parameters(), strict=True))
