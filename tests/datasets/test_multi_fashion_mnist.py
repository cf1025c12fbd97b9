"""A digit and a garment in one image: rows, labels, and the pixels that they come from."""

from __future__ import annotations

import numpy as np

from polytask.datasets import get_dataset, load_dataset
from polytask.datasets.multi_fashion_mnist import overlay_images


def test_rows_and_labels_belong_together() -> None:
    own = {source.name: source for source in get_dataset("mnist-fashion").training()}
    (canvas,) = get_dataset("multi-fashion-mnist").training()
    assert np.array_equal(canvas.labels["digit"], own["mnist"].labels["digit"])
    nearest = ((np.arange(28) + 0.5) * 36 / 28).astype(int)
    upper = nearest[nearest < 6]  # rows and columns of the canvas that no garment covers
    assert np.array_equal(canvas.inputs[:, 0, : len(upper), :20], own["mnist"].inputs[:, 0][:, upper][:, :, nearest[:20]])
    counts = {task: np.unique(canvas.labels[task], return_counts=True)[1] for task in ("digit", "garment")}
    assert counts["garment"].tolist() == np.unique(own["fashion-mnist"].labels["garment"], return_counts=True)[1].tolist()


def test_garments_are_where_they_should_be() -> None:
    random = np.random.default_rng(0)
    nothing, something = np.zeros((3, 28, 28), np.uint8), random.integers(1, 256, (3, 28, 28), dtype=np.uint8)
    seen = overlay_images(nothing, something)
    nearest = ((np.arange(28) + 0.5) * 36 / 28).astype(int)
    inside = (nearest >= 6) & (nearest < 34)
    expected = something[:, nearest[inside] - 6][:, :, nearest[inside] - 6]
    assert np.array_equal(seen[:, inside][:, :, inside], expected)
    assert not seen[:, ~inside].any()
    assert np.array_equal(np.maximum(overlay_images(something, nothing), seen), overlay_images(something, something))


def test_it_is_the_same_every_time_and_partners_differ_between_parts() -> None:
    first, second = (get_dataset("multi-fashion-mnist").training()[0] for _ in range(2))
    assert np.array_equal(first.inputs, second.inputs)
    test = get_dataset("multi-fashion-mnist").test()[0]
    assert not np.array_equal(first.labels["garment"][:100], test.labels["garment"][:100])


def test_both_tasks_are_on_every_row() -> None:
    sources, tasks = load_dataset("multi-fashion-mnist")
    assert [task.name for task in tasks] == ["digit", "garment"]
    assert [source.tasks for source in sources] == [("digit", "garment")]
