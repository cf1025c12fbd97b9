"""When a run ends, and which epoch it keeps: growing patience, a fixed length, and values that are no longer finite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import polytask as pt
from polytask.errors import NonFiniteError
from polytask.training import Callback
from polytask.training.loop.early_stopping import EarlyStopping
from polytask.training.loop.training_loop import TrainingLoop

CHOICES: dict[str, Any] = {"batch_size": 16, "threads": 1, "lr": 0.03}
TASKS = (pt.tasks.Regression(name="noise"),)


def noise() -> pt.Source:
    """Nothing to learn, so that the network soon gets worse on the validation part."""
    random = np.random.default_rng(2)
    return pt.Source("noise", random.normal(size=(60, 4)).astype("float32"), {"noise": random.normal(size=60)})


@pytest.mark.parametrize(("best", "share", "end"), [(3, 0.0, 8), (3, 0.25, 8), (15, 0.25, 20), (30, 0.25, 40), (30, 0.5, 60)])
def test_patience_grows_with_the_epochs(best: int, share: float, end: int) -> None:
    """With share s, a run whose best epoch is e ends after max(e + 5, e / (1 − s)) epochs."""
    stopping = EarlyStopping(("a",), "mean", patience=5, min_delta=0.0, share=share)
    for epoch in range(1, 1_000):
        stopping.update({"a": -abs(epoch - best)})
        if stopping.converged:
            break
    assert epoch == end


@given(metrics=st.lists(st.floats(-1, 1), min_size=1, max_size=40), cut=st.integers(0, 40))
def test_a_restored_rule_goes_on_as_before(metrics: list[float], cut: int) -> None:
    whole, restored = (EarlyStopping(("a",), "mean", patience=2, min_delta=0.0, share=0.25) for _ in range(2))
    for metric in metrics[:cut]:
        whole.update({"a": metric})
    restored.load_state_dict(whole.state_dict())
    for metric in metrics[cut:]:
        assert whole.update({"a": metric}) == restored.update({"a": metric})
        assert whole.converged == restored.converged


def test_a_fixed_length_keeps_its_last_epoch_however_bad() -> None:
    run = pt.fit(TASKS, [noise()], epochs=9, patience=1, keep="last", **CHOICES)
    best = pt.fit(TASKS, [noise()], epochs=9, patience=None, **CHOICES)
    assert (run.epochs, run.best_epoch) == (9, 9)
    assert best.best_epoch < 9
    assert run.relative_score == run.timeline[-1][1] < best.relative_score == max(relative for _, relative in best.timeline)
    assert "the last was kept" in str(run)


@final
class Spoil(Callback):
    """Makes the weights infinite in one epoch, as a rate that is too high may do late in training."""

    def __init__(self, epoch: int = 3) -> None:
        self.epoch = epoch

    def on_step_begin(self, loop: TrainingLoop, batches: Mapping[str, Any]) -> None:
        del batches
        if loop.state.epoch + 1 == self.epoch:
            with torch.no_grad():
                next(loop.state.model.parameters()).fill_(torch.inf)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_run_that_diverges_counts_as_its_last_finite_average(tmp_path: Path, keep: str) -> None:
    given_ = {**CHOICES, "lr": 0.001, "keep": keep, "non_finite": "end", "callbacks": [Spoil()]}
    run = pt.fit(TASKS, [noise()], epochs=6, checkpoint=tmp_path / "state", **given_)
    short = pt.fit(TASKS, [noise()], epochs=2, **{**given_, "callbacks": []})
    assert run.finished
    assert "epoch 3" in run.diverged
    assert not short.diverged
    assert f"\nended early: {run.diverged.rstrip('.')}; epoch {run.best_epoch} was kept\n" in str(run)
    assert "ended early" not in str(short)
    assert run.best_epoch == short.best_epoch
    assert all(torch.equal(value, short.model.state_dict()[name]) for name, value in run.model.state_dict().items())
    again = pt.fit(TASKS, [noise()], epochs=6, checkpoint=tmp_path / "state", **given_)
    assert again.diverged == run.diverged


def test_a_run_without_a_finite_epoch_is_an_error() -> None:
    with pytest.raises(NonFiniteError, match="epoch 1"):
        pt.fit(TASKS, [noise()], epochs=6, non_finite="end", callbacks=[Spoil(1)], **CHOICES)
    with pytest.raises(NonFiniteError, match="epoch 3"):
        pt.fit(TASKS, [noise()], epochs=6, callbacks=[Spoil()], **CHOICES)
