"""A whole study of every kind of task: from labels to a verdict, and to a model that predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import polytask as pt
from polytask.data import Normalization, Source
from polytask.errors import DataError
from polytask.metrics.metric_functions import METRICS
from polytask.studies import Study
from polytask.tasks import Binary, Count, Multiclass, Multilabel, Ordinal, Outcome, Quantile, Survival, Task
from polytask.training.preparation.prepared_data import prepare_data, prepare_source
from polytask.verdicts.advised_verdict import Verdict
from polytask.verdicts.prediction_frame import read_predictions

TASKS: dict[str, Task] = {
    "multilabel": Multilabel(name="topics", classes=("sport", "politics", "music"), separator=","),
    "ordinal": Ordinal(name="grade", classes=("poor", "fair", "good", "best")),
    "count": Count(name="claims"),
    "quantile": Quantile(name="price", levels=(0.25, 0.5, 0.75)),
    "survival": Survival(name="stay", intervals=4),
    "balanced": Multiclass(name="plan", classes=("a", "b"), class_weights="balanced", label_smoothing=0.1),
    "weighted": Binary(name="churn", positive_weight="balanced"),
}


def labels_of(kind: str, x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Labels that depend on the inputs, a tenth of them missing."""
    noise = random.normal(size=x.shape) / 4
    seen = x + noise
    labels = np.empty(len(x), dtype=object)
    if kind == "multilabel":
        labels[:] = [",".join(np.array(["sport", "politics", "music"])[row[:3] > 0.3]) or "-" for row in seen]
    elif kind == "ordinal":
        labels[:] = np.array(["poor", "fair", "good", "best"])[np.digitize(seen[:, 0], [-0.7, 0.0, 0.7])]
    elif kind == "count":
        labels[:] = random.poisson(np.exp(seen[:, 0]))
    elif kind == "quantile":
        labels[:] = 10 + 3 * seen[:, 0]
    elif kind == "survival":
        labels[:] = Survival.labels(np.exp(seen[:, 0]), event=random.random(len(x)) < 0.7)
    else:
        labels[:] = np.array(["a", "b"] if kind == "balanced" else [0, 1])[(seen[:, 0] > 0.8).astype(int)]
    labels[random.random(len(x)) < 0.1] = None
    return labels


def source_of(kind: str, rows: int, seed: int) -> Source:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4)).astype(np.float32)
    return Source("table", x, {TASKS[kind].name: labels_of(kind, x, random), "other": x[:, 1] + x[:, 2]})


@pytest.fixture(scope="module", params=TASKS)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Verdict]:
    """A study of one kind beside a regression: the kind, its run folder and its verdict."""
    kind, folder = request.param, tmp_path_factory.mktemp("study") / "run"
    tasks = (TASKS[kind], pt.tasks.Regression(name="other"))
    training = {"epochs": 8, "threads": 1, "lr": 0.01}
    study = Study(
        [source_of(kind, 240, 0)],
        tasks,
        ["single", "equal"],
        2,
        test=lambda: (source_of(kind, 150, 1),),
        workers=1,
        training=training,
    )
    return kind, folder, study.run(folder).verdict


@pytest.mark.sampled(4)
def test_every_kind_comes_to_a_verdict_and_a_model(finished: tuple[str, Path, Verdict]) -> None:
    kind, folder, verdict = finished
    task, found = TASKS[kind], verdict.tasks[TASKS[kind].name]
    assert (found.kind, found.metric) == (task.kind, task.metric)
    predictions = pd.read_parquet(folder / "predictions.parquet")
    results = pd.read_csv(folder / "results.csv")
    kinds: dict[str, str | Task] = {task.name: task, "other": "regression"}
    ((own,),) = (part.splits for part in read_predictions(predictions, kinds).tasks if part.name == task.name)
    stored = results[(results["task"] == task.name) & (results["metric"] == task.metric) & (results["split"] == "test")]
    for arm, runs in own.runs.items():
        measured = [METRICS[task.metric].function(Outcome(own.targets, row)) for row in runs.predictions]
        assert stored[stored["arm"] == arm].sort_values("seed")["value"].tolist() == pytest.approx(measured, rel=1e-9)
    model = pt.load(folder)
    answers = model.predict(source_of(kind, 5, 2).inputs)[task.name]
    assert len(answers) == 5
    if kind == "multilabel":
        chances = model.predict_proba(source_of(kind, 5, 2).inputs)[task.name]
        expected = ["|".join(chances.columns[row > 0.5]) or "-" for row in chances.to_numpy()]
        assert answers.tolist() == expected


@pytest.mark.sampled(4)
def test_every_kind_learns_more_than_the_trivial_predictor_knows(finished: tuple[str, Path, Verdict]) -> None:
    kind, folder, _ = finished
    history = pd.read_csv(folder / "history.csv")
    results = pd.read_csv(folder / "results.csv")
    assert np.isfinite(results["value"]).all()
    assert not history.empty
    metric = METRICS[TASKS[kind].metric]
    own = results[(results["task"] == TASKS[kind].name) & (results["metric"] == metric.name) & (results["split"] == "test")]
    test = source_of(kind, 150, 1).labels[TASKS[kind].name]
    seen = source_of(kind, 240, 0).labels[TASKS[kind].name]
    known = [TASKS[kind].metric_targets(labels[[label is not None and label == label for label in labels]]) for labels in (seen, test)]
    trivial = pt.metrics.trivial_predictions(TASKS[kind], *known)
    better = np.sign(metric.perfect - metric.function(trivial)) * (own["value"].mean() - metric.function(trivial))
    assert better > 0


@pytest.mark.sampled(3)
@pytest.mark.parametrize("balancer", ["pcgrad", "uncertainty", "imtl"])
def test_kinds_of_all_sorts_are_balanced_together(balancer: str) -> None:
    sources = [source_of(kind, 60, 0) for kind in TASKS]
    source = Source("table", sources[0].inputs, {name: labels for one in sources for name, labels in one.labels.items()})
    model = pt.MultiTaskModel(pt.encoders.MLP((4,)), tuple(TASKS.values()))
    run = pt.fit(model, [source], balancer, epochs=2, batch_size=16, micro_batches=2, threads=1)
    assert all(np.isfinite(value) for metrics in run.validation.values() for value in metrics.values())


@pytest.mark.parametrize("write", [list, set, frozenset])
def test_a_source_takes_tuples_and_says_so_of_what_has_no_one_way_to_be_written(write: Any) -> None:
    source = source_of("multilabel", 60, 0)
    for make in (tuple, write):
        labels = np.empty(60, dtype=object)
        labels[:] = [None if text is None else make([] if text == "-" else text.split(",")) for text in source.labels["topics"]]
        one = Source("table", source.inputs, {**source.labels, "topics": labels})
        if make is tuple:
            expected = prepare_data([source], [TASKS["multilabel"]], validation_fraction=0.2, seed=0).training["table"].truths["topics"]
            found = prepare_data([one], [TASKS["multilabel"]], validation_fraction=0.2, seed=0).training["table"].truths["topics"]
            assert found.tolist() == expected.tolist()
        else:
            with pytest.raises(
                DataError, match=r"source 'table', 'topics', row \d+: .* Convert sets to texts: Multilabel\.labels"
            ) as caught:
                prepare_data([one], [TASKS["multilabel"]], validation_fraction=0.2, seed=0)
            assert "\n" not in str(caught.value)


def test_the_labeled_unit_of_a_set_of_labels_is_the_row() -> None:
    source = source_of("multilabel", 60, 0)
    task = TASKS["multilabel"]
    rows = prepare_source(source, (task,), Normalization.of(source)).rows
    labeled = int(pd.notna(source.labels["topics"]).sum())
    assert 0 < labeled < 60
    assert rows.counts() == {"topics": labeled}
    whole = rows.take(torch.from_numpy(np.flatnonzero(pd.notna(source.labels["topics"]))))
    assert whole.counts() == {"topics": labeled}
    filled = Source("table", source.inputs, {"topics": np.full(60, "sport,music", dtype=object)})
    assert prepare_source(filled, (task,), Normalization.of(filled)).rows.counts() == {"topics": 60}
