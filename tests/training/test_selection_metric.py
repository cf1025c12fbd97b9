"""The metric that selects, and the metric that decides: two declarations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import polytask as pt
from polytask.data import Source
from polytask.errors import ConfigError, DataError
from polytask.tasks import Binary, Regression, Task
from polytask.training import FitResult

QUICK: dict[str, Any] = {"epochs": 12, "batch_size": 20, "threads": 1, "lr": 0.05, "patience": None, "averaging": None}


def table(rows: int = 200) -> Source:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 3)).astype(np.float32)
    return Source("table", x, {"churn": (x[:, 0] + random.normal(size=rows) > 0).astype(int), "value": x[:, 1] + random.normal(size=rows)})


def trained(*tasks: Task) -> FitResult:
    torch.manual_seed(1)
    return pt.fit(pt.MultiTaskModel(pt.encoders.MLP((3,), hidden=(16,)), tasks), [table()], **QUICK)


def curve(run: FitResult, task: str, metric: str) -> pd.Series[float]:
    rows = run.history[(run.history["split"] == "validation") & (run.history["task"] == task) & (run.history["name"] == metric)]
    return rows.set_index("epoch")["value"]


def test_the_best_epoch_is_that_of_the_metric_that_selects() -> None:
    by_accuracy, by_loss = trained(Binary(name="churn")), trained(Binary(name="churn", selection_metric="log-loss"))
    accuracy, loss = curve(by_loss, "churn", "accuracy"), curve(by_loss, "churn", "log-loss")
    assert by_loss.best_epoch == loss.idxmin() != accuracy.idxmax() == by_accuracy.best_epoch
    assert curve(by_accuracy, "churn", "accuracy").tolist() == accuracy.tolist()  # the same training
    assert by_loss.validation["churn"]["log-loss"] == loss.min()


def test_both_stand_in_the_history_and_one_that_does_both_once() -> None:
    run = trained(Binary(name="churn", metric="auc", selection_metric="log-loss"), Regression(name="value"))
    rows = run.history[run.history["split"] == "validation"]
    assert rows.groupby("task")["name"].unique().map(list).to_dict() == {"churn": ["auc", "log-loss"], "value": ["rmse"]}
    assert (rows.groupby(["task", "name"]).size() == QUICK["epochs"]).all()


def test_by_default_the_metric_that_decides_selects() -> None:
    plain, explicit = (trained(Binary(name="churn", metric="auc", selection_metric=same)) for same in (None, "auc"))
    assert plain.best_epoch == explicit.best_epoch
    assert plain.relative_score == explicit.relative_score
    assert plain.relative_score == pytest.approx((plain.validation["churn"]["auc"] - 0.5) / 0.5)


def test_a_metric_that_the_kind_has_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'log-loss'"):
        Binary(name="churn", selection_metric="logloss")


def test_validation_rows_of_one_class_are_refused_where_either_metric_compares_classes() -> None:
    held_out = np.arange(200) >= 180
    source = table()
    labels = np.where(held_out, 1, source.labels["churn"])
    rows = Source("table", source.inputs, {"churn": labels}, held_out=held_out)
    pt.fit(pt.MultiTaskModel(pt.encoders.MLP((3,)), (Binary(name="churn"),)), [rows], **(QUICK | {"epochs": 1}))
    for task in (Binary(name="churn", metric="auc"), Binary(name="churn", selection_metric="auc")):
        with pytest.raises(DataError, match="at least two classes are needed for 'auc'"):
            pt.fit(pt.MultiTaskModel(pt.encoders.MLP((3,)), (task,)), [rows], **QUICK)
