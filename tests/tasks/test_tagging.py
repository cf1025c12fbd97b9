"""A tag for every token: its coding, its loss, and the entities that tags mark."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import ConfigError, DataError
from polytask.metrics.entity_metrics import entity_counts, find_entities
from polytask.tasks import Tagging, masked_loss, task_from_dict

TASK = Tagging(name="slots", classes=("O", "B-a", "I-a"))
LABELS = np.array([["O", "B-a", "I-a"], ["B-a", None, "O"], [None, None, None]], dtype=object)


def test_targets_are_codes_in_the_shape_of_the_labels() -> None:
    values, labeled = TASK.encode(LABELS)
    assert values.tolist() == [[0, 1, 2], [1, 0, 0], [0, 0, 0]]
    assert labeled.tolist() == [[True] * 3, [True, False, True], [False] * 3]
    assert TASK.labeled_rows(LABELS).tolist() == [True, True, False]


def test_a_row_s_tags_are_one_text_with_dashes_for_gaps() -> None:
    assert TASK.metric_targets(LABELS[:2]).tolist() == ["O B-a I-a", "B-a - O"]


def test_the_loss_is_the_mean_over_labeled_tokens() -> None:
    values, labeled = (torch.from_numpy(part) for part in TASK.encode(LABELS))
    outputs = torch.randn(3, 3, 3, dtype=torch.float64, requires_grad=True)
    loss = masked_loss(TASK, outputs, values, labeled)
    assert loss is not None
    by_hand = [-torch.log_softmax(outputs[row, token], 0)[values[row, token]] for row, token in np.argwhere(labeled.numpy())]
    assert loss.count == len(by_hand) == 5
    assert torch.allclose(loss.sum, torch.stack(by_hand).sum())
    (gradient,) = torch.autograd.grad(loss.sum, outputs)
    assert not gradient[~labeled].any()


def test_no_labeled_token_is_absence() -> None:
    values, labeled = (torch.from_numpy(part) for part in TASK.encode(LABELS[2:]))
    assert masked_loss(TASK, torch.randn(1, 3, 3), values, labeled) is None


def test_predictions_end_where_the_sentence_does() -> None:
    outputs = torch.nn.functional.one_hot(torch.tensor([[0, 1, 2], [1, 0, 0]]), 3).float()
    outputs[1, 1:] = torch.nan
    assert TASK.predict(outputs).values.tolist() == ["O B-a I-a", "B-a"]


def test_it_is_made_again_from_plain_data() -> None:
    assert task_from_dict(TASK.to_dict()) == TASK


@pytest.mark.parametrize("tags", [("O",), ("O", "O"), ("O", "B a"), ("O", "-"), ("O", ""), ("O", None)])
def test_tags_are_words(tags: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="task 'slots'"):
        Tagging(name="slots", classes=tags)


def test_an_unknown_tag_is_named() -> None:
    with pytest.raises(DataError, match="B-z"):
        TASK.encode(np.array([["B-z", "O"]], dtype=object))


TAGS = st.lists(st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y"]), max_size=8)


@given(TAGS)
def test_entities_partition_what_is_inside(tags: list[str]) -> None:
    covered = [place for _, start, end in find_entities(tags) for place in range(start, end)]
    assert covered == [place for place, tag in enumerate(tags) if tag != "O"]
    assert all({tag[2:] for tag in tags[start:end]} == {name} for name, start, end in find_entities(tags))


@given(TAGS)
def test_entities_begin_with_b_or_after_something_else(tags: list[str]) -> None:
    starts = {start for _, start, _ in find_entities(tags)}
    before = ["O", *tags[:-1]]
    assert starts == {n for n, tag in enumerate(tags) if tag[0] == "B" or (tag[0] == "I" and before[n][1:] != tag[1:])}


@given(st.lists(st.tuples(TAGS, TAGS), max_size=5))
def test_counts_are_those_of_sets(rows: list[tuple[list[str], list[str]]]) -> None:
    pairs = [(a[: min(len(a), len(b))], b[: min(len(a), len(b))]) for a, b in rows]
    right, claimed, actual = entity_counts([" ".join(a) for a, _ in pairs], [" ".join(b) for _, b in pairs])
    assert right.tolist() == [len(set(find_entities(a)) & set(find_entities(b))) for a, b in pairs]
    assert claimed.tolist() == [len(list(find_entities(b))) for _, b in pairs]
    assert actual.tolist() == [len(list(find_entities(a))) for a, _ in pairs]


def test_the_worked_example_of_the_shared_task() -> None:
    """Conlleval's own kind of counting: boundaries and name must be right."""
    right, claimed, actual = entity_counts(["B-x I-x O B-y", "I-x O"], ["B-x O O B-y", "B-x O"])
    assert (right.tolist(), claimed.tolist(), actual.tolist()) == ([1.0, 1.0], [2.0, 1.0], [2.0, 1.0])


def test_tokens_without_a_label_count_for_nothing() -> None:
    assert [counts.tolist() for counts in entity_counts(["O - O"], ["O B-x O"])] == [[0.0], [0.0], [0.0]]
