"""Look-ahead affinities and cosines against their definitions, worked out by hand on linear networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.relatedness.gradient_cosines import gradient_cosines, pairwise_cosines
from polytask.relatedness.lookahead_affinity import lookahead_affinity
from polytask.relatedness.lookahead_losses import StepSnapshot


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lr", [0.3, 0.05])
def test_the_affinity_is_what_the_definition_says(by_hand: Any, seed: int, lr: float) -> None:
    problem = by_hand.drawn(seed)
    found = lookahead_affinity(problem.glance(lr=lr)).numpy()
    assert found == pytest.approx(problem.affinities(lr), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_to_first_order_it_is_the_product_of_gradients_over_the_loss(by_hand: Any, seed: int) -> None:
    problem, lr = by_hand.drawn(seed), 1e-4
    gradients = [problem.gradient(task).ravel() for task in problem.y]
    expected = lr * np.array(gradients) @ np.array(gradients).T / [problem.loss(task, problem.W) for task in problem.y]
    found = lookahead_affinity(problem.glance(lr=lr)).numpy()
    largest = np.abs(expected).max()
    assert found == pytest.approx(expected, abs=0.01 * largest)
    assert found == pytest.approx(problem.affinities(lr), abs=1e-3 * largest)


@pytest.mark.parametrize("seed", range(3))
def test_cosines_are_those_of_the_gradients(by_hand: Any, seed: int) -> None:
    problem = by_hand.drawn(seed)
    rows = np.array([problem.gradient(task).ravel() for task in problem.y])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    glance = problem.glance()
    assert glance.gradients.numpy() == pytest.approx(np.array([problem.gradient(t).T.ravel() for t in problem.y]), rel=1e-4, abs=1e-5)
    assert gradient_cosines(glance).numpy() == pytest.approx(unit @ unit.T, abs=1e-5)


def test_tasks_that_are_one_have_cosines_of_one_and_one_affinity(by_hand: Any) -> None:
    one = by_hand.drawn(0, tasks=1)
    three = by_hand(one.x, dict.fromkeys("abc", one.y["t0"]), one.W, dict.fromkeys("abc", one.w["t0"]))
    glance = three.glance()
    assert gradient_cosines(glance).numpy() == pytest.approx(np.ones((3, 3)), abs=1e-6)
    affinities = lookahead_affinity(glance).numpy()
    assert affinities == pytest.approx(np.full((3, 3), affinities[0, 0]), abs=1e-12)
    assert affinities[0, 0] > 0


def test_tasks_that_share_no_feature_do_nothing_to_each_other(by_hand: Any) -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(10, 2)), {"a": random.normal(size=10), "b": random.normal(size=10)}
    glance = by_hand(x, y, np.eye(2), {"a": np.array([1.0, 0.0]), "b": np.array([0.0, 1.0])}).glance()
    assert gradient_cosines(glance).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    affinities = lookahead_affinity(glance).numpy()
    assert affinities[0, 1] == affinities[1, 0] == 0.0
    assert affinities.diagonal().min() > 0


def test_opposed_tasks_harm_each_other(by_hand: Any) -> None:
    random = np.random.default_rng(2)
    x, wish, head = random.normal(size=(10, 2)), random.normal(size=10), np.array([1.0, -0.5])
    glance = by_hand(x, {"up": wish, "down": -wish}, np.zeros((2, 2)), {"up": head, "down": head}).glance()
    assert gradient_cosines(glance).numpy() == pytest.approx(np.array([[1, -1], [-1, 1]]), abs=1e-6)
    affinities = lookahead_affinity(glance).numpy()
    assert affinities[0, 1] < 0 < affinities[0, 0]
    assert affinities == pytest.approx(affinities.T, abs=1e-7)


def test_the_step_has_the_learning_rate_that_each_parameter_has(by_hand: Any) -> None:
    problem = by_hand.drawn(3)
    slow = problem.glance(lr=0.1, lr_multipliers={"trunk": 0.5})
    assert lookahead_affinity(slow).numpy() == pytest.approx(problem.affinities(0.05), rel=1e-4, abs=1e-6)
    loop = problem.loop(lr=0.1)
    loop.state.optimizer.param_groups[0]["lr"] = 0.025  # as a schedule does
    assert lookahead_affinity(StepSnapshot(loop, problem.batch)).numpy() == pytest.approx(problem.affinities(0.025), rel=1e-4, abs=1e-6)


def test_momentum_and_decay_have_no_part_in_the_step(by_hand: Any) -> None:
    problem = by_hand.drawn(4)
    plain, heavy = (problem.glance(optimizer_options=options) for options in ({}, {"momentum": 0.9, "weight_decay": 0.5}))
    assert torch.equal(lookahead_affinity(plain), lookahead_affinity(heavy))


def test_a_task_without_a_loss_has_no_affinity_onto_it(by_hand: Any) -> None:
    problem = by_hand.drawn(5, tasks=2)
    solved = by_hand(problem.x, {"a": problem.y["t0"], "b": np.zeros(12)}, problem.W, {"a": problem.w["t0"], "b": np.zeros(4)})
    glance = solved.glance()
    assert torch.isnan(lookahead_affinity(glance)[:, 1]).all()
    assert torch.isfinite(lookahead_affinity(glance)[:, 0]).all()
    assert torch.isnan(gradient_cosines(glance)[0, 1])


@given(st.integers(0, 10_000), st.integers(2, 5), st.floats(1e-3, 1e3))
@settings(max_examples=settings.default.max_examples // 3)
def test_cosines_do_not_depend_on_lengths(seed: int, tasks: int, scale: float) -> None:
    rows = torch.from_numpy(np.random.default_rng(seed).normal(size=(tasks, 7)))
    found = pairwise_cosines(rows)
    scaled = pairwise_cosines(rows * torch.linspace(1.0, scale, tasks)[:, None])
    assert found.numpy() == pytest.approx(scaled.numpy(), abs=1e-9)
    assert found.abs().max() <= 1.0
    assert torch.equal(found, found.T)
    assert found.diagonal().tolist() == [1.0] * tasks
