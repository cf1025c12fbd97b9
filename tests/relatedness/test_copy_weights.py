"""A start from a trained network: what is taken over, and what that is worth where it is worth nothing or everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from polytask.architectures import EncoderPlan, NetworkPlan
from polytask.data import Source
from polytask.errors import ConfigError
from polytask.relatedness import copy_shared_weights
from polytask.tasks import Task
from polytask.training import fit

PLAN = NetworkPlan("mlp", (4,), {"hidden": (8,)}, hidden=(4,))
CHOICES: dict[str, Any] = {"epochs": 3, "batch_size": 24, "threads": 1, "patience": None, "lr": 0.01}


def test_everything_but_heads_is_taken_over(table: Callable[..., Source], three_tasks: tuple[Task, ...]) -> None:
    price, churn, _ = three_tasks
    donor = fit(PLAN.build((price,), 0), [table()], **CHOICES).model
    model, fresh = PLAN.build((churn,), 1), PLAN.build((churn,), 1)
    names = copy_shared_weights(model, donor)
    state = model.state_dict()
    assert all(torch.equal(state[name], donor.state_dict()[name]) for name in names)
    assert {name for name in state if name not in names} == {name for name in state if name.startswith("heads.")}
    assert all(torch.equal(state[name], fresh.state_dict()[name]) for name in state if name not in names)


def test_a_network_that_has_learned_nothing_gives_nothing(table: Callable[..., Source], three_tasks: tuple[Task, ...]) -> None:
    """Encoders of one seed start alike, so that such a start is the fresh one, to the last bit."""
    price, churn, _ = three_tasks
    model, fresh = PLAN.build((churn,), 2), PLAN.build((churn,), 2)
    copy_shared_weights(model, PLAN.build((price,), 2))
    first, second = (fit(network, [table()], seed=2, **CHOICES) for network in (model, fresh))
    assert first.relative_score == second.relative_score
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), fresh.state_dict().values(), strict=True))


def test_a_task_gives_itself_a_good_start(table: Callable[..., Source], three_tasks: tuple[Task, ...]) -> None:
    """After one epoch the network that goes on is ahead of the one that begins: by its encoder, since its head begins too."""
    price = three_tasks[0]
    source = table(rows=400)
    donor = fit(PLAN.build((price,), 0), [source], **(CHOICES | {"epochs": 30})).model
    model, fresh = PLAN.build((price,), 0), PLAN.build((price,), 0)
    copy_shared_weights(model, donor)
    inputs = torch.from_numpy(source.inputs)
    donor.eval(), model.eval()
    assert torch.equal(model.features(inputs, ("price",))["price"], donor.features(inputs, ("price",))["price"])
    first, second = (fit(network, [source], **(CHOICES | {"epochs": 1})) for network in (model, fresh))
    assert first.relative_score > second.relative_score


def test_stems_of_other_sources_are_left_aside(three_tasks: tuple[Task, ...]) -> None:
    stems = {name: EncoderPlan("mlp", (width,)) for name, width in (("one", 3), ("other", 5))}
    both = NetworkPlan("mlp", (4,), {"hidden": (8,)}, stems=stems)
    donor, model = both.for_sources(["one"]).build(three_tasks[:1], 0), both.for_sources(["other"]).build(three_tasks[1:2], 1)
    assert all(name.startswith("architecture.") for name in copy_shared_weights(model, donor))


def test_networks_without_anything_in_common(three_tasks: tuple[Task, ...]) -> None:
    one, other = (NetworkPlan("mlp", (width,), {"hidden": (width,)}).build(three_tasks[:1], 0) for width in (3, 5))
    with pytest.raises(ConfigError, match="same name and shape outside their heads"):
        copy_shared_weights(one, other)
