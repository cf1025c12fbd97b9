"""Training with a share of the labels: which rows keep theirs, and what does not change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import polytask as pt
from polytask.data import RepeatedRowsSampler, Source, make_sampler
from polytask.errors import ConfigError
from polytask.tasks import Binary, Regression, Task
from polytask.training import prepare_data
from polytask.training.preparation.label_share import LabelShare

TASKS: tuple[Task, ...] = (Regression(name="price"), Binary(name="churn", classes=("no", "yes")))


def table(rows: int = 100) -> Source:
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype("float32")
    return Source("table", x, {"price": x.sum(1).astype(float), "churn": np.where(x[:, 0] > 0.8, "yes", "no").astype(object)})


@given(st.integers(1, 60), st.integers(0, 5), st.lists(st.floats(0.01, 1), min_size=2, max_size=4), st.integers(1, 3))
def test_shares_are_nested_and_spread_over_the_classes(rows: int, seed: int, shares: list[float], classes: int) -> None:
    kinds = np.random.default_rng(seed).integers(0, classes, rows)
    source = Source("table", np.zeros((rows, 1), dtype=np.float32), {"kind": np.array([f"k{kind}" for kind in kinds], dtype=object)})
    part = np.arange(rows)
    found = [LabelShare(share).rows_of(source, part, seed)["kind"] for share in sorted(shares)]
    for share, used, more in zip(sorted(shares), found, [*found[1:], part], strict=True):
        assert len(used) == int(np.ceil(share * rows - 1e-9))
        assert set(used) <= set(more)
        assert list(used) == sorted(set(used))
        for kind in range(classes):
            expected = share * np.sum(kinds == kind)
            assert abs(np.sum(kinds[used] == kind) - expected) <= classes, "a class keeps its share but for a row per class"


def test_all_labels_are_the_same_run_as_without_the_option() -> None:
    plain = pt.fit(TASKS, [table()], epochs=2, seed=1)
    same = pt.fit(TASKS, [table()], epochs=2, seed=1, label_share=1.0, label_share_of=("churn",))
    for one, two in zip(plain.model.state_dict().values(), same.model.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_the_number_of_steps_stays_and_only_the_named_task_loses_labels() -> None:
    fewer = prepare_data([table()], TASKS, validation_fraction=0.2, seed=3, label_share=LabelShare(0.25, ("churn",))).training["table"]
    assert fewer.rows.counts() == {"price": 80, "churn": 20}
    assert len(fewer.truths["churn"]) == 20
    assert len(fewer) == 80
    rows = prepare_data([table()], TASKS, validation_fraction=0.2, seed=3, label_share=LabelShare(0.25)).training["table"]
    assert rows.rows.counts() == {"price": 20, "churn": 20}
    assert (len(rows), rows.epoch_rows) == (20, 80)
    steps = {share: pt.fit(TASKS, [table()], epochs=2, batch_size=16, label_share=share).steps for share in (0.25, 1.0)}
    assert steps[0.25] == steps[1.0]


def test_networks_of_one_task_and_of_all_tasks_use_the_same_labels() -> None:
    share = LabelShare(0.3)
    joint = prepare_data([table()], TASKS, validation_fraction=0.2, seed=5, label_share=share).training["table"]
    alone = prepare_data([table()], TASKS[:1], validation_fraction=0.2, seed=5, label_share=share).training["table"]
    assert torch.equal(joint.rows.inputs, alone.rows.inputs)  # type: ignore[arg-type]


def test_statistics_come_from_the_labels_that_are_used() -> None:
    source = table()
    source.labels["price"][:] = np.arange(100.0)
    data = prepare_data([source], TASKS, validation_fraction=0.2, seed=0, label_share=LabelShare(0.1))
    used = data.training["table"].truths["price"]
    assert used.mean() != pytest.approx(49.5)
    assert isinstance(data.tasks[0], Regression)
    assert data.tasks[0].mean == pytest.approx(used.mean())


def test_weights_of_rows_have_the_mean_1_over_the_labels_that_are_used() -> None:
    weights = {"churn": np.linspace(0.1, 4, 100)}
    source = Source("table", table().inputs, table().labels, weights=weights)
    rows = prepare_data([source], TASKS, validation_fraction=0.2, seed=0, label_share=LabelShare(0.3, ("churn",))).training["table"].rows
    assert float(rows.weights["churn"][rows.labeled["churn"]].mean()) == pytest.approx(1.0)


@pytest.mark.parametrize("sampling", ["proportional", "temperature", "uniform", "round-robin"])
def test_repeated_rows_are_drawn_evenly(sampling: str) -> None:
    sampler = RepeatedRowsSampler(make_sampler(sampling, {"a": 40, "b": 20}, 6, None, 2.0), {"a": 10, "b": 20})
    drawn = torch.cat([step["a"] for epoch in range(20) for step in sampler.epoch(epoch, 0) if "a" in step])
    counts = torch.bincount(drawn, minlength=10)
    assert len(counts) == 10
    assert counts.max() - counts.min() <= 4
    assert sampler.steps == make_sampler(sampling, {"a": 40, "b": 20}, 6, None, 2.0).steps


def test_a_task_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^label_share_of: there is no such task \(found chrn\)\. Did you mean 'churn'"):
        pt.fit(TASKS, [table()], epochs=1, label_share=0.5, label_share_of=("chrn",))
