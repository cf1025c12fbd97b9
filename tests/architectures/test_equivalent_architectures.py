"""Ways of sharing that are each other, beyond their start: exact to round-off."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from polytask import fit
from polytask.architectures import Constrained, DSelectK, LearnedBranching, MultiTaskModel, Sluice, SparseExperts
from polytask.architectures.experts.dselect_k import smooth_step
from polytask.architectures.soft_sharing.constrained import _trace_norm
from polytask.data import Source
from polytask.encoders import MLP
from polytask.tasks import Regression

TASKS = tuple(Regression(name=name) for name in "ab")
CHOICES: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 20,
    "threads": 1,
    "precision": "float32",
    "patience": None,
    "optimizer": "SGD",
    "lr": 0.02,
}


def network(spelled: str, seed: int = 0) -> MultiTaskModel:
    return MultiTaskModel(MLP((4,), hidden=(8, 6)), TASKS, architecture=spelled, hidden=(), initialization="glorot", seed=seed)


def table() -> Source:
    x = np.random.default_rng(0).normal(size=(100, 4)).astype("float32")
    return Source("table", x, {"a": x[:, 0] * x[:, 1], "b": np.tanh(x[:, 2]) - x[:, 0]})


def trained(spelled: str, **options: Any) -> MultiTaskModel:
    return fit(network(spelled), [table()], "equal", **(CHOICES | options)).model


def outputs(model: MultiTaskModel) -> dict[str, Tensor]:
    model.eval()
    with torch.no_grad():
        found: dict[str, Tensor] = model(torch.from_numpy(table().inputs))
    return found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("mmoe(experts=1)", "hard"),
        ("ple(shared=1, private=0)", "hard"),
        ("ple(shared=3, private=0)", "mmoe(experts=3)"),
        ("cgc(shared=3, private=0)", "mmoe(experts=3)"),
        ("ple(shared=1, private=2)", "cgc(shared=1, private=2)"),
        ("lora(rank=0)", "hard"),
        ("constrained(strength=0)", "separate"),
        ("rotated", "hard"),
        ("sparse-experts(experts=1, top_k=1)", "hard"),
        ("branching(nodes=1)", "hard"),
    ],
)
def test_they_stay_the_same_while_they_learn(first: str, second: str) -> None:
    one, other = outputs(trained(first)), outputs(trained(second))
    for task in one:
        assert torch.allclose(one[task], other[task], rtol=1e-4, atol=1e-5), task


def test_separate_is_single_networks_in_one_object() -> None:
    """The first task's network goes the way of a network of its own."""
    joint = network("separate")
    alone = MultiTaskModel(MLP((4,), hidden=(8, 6)), TASKS[:1], hidden=(), initialization="glorot")
    x, y = torch.from_numpy(table().inputs), torch.tensor(np.stack([table().labels[name] for name in "ab"]), dtype=torch.float32)
    for model in (joint, alone):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(10):
            optimizer.zero_grad()
            torch.stack([(z[:, 0] - target).square().mean() for z, target in zip(model(x).values(), y, strict=False)]).sum().backward()
            optimizer.step()
    assert torch.allclose(outputs(joint)["a"], outputs(alone)["a"], rtol=1e-5, atol=1e-6)


def distance(model: MultiTaskModel) -> float:
    return max(cast("Constrained", model.architecture).describe_sharing()["distance from the mean"].values())


def test_a_strong_constraint_keeps_encoders_alike() -> None:
    loose, tight = (distance(trained(f"constrained(strength={strength})", lr=1e-3)) for strength in (0, 450))
    assert loose > 1e-4
    assert tight < 0.15 * loose


def test_the_l2_penalty_is_what_its_formula_says() -> None:
    model = network("constrained(strength=0.5)")
    first, second = cast("Constrained", model.architecture).separate.encoders
    with torch.no_grad():
        for number, parameter in enumerate(second.parameters()):
            parameter.add_(0.1 * (number + 1))
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    expected = 0.5 / 2 * sum(float((a - b).detach().square().sum()) for a, b in pairs)  # λ/T over the one pair
    penalty = model.architecture.penalty()
    assert penalty is not None
    assert float(penalty.detach()) == pytest.approx(expected, rel=1e-5)


def test_the_trace_norm_is_a_sum_of_singular_values() -> None:
    model = network("constrained(strength=2.0, distance=trace-norm)")
    encoders = cast("Constrained", model.architecture).separate.encoders
    with torch.no_grad():
        for parameter in encoders[1].parameters():
            parameter.mul_(3).add_(0.2)
    groups = zip(*(encoder.parameters() for encoder in encoders), strict=True)
    stacked = [np.stack([parameter.detach().numpy().ravel() for parameter in group]) for group in groups]
    expected = 2.0 * sum(float(np.linalg.svd(layer, compute_uv=False).sum()) for layer in stacked)
    penalty = model.architecture.penalty()
    assert penalty is not None
    assert float(penalty.detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("distance", ["l2", "trace-norm"])
def test_encoders_that_are_alike_are_not_driven_apart(distance: str) -> None:
    """The trace norm of T equal rows is √T ‖θ‖: its slope pulls all of them in the same way, and nowhere else."""
    model = network(f"constrained(strength=1.0, distance={distance})")
    penalty = model.architecture.penalty()
    assert penalty is not None
    penalty.backward()
    for one, other in zip(*(encoder.parameters() for encoder in cast("Constrained", model.architecture).separate.encoders), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.allclose(one.grad, other.grad, atol=1e-6)
        length = float(one.detach().norm())
        expected = one.detach() / length / 2**0.5 if distance == "trace-norm" and length else torch.zeros_like(one)
        assert torch.allclose(one.grad, expected, atol=1e-5)


def test_the_slope_of_the_trace_norm_is_that_of_the_singular_values() -> None:
    rows = torch.randn(3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (slope,) = torch.autograd.grad(_trace_norm(rows), rows)
    (expected,) = torch.autograd.grad(torch.linalg.svdvals(rows).sum(), rows)
    assert torch.allclose(slope, expected, atol=1e-12)


def test_penalties_reach_the_gradient_beside_the_balancer() -> None:
    apart, together = trained("constrained(strength=0)"), trained("constrained(strength=5.0)", lr=5e-3)
    assert distance(together) < distance(apart)


def test_a_settled_gate_of_dselect_k_is_one_expert() -> None:
    model = network("dselect-k(experts=4, top_k=1)")
    sharing = cast("DSelectK", model.architecture)
    with torch.no_grad():
        sharing._gate("a").z.copy_(torch.tensor([[1.0, -1.0]]))  # bits 1, 0: the expert of number 1
    x = torch.randn(5, 4)
    assert torch.allclose(sharing(x, ("a",))["a"], sharing.experts.others[0](x))
    assert float(sharing._gate("a").entropy().detach()) == pytest.approx(0.0, abs=1e-4)


def test_gates_of_dselect_k_are_shares_where_experts_are_a_power_of_two() -> None:
    sharing = cast("DSelectK", network("dselect-k(experts=8, top_k=3)").architecture)
    gate = sharing._gate("b")().detach()
    assert float(gate.sum()) == pytest.approx(1.0)
    assert bool((gate >= 0).all())


def test_a_code_of_dselect_k_without_an_expert_costs_whatever_the_entropy_s_strength() -> None:
    """Three experts have four codes; a gate on the fourth gives nothing, and only this penalty brings it back."""
    sharing = cast("DSelectK", network("dselect-k(experts=3, top_k=1, entropy=0)").architecture)
    with torch.no_grad():
        for task in sharing.tasks:
            sharing._gate(task).z.copy_(torch.tensor([[0.3, 0.3]]))
    lost, penalty = 1 - float(sharing._gate("a")().detach().sum()), sharing.penalty()
    assert lost > 0.5
    assert penalty is not None
    assert float(penalty.detach()) == pytest.approx(2 / (1 - lost))
    penalty.backward()
    assert bool((cast("torch.Tensor", sharing._gate("a").z.grad) > 0).all())  # descent lowers both bits
    assert cast("DSelectK", network("dselect-k(experts=4, entropy=0)").architecture).penalty() is None


def test_the_entropy_of_dselect_k_counts_experts_that_exist() -> None:
    gate = cast("DSelectK", network("dselect-k(experts=3, top_k=1)").architecture)._gate("a")
    with torch.no_grad():
        gate.z.copy_(torch.tensor([[0.0, 0.0]]))  # a quarter on each of four codes
    assert float(gate.entropy().detach()) == pytest.approx(-3 * 0.25 * np.log(0.25), abs=1e-4)


def test_gates_of_dselect_k_start_with_unequal_selectors() -> None:
    gate = cast("DSelectK", network("dselect-k(experts=4, top_k=2)").architecture)._gate("a")
    alpha = gate.alpha.detach()
    assert float(alpha.abs().max()) <= 0.05
    assert float((alpha[0] - alpha[1]).abs()) > 0


def test_the_smooth_step_is_smooth() -> None:
    v = torch.linspace(-2, 2, 401, dtype=torch.float64, requires_grad=True)
    step = smooth_step(v, 1.0)
    (slope,) = torch.autograd.grad(step.sum(), v)
    assert bool((slope >= 0).all())
    assert float(slope.diff().abs().max()) < 0.13
    assert torch.allclose(step + step.flip(0), torch.ones_like(step))


def test_sparse_experts_use_as_many_as_they_say_and_all_of_them_at_first() -> None:
    sharing = cast("SparseExperts", network("sparse-experts(experts=4, top_k=2)").architecture)
    sharing.train()
    gate = sharing._gates()[0](torch.randn(200, 4))
    assert bool(((gate > 0).sum(1) == 2).all())
    assert torch.allclose(gate.sum(1), torch.ones(200))
    assert float((gate > 0).float().mean(0).min()) > 0.3  # the noise alone decides, so that all are busy
    sharing.eval()
    x = torch.randn(5, 4)
    everything = cast("SparseExperts", network("sparse-experts(experts=4, top_k=4)").architecture).eval()
    mean = everything.experts(x)[1].mean(0)
    assert torch.allclose(everything(x, ("a",))["a"], mean, rtol=1e-5, atol=1e-6)


def test_the_balance_penalty_is_zero_for_equal_loads() -> None:
    sharing = cast("SparseExperts", network("sparse-experts(experts=4, top_k=4, balance=1.0)").architecture)
    sharing.train()
    gate = sharing._gates()[0]
    gate.importance.append(torch.full((4,), 3.0))
    penalty = sharing.penalty()
    assert penalty is not None
    assert float(penalty) == 0.0
    gate.importance.append(torch.tensor([4.0, 0.0, 0.0, 0.0]))
    skewed = sharing.penalty()
    assert skewed is not None
    assert float(skewed) == pytest.approx(4.0)  # variance 4 over mean 1
    assert sharing.penalty() is None


def test_masks_of_one_are_hard_sharing() -> None:
    model, hard = network("mtan"), network("hard")
    with torch.no_grad():
        for name, parameter in model.architecture.named_parameters():
            if ".second." in name:
                parameter.fill_(50.0 if name.endswith("bias") else 0.0)
    x = torch.randn(5, 4)
    for task, features in model.architecture(x, ("a", "b")).items():
        assert torch.allclose(features, hard.architecture(x, ("a", "b"))[task], rtol=1e-5)


def test_a_learned_tree_has_one_parent_per_node_in_the_end() -> None:
    model = network("branching(nodes=3)")
    model.eval()
    tree = cast("LearnedBranching", model.architecture)
    with torch.no_grad():
        for choice in (*tree.choices, tree.leaves):
            choice.logits.copy_(torch.randn_like(choice.logits))  # type: ignore[union-attr, operator]
    picked = [choice(0.5) for choice in (*tree.choices, tree.leaves)]
    assert all(bool((one.sum(1) == 1).all()) and bool(((one == 0) | (one == 1)).all()) for one in picked)
    model.train()
    for _ in range(500):
        tree(torch.randn(2, 4), ("a", "b"))
    assert float(tree.temperature) == 0.5  # type: ignore[arg-type]


def test_subspaces_are_kept_apart() -> None:
    """‖W₁ W₂ᵀ‖² of the halves of every layer, by hand."""
    model = network("sluice(orthogonality=2.0)")
    encoders = cast("Sluice", model.architecture).separate.encoders
    matrices = [p.detach().numpy() for encoder in encoders for p in encoder.parameters() if p.dim() == 2]
    expected = 2.0 * sum(float(np.square(W[: len(W) // 2] @ W[len(W) // 2 :].T).sum()) for W in matrices)
    penalty = model.architecture.penalty()
    assert penalty is not None
    assert float(penalty.detach()) == pytest.approx(expected, rel=1e-5)
