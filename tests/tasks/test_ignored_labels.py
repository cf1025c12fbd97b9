"""`ignore_index`: labels that mark a missing one count as missing everywhere, to the bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import polytask as pt
from polytask.data import Source
from polytask.datasets.tables import load_tables, source_from_table
from polytask.errors import ConfigError, DataError
from polytask.options import TableOptions
from polytask.studies import Study
from polytask.tasks import Binary, Multiclass, Ordinal, Regression, Tagging, Task, task_from_dict

NUMBERS = np.array([0, 2, -100, 1, -100, 2])
ROWS: tuple[tuple[Task, np.ndarray], ...] = (
    (Multiclass(name="y", classes=(0, 1, 2), class_weights="balanced", ignore_index=-100), NUMBERS),
    (Binary(name="y", classes=(0, 2), ignore_index=1), np.array([0, 2, 1, 1, 0])),
    (Ordinal(name="y", classes=(0, 1, 2), ignore_index=-100), NUMBERS.astype(np.int8)),
    (Multiclass(name="y", classes=("a", "b"), ignore_index="?"), np.array(["a", "?", "b", "?"])),
    (Multiclass(name="y", classes=("0", "1"), ignore_index=-1), np.array(["0", "-1", "1"])),
    (Multiclass(name="y", classes=(0, 1), ignore_index=255), np.array([0.0, 255.0, np.nan, 1.0])),
    (Tagging(name="y", classes=("O", "B-a"), ignore_index="X"), np.array([["O", "X", "B-a"], ["X", "X", "X"]], dtype=object)),
)
every = pytest.mark.parametrize(("task", "labels"), ROWS)


@every
def test_ignored_labels_are_missing_labels(task: Task, labels: np.ndarray) -> None:
    gaps = labels.astype(object)
    gaps[[[label in (task.ignore_index, str(task.ignore_index)) for label in row] for row in labels] if labels.ndim > 1 else
         [label in (task.ignore_index, str(task.ignore_index)) for label in labels]] = None  # fmt: skip
    plain = replace(task, ignore_index=None)
    ours, theirs = task.encode(labels), plain.encode(gaps)
    assert ours.labeled.tolist() == theirs.labeled.tolist()
    assert ours.values[ours.labeled].tolist() == theirs.values[theirs.labeled].tolist()
    there = task.labeled_rows(labels)
    assert there.tolist() == plain.labeled_rows(gaps).tolist()
    assert task.metric_targets(labels[there]).tolist() == plain.metric_targets(gaps[there]).tolist()
    assert task.fitted(labels) == replace(plain.fitted(gaps), ignore_index=task.ignore_index)


@every
def test_it_is_stored_with_the_task_and_only_if_it_is_set(task: Task, labels: np.ndarray) -> None:
    del labels
    assert task_from_dict(json.loads(json.dumps(task.to_dict()))) == task
    assert "ignore_index" not in replace(task, ignore_index=None).to_dict()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Multiclass(name="a", classes=(0, 1), ignore_index=1), "ignore_index: the ignored label must be none of the classes"),
        (lambda: Binary(name="a", ignore_index=0), "none of the classes"),
        (lambda: Tagging(name="a", classes=("O", "X"), ignore_index="X"), "none of the classes"),
        (lambda: Ordinal(name="a", classes=(0, 1), ignore_index=[2, 3]), "must be a number or a text"),
        (lambda: Multiclass(name="a", classes=(0, 1), ignore_index=float("nan")), "NaN and None mean a missing label already"),
    ],
)
def test_what_cannot_be_ignored(make: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_usual_mark_among_labels_is_named() -> None:
    with pytest.raises(DataError, match=r"found -100.* If it marks a missing label: ignore_index=-100"):
        Multiclass(name="a", classes=(0, 1)).encode(np.array([0, -100]))


def test_large_integers_are_not_rounded() -> None:
    large = 2**53 + 1
    task = Multiclass(name="a", classes=(large, large - 1), ignore_index=-1)
    assert task.encode(np.array([large - 1, -1, large])).values.tolist() == [1, 0, 0]


def marked_and_missing(rows: int, seed: int) -> tuple[Source, Source]:
    """Sources that differ in how they write a missing label: with −100, and as NaN or None."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4)).astype(np.float32)
    labels = np.where(random.random(rows) < 0.3, -100, np.digitize(x[:, 0] + random.normal(size=rows) / 3, [-0.5, 0.5]))
    other = x[:, 1] + x[:, 2]
    gaps = np.where(labels == -100, np.nan, labels.astype(np.float64))
    return Source("table", x, {"y": labels, "other": other}), Source("table", x, {"y": gaps, "other": other})


def tasks_for(mark: int | None) -> tuple[Task, ...]:
    return (Multiclass(name="y", classes=(0, 1, 2), class_weights="balanced", ignore_index=mark), Regression(name="other"))


@pytest.mark.parametrize("choices", [{}, {"label_share": 0.5}])
def test_training_with_marks_is_training_with_missing_labels_to_the_bit(choices: dict[str, Any]) -> None:
    runs = [
        pt.fit(tasks_for(mark), [source], epochs=3, batch_size=16, threads=1, seed=3, **choices)
        for mark, source in zip((-100, None), marked_and_missing(120, 0), strict=True)
    ]
    ours, theirs = (run.model.state_dict() for run in runs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert runs[0].validation == runs[1].validation
    histories = [run.history[run.history["task"].isin(["y", "other"])].reset_index(drop=True) for run in runs]
    pd.testing.assert_frame_equal(*histories)


def test_training_of_tokens_with_marks_is_training_with_missing_labels_to_the_bit() -> None:
    random = np.random.default_rng(0)
    steps = random.normal(size=(60, 6, 2)).astype(np.float32)
    tags = np.array(["O", "B-a", "I-a"], dtype=object)[np.digitize(steps[:, :, 0], [-0.5, 0.5])]
    marks = random.random(tags.shape) < 0.2
    found = []
    for mark, written in (("X", "X"), (None, None)):
        labels = np.where(marks, written, tags)
        source = Source("waves", steps, {"slots": labels, "high": (steps[:, 0, 0] > 0).astype(float)})
        tasks = (Tagging(name="slots", classes=("O", "B-a", "I-a"), ignore_index=mark), Binary(name="high"))
        found.append(pt.fit(tasks, [source], epochs=2, batch_size=16, threads=1))
    ours, theirs = (run.model.state_dict() for run in found)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert found[0].validation == found[1].validation


def test_a_study_with_marks_is_a_study_with_missing_labels(tmp_path: Path) -> None:
    frames = []
    for place, mark in enumerate((-100, None)):
        study = Study(
            [marked_and_missing(120, 0)[place]], tasks_for(mark), ["single", "equal"], 2,
            test=lambda place=place: (marked_and_missing(80, 1)[place],), workers=1, training={"epochs": 2, "threads": 1},
        )  # fmt: skip
        study.run(tmp_path / str(place))
        frames.append([pd.read_parquet(tmp_path / str(place) / "predictions.parquet"), pd.read_csv(tmp_path / str(place) / "results.csv")])
    for ours, theirs in zip(*frames, strict=True):
        pd.testing.assert_frame_equal(ours, theirs)
    assert "-100" not in set(frames[0][0]["target"])
    model = pt.load(tmp_path / "0")
    assert next(task for task in model.tasks if task.name == "y").ignore_index == -100


def test_a_table_with_marks_is_a_table_with_empty_cells(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=200), "y": random.integers(0, 3, 200), "z": random.normal(size=200)})
    frame.loc[random.random(200) < 0.2, "y"] = -1
    frame.loc[0, "y"] = -1
    loaded = []
    for mark, table in (("(ignore_index=-1)", frame), ("", frame.assign(y=frame["y"].where(frame["y"] >= 0).astype("Int64")))):
        path = tmp_path / f"table{len(loaded)}.csv"
        table.to_csv(path, index=False)
        loaded.append(load_tables({"t": TableOptions(str(path), {"y": f"multiclass{mark}", "z": None})}))
    ours, theirs = loaded
    assert ours.tasks[0] == replace(theirs.tasks[0], ignore_index=-1)
    assert ours.tasks[0].classes == (0, 1, 2)
    for one, other in ((ours.sources[0], theirs.sources[0]), (ours.sources.open_test()[0], theirs.sources.open_test()[0])):
        assert np.array_equal(one.units, other.units)
        assert np.array_equal(one.labels["y"], other.labels["y"], equal_nan=True)
    source, tasks = source_from_table(frame, {"y": "multiclass(ignore_index=-1)", "z": None})
    assert tasks[0] == ours.tasks[0]
    assert np.array_equal(np.isnan(source.labels["y"]), frame["y"].to_numpy() == -1)
    known, _ = source_from_table(frame, {"y": tasks[0], "z": None})
    assert np.array_equal(known.labels["y"], source.labels["y"], equal_nan=True)


def test_a_mark_that_occurs_once_is_no_class_of_one_row(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.arange(100.0), "y": ["a", "b"] * 50, "z": np.arange(100.0)})
    frame.loc[3, "y"] = "?"
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="a class of one row"):
        load_tables({"t": TableOptions(str(tmp_path / "t.csv"), {"y": "multiclass", "z": None})})
    loaded = load_tables({"t": TableOptions(str(tmp_path / "t.csv"), {"y": "binary(ignore_index='?')", "z": None})})
    assert loaded.tasks[0].classes == ("a", "b")
    with pytest.raises(ConfigError, match=r"ignore_index: the ignored label must be a number or a text") as caught:
        load_tables({"t": TableOptions(str(tmp_path / "t.csv"), {"y": "binary(ignore_index=[a, b])", "z": None})})
    assert "\n" not in str(caught.value)


def test_other_kinds_have_no_such_option() -> None:
    frame = pd.DataFrame({"x": np.arange(50.0), "y": np.arange(50.0)})
    with pytest.raises(ConfigError, match="ignore_index") as caught:
        source_from_table(frame, {"y": "regression(ignore_index=-1)"})
    assert "\n" not in str(caught.value)


def test_estimators_ignore_marks_in_fit_and_score() -> None:
    from polytask.estimators import MultiTaskEstimator

    source, gaps = marked_and_missing(150, 0)
    scores = []
    for mark, labels in (("(ignore_index=-100)", source.labels), ("", gaps.labels)):
        model = MultiTaskEstimator({"y": f"multiclass{mark}", "other": "regression"}, epochs=2, random_state=0)
        targets = pd.DataFrame(dict(labels))
        model.fit(pd.DataFrame(source.inputs, columns=list("abcd")), targets)
        scores.append(model.score(pd.DataFrame(source.inputs, columns=list("abcd")), targets))
    assert scores[0] == scores[1]
