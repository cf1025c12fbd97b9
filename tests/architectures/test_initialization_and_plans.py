"""Starts when tasks come, gradients of those that are absent, and plans through plain data."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch

from polytask.architectures import MultiTaskModel, NetworkPlan, measure_cost
from polytask.encoders import MLP, TextEncoder
from polytask.encoders.initial_weights import freeze
from polytask.errors import ConfigError
from polytask.tasks import Binary, Multiclass, Regression

A, B, C = Binary(name="a"), Regression(name="b"), Multiclass(name="c", classes=(1, 2, 3))


@pytest.mark.parametrize("how", ["framework", "glorot", "he"])
def test_whoever_comes_the_others_start_bit_for_bit_alike(how: str) -> None:
    full = MultiTaskModel(MLP((4,)), (C, A, B), initialization=how, seed=7).state_dict()
    for tasks in ((A,), (A, B), (B, C)):
        part = MultiTaskModel(MLP((4,)), tasks, initialization=how, seed=7).state_dict()
        assert all(torch.equal(tensor, full[name]) for name, tensor in part.items())
    other = MultiTaskModel(MLP((4,)), (C, A, B), initialization=how, seed=8).state_dict()
    assert not any(torch.equal(tensor, full[name]) for name, tensor in other.items() if name.endswith("weight"))


def test_a_task_that_is_not_asked_for_gets_no_gradient() -> None:
    model = MultiTaskModel(MLP((4,)), (A, B))
    outputs = model(torch.rand(3, 4), ("b",))
    assert set(outputs) == {"b"}
    outputs["b"].sum().backward()
    assert all(parameter.grad is None for parameter in model.head("a").parameters())
    assert all(parameter.grad is not None for parameter in (*model.head("b").parameters(), *model.shared_parameters().values()))


def test_frozen_parameters_are_not_shared_ones() -> None:
    model = MultiTaskModel(MLP((4,), (8, 8)), (A, B))
    before = len(model.shared_parameters())
    assert before == 4
    freeze(model.architecture, ("encoder.layers.0",))
    assert len(model.shared_parameters()) == 2


def test_a_plan_survives_json_with_everything_in_it() -> None:
    plan = NetworkPlan("mlp", (4,), {"hidden": (5, 6)}, hidden=(7, 8), initialization="glorot")
    again = NetworkPlan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert again == plan
    sizes = [4, 5, 6, 7, 8, 3]
    expected = sum((left + 1) * right for left, right in pairwise(sizes))
    assert sum(parameter.numel() for parameter in again.build((C,), seed=0).parameters()) == expected


def test_the_cost_of_a_table_is_counted_by_hand() -> None:
    model = MultiTaskModel(MLP((4,), (8, 6)), (A, B, C), hidden=(5,))
    trunk, heads = 4 * 8 + 8 * 6, {"a": 6 * 5 + 5, "b": 6 * 5 + 5, "c": 6 * 5 + 5 * 3}
    model.eval()
    for tasks in (("a",), ("a", "c"), ("a", "b", "c")):
        assert measure_cost(model, {"table": (4,)}, {"table": tasks}).multiply_adds == trunk + sum(heads[task] for task in tasks)
    assert not model.training


def test_a_task_that_the_network_has_not() -> None:
    model = MultiTaskModel(MLP((4,)), (A, B))
    for ask in (lambda: model.head("z"), lambda: model(torch.rand(1, 4), ("a", "z"))):
        with pytest.raises(ConfigError, match=r"task 'z': the network has no such task\. Choose from: a, b"):
            ask()


@pytest.mark.parametrize("form", ["gru", "transformer"])
def test_the_cost_of_a_sentence_is_counted_by_hand(form: str) -> None:
    length, embedding, width = 7, 16, 8
    tasks = (Binary(name="a"), Regression(name="b"))
    model = MultiTaskModel(TextEncoder((length,), words=20, variant=form, embedding=embedding, width=width), tasks, hidden=())
    gru = length * 2 * 3 * (width // 2 * embedding + (width // 2) ** 2)
    projections, feed_forward, attention = 4 * width**2, 2 * width * 2 * width, 2 * length * width
    transformer = length * (embedding * width + projections + feed_forward + attention)
    trunk = {"gru": gru, "transformer": transformer}[form]
    assert measure_cost(model, {"texts": (length,)}, {"texts": ["a", "b"]}).multiply_adds == trunk + len(tasks) * width
    assert torch.backends.mha.get_fastpath_enabled(), "counting leaves the machine as it was"
