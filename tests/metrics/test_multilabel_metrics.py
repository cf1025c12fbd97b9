"""Sets of labels as texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from polytask.metrics.multilabel_metrics import label_counts
from polytask.tasks.multilabel import in_one_order, labels_of

SETS = st.sets(st.sampled_from("abcd")).map(lambda labels: "|".join(labels) or "-")


@given(st.lists(st.tuples(SETS, SETS), max_size=6))
def test_counts_are_those_of_sets(rows: list[tuple[str, str]]) -> None:
    right, claimed, actual = label_counts([a for a, _ in rows], [b for _, b in rows])
    sets = [(set(a) - {"|", "-"}, set(b) - {"|", "-"}) for a, b in rows]
    assert right.tolist() == [len(a & b) for a, b in sets]
    assert claimed.tolist() == [len(b) for _, b in sets]
    assert actual.tolist() == [len(a) for a, _ in sets]


@given(st.lists(st.permutations(["x", "y", "z"]), min_size=2, max_size=4))
def test_equal_sets_become_equal_texts(orders: list[list[str]]) -> None:
    assert set(in_one_order(["|".join(order) for order in orders])) == {"x|y|z"}
    assert labels_of("-") == frozenset()
