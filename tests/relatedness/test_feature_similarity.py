"""Linear CKA: its properties, its formula, and whose features it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from polytask.architectures import NetworkPlan
from polytask.data import Source, WordTokenizer
from polytask.relatedness import feature_similarities, linear_cka
from polytask.relatedness.feature_similarity import head_inputs
from polytask.tasks import Regression, Tagging, Task
from polytask.training import fit
from polytask.training.trained_network import TrainedNetwork

Floats = NDArray[np.float64]
CHOICES: dict[str, Any] = {"epochs": 1, "batch_size": 24, "threads": 1}


def by_kernels(X: Floats, Y: Floats) -> float:
    """HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)) with K = X Xᵀ, L = Y Yᵀ and HSIC(K, L) = tr(K H L H), H the centering matrix."""
    H = np.eye(len(X)) - 1 / len(X)
    K, L = X @ X.T, Y @ Y.T

    def hsic(A: Floats, B: Floats) -> float:
        return float(np.trace(A @ H @ B @ H))

    return hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L))


@given(st.integers(0, 10_000), st.integers(3, 20), st.integers(1, 12), st.integers(1, 12))
@settings(max_examples=settings.default.max_examples // 2)
def test_it_is_the_ratio_of_kernels_alignments(seed: int, rows: int, p: int, q: int) -> None:
    """More rows than features, and fewer, are computed in two ways."""
    random = np.random.default_rng(seed)
    X, Y = random.normal(size=(rows, p)), random.normal(size=(rows, q)) + random.normal(size=(rows, 1))
    assert linear_cka(X, Y) == pytest.approx(by_kernels(X, Y), rel=1e-9)
    assert 0 <= linear_cka(X, Y) <= 1


@given(st.integers(0, 10_000), st.integers(4, 20), st.integers(1, 8), st.floats(0.01, 100), st.floats(-10, 10))
@settings(max_examples=settings.default.max_examples // 2)
def test_rotations_scales_and_shifts_change_nothing(seed: int, rows: int, width: int, scale: float, shift: float) -> None:
    random = np.random.default_rng(seed)
    X, Y = random.normal(size=(rows, width)), random.normal(size=(rows, 3))
    rotation = np.linalg.qr(random.normal(size=(width, width)))[0]
    assert linear_cka(scale * X @ rotation + shift, Y) == pytest.approx(linear_cka(X, Y), rel=1e-7)
    assert linear_cka(X, Y) == pytest.approx(linear_cka(Y, X), rel=1e-12)
    assert linear_cka(X, scale * X @ rotation + shift) == pytest.approx(1.0, rel=1e-7)


def test_features_that_have_nothing_to_do_with_each_other() -> None:
    x = np.array([1.0, -1.0, 1.0, -1.0])[:, None]
    y = np.array([1.0, 1.0, -1.0, -1.0])[:, None]
    assert linear_cka(x, y) == 0.0
    assert linear_cka(np.hstack([x, y]), x) == pytest.approx(1 / np.sqrt(2))
    assert np.isnan(linear_cka(x, np.ones((4, 2))))


def trained(task: Task, sources: list[Source], seed: int = 0) -> TrainedNetwork:
    plan = NetworkPlan("mlp", (4,), {"hidden": (6,)}, hidden=())
    return TrainedNetwork.of(plan, fit(plan.build((task,), seed), sources, seed=seed, **CHOICES))


def test_networks_are_compared_on_what_both_know(table: Callable[..., Source], three_tasks: tuple[Task, ...]) -> None:
    beside = Source("beside", table(seed=3).inputs, {"size": table(seed=3).labels["price"]})
    sources = [table(), beside]
    networks = {task.name: trained(task, sources) for task in (*three_tasks[:2], Regression(name="size"))}
    found = feature_similarities(networks, sources)
    assert np.array_equal(found, found.T, equal_nan=True)
    assert found.diagonal().tolist() == [1.0, 1.0, 1.0]
    assert np.isnan(found[:2, 2]).all()
    one, other = (head_inputs(networks[name], sources[0], name) for name in ("price", "churn"))
    assert one.shape == (120, 6)
    assert found[0, 1] == pytest.approx(by_kernels(one, other))


def test_many_rows_are_thinned_out(table: Callable[..., Source], three_tasks: tuple[Task, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    networks = {task.name: trained(task, [table()]) for task in three_tasks[:2]}
    monkeypatch.setattr("polytask.relatedness.feature_similarity.MAX_COMPARED_ROWS", 50)
    one, other = (head_inputs(networks[name], table(), name)[::3] for name in networks)
    assert len(one) == 40
    assert feature_similarities(networks, [table()])[0, 1] == pytest.approx(by_kernels(one, other))


def test_padding_is_no_token() -> None:
    random = np.random.default_rng(0)
    codes = random.integers(1, 9, (40, 5))
    codes[np.arange(5) >= random.integers(1, 6, (40, 1))] = 0
    tags = np.where(codes > 4, "B-x", "O").astype(object)
    tags[codes == 0] = None
    source = Source("text", codes.astype(np.int64), {"tags": tags}, preprocessor=WordTokenizer(tuple("abcdefg")))
    plan = NetworkPlan("text", (5,), {"words": 9, "embedding": 4, "width": 6}, hidden=())
    network = TrainedNetwork.of(plan, fit(plan.build((Tagging(name="tags", classes=("B-x", "O")),), 0), [source], **CHOICES))
    features = head_inputs(network, source, "tags")
    assert features.shape == (40 + (codes > 0).sum(), 6)
