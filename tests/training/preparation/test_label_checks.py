"""What every part must have, said in one line before anything is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polytask.data import Source
from polytask.errors import DataError
from polytask.tasks import Binary, Multiclass, Regression, Tagging, Task
from polytask.training import prepare_data
from polytask.training.preparation.label_checks import check_labels

ROWS = 40
HELD_OUT = np.arange(ROWS) % 4 == 0
CHURN = Binary(name="churn", classes=("no", "yes"))
PLAN = Multiclass(name="plan", classes=("a", "b", "c"))


def prepared(task: Task, labels: Any, held_out: np.ndarray | None = None) -> None:
    source = Source("toy", np.arange(float(ROWS)).reshape(-1, 1), {task.name: np.asarray(labels, dtype=object)}, held_out=held_out)
    prepare_data([source], [task], validation_fraction=0.2, seed=0)


def words(training: str | None, validation: str | None, one: tuple[int, str] | None = None) -> np.ndarray:
    labels = np.where(HELD_OUT, validation, training).astype(object)
    if one is not None:
        labels[one[0]] = one[1]
    return labels


@pytest.mark.parametrize(
    ("task", "labels", "text"),
    [
        (CHURN, words("no", "yes"), r"task 'churn', training part: .*at least two classes .*found 30 labels, all 'no'.*leave the task out"),
        (CHURN, words(None, "no", (1, "yes")), "task 'churn', training part: .*found 1 label, 'yes'"),
        (PLAN, words("b", "a"), "task 'plan', training part: .*found 30 labels, all 'b'"),
        (CHURN, words(None, "no"), "task 'churn', training part: no row has a label"),
        (CHURN, words("no", None, (1, "yes")), "task 'churn', validation part: no row has a label"),
        (
            Binary(name="churn", classes=("no", "yes"), metric="auc"),
            words("no", "no", (1, "yes")),
            "task 'churn', validation part: .*two classes are needed for 'auc' .*found 10 labels, all 'no'.*another metric",
        ),
        (
            Multiclass(name="plan", classes=("a", "b", "c"), metric="auc"),
            words("a", "c", (1, "c")),
            "task 'plan', validation part: .*found 10 labels, all 'c'",
        ),
        (Regression(name="size"), np.full(ROWS, 3.0), "task 'size': at least two different labels"),
    ],
)
def test_a_part_that_lacks_labels_is_one_line(task: Task, labels: np.ndarray, text: str) -> None:
    with pytest.raises(DataError, match=text) as caught:
        prepared(task, labels, HELD_OUT)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        (CHURN, words("no", "yes", (1, "yes"))),  # one class in validation: accuracy is defined
        (PLAN, words("a", "c", (1, "c"))),  # one of three classes is missing
        (Binary(name="churn", classes=("no", "yes"), metric="auc"), np.where(np.arange(ROWS) < 9, "no", "yes")),
        (Regression(name="size"), np.where(HELD_OUT, 1.0, np.arange(ROWS))),
    ],
)
def test_what_is_enough(task: Task, labels: np.ndarray) -> None:
    prepared(task, labels, HELD_OUT)


def test_a_sources_one_class_is_enough_beside_anothers() -> None:
    """A task may have its classes in different sources."""
    sources = [Source(name, np.zeros((20, 1)), {"churn": np.full(20, name, dtype=object)}) for name in ("no", "yes")]
    prepare_data(sources, [CHURN], validation_fraction=0.2, seed=0)


def test_tags_of_one_kind_are_a_matter_of_tokens() -> None:
    check_labels([Tagging(name="slots", classes=("O", "B-x"))], "training", {"slots": np.array(["O O", "O O"], dtype=object)})


def test_a_rare_class_reaches_both_parts() -> None:
    """Four rows of 40, a quarter for validation: one of them, whatever the seed."""
    labels = np.where(np.arange(ROWS) < 4, "yes", "no")
    for seed in range(5):
        source = Source("toy", np.zeros((ROWS, 1)), {"churn": labels})
        prepare_data([source], [Binary(name="churn", classes=("no", "yes"), metric="auc")], validation_fraction=0.25, seed=seed)
