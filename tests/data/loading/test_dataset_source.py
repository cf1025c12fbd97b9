"""Sources from map-style data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from polytask.data import Normalization, Source, fingerprint
from polytask.data.input_entries import RowReader
from polytask.data.loading import dataset_source, image_folder
from polytask.data.memmap import is_memmap
from polytask.errors import ConfigError, MissingExtraError, PolytaskError

ROWS = 23


def picture(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (1, 5, 5), dtype=np.uint8)


class Pairs(Dataset[Any]):
    """Pictures with two labels each, one of which is sometimes missing."""

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> tuple[Any, int, float | None]:
        return torch.from_numpy(picture(index)), index % 3, None if index % 5 == 0 else index / 2


class WithColumns:
    """What is used of a Hugging Face data set."""

    def __init__(self, columns: Sequence[str] = ("image", "table", "digit", "size")) -> None:
        self.columns, self.opened = list(columns), 0

    def select_columns(self, columns: Sequence[str]) -> WithColumns:
        return WithColumns(columns)

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.opened += "image" in self.columns
        item = {"image": picture(index), "table": [index / 2, 1.0], "digit": index % 3, "size": None if index % 5 == 0 else index / 2}
        return {name: value for name, value in item.items() if name in self.columns}

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        return [self[index] for index in indices]


LABELS: dict[str, list[Any]] = {
    "digit": [index % 3 for index in range(ROWS)],
    "size": [np.nan if index % 5 == 0 else index / 2 for index in range(ROWS)],
}


def read(source: Source) -> Any:
    return source.inputs.read(np.arange(len(source))) if isinstance(source.inputs, RowReader) else source.inputs


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("dataset", "inputs", "labels"),
    [
        (Pairs(), None, ["digit", "size"]),
        ([(picture(index), {name: own[index] for name, own in LABELS.items()}) for index in range(ROWS)], None, None),
        ([(picture(index), np.array([LABELS["digit"][index], LABELS["size"][index]])) for index in range(ROWS)], None, ["digit", "size"]),
        (WithColumns(), "image", ["digit", "size"]),
        ([{"x": picture(index), **{f"my {name}": own[index] for name, own in LABELS.items()}} for index in range(ROWS)], "x",
         {"digit": "my digit", "size": "my size"}),
    ],
)  # fmt: skip
def test_every_form_of_items_gives_the_same_source(dataset: Any, inputs: Any, labels: Any, lazy: bool, workers: int) -> None:
    source = Source.from_dataset("s", dataset, inputs, labels, lazy=lazy, loader_workers=workers)
    np.testing.assert_array_equal(read(source), np.stack([picture(index) for index in range(ROWS)]))
    assert isinstance(source.inputs, RowReader) == lazy and list(source.labels) == ["digit", "size"]
    for name, own in LABELS.items():
        np.testing.assert_array_equal(source.labels[name].astype(float), own)
    assert source.units.tolist() == list(range(ROWS))


@pytest.mark.parametrize("lazy", [False, True])
def test_several_columns_are_several_inputs(lazy: bool) -> None:
    source = Source.from_dataset("s", WithColumns(), {"picture": "image", "facts": "table"}, "digit", lazy=lazy)
    assert source.input_shape == {"picture": (1, 5, 5), "facts": (2,)} and list(source.labels) == ["digit"]
    np.testing.assert_array_equal(read(source)["facts"][:, 0], np.arange(ROWS) / 2)
    assert Source.from_dataset("s", WithColumns(), ["image", "table"], "digit").input_shape == {"image": (1, 5, 5), "table": (2,)}


def test_reading_lazily_reads_no_inputs_for_the_labels() -> None:
    dataset = WithColumns()
    source = Source.from_dataset("s", dataset, "image", ["digit"], lazy=True)
    assert dataset.opened == 1
    given = WithColumns()
    again = Source.from_dataset("s", given, "image", {"digit": np.array(LABELS["digit"])}, lazy=True)
    assert given.opened == 1 and again.labels["digit"].tolist() == source.labels["digit"].tolist()
    part = source.take(np.array([7, 3]))
    np.testing.assert_array_equal(read(part), [picture(7), picture(3)])
    assert part.labels["digit"].tolist() == [1, 0]


def test_statistics_and_fingerprint_of_few_rows_are_those_of_an_array() -> None:
    held, lazy = (Source.from_dataset("s", Pairs(), labels=["digit", "size"], lazy=one) for one in (False, True))
    rows = np.arange(3, ROWS)
    assert Normalization.of(lazy, rows) == Normalization.of(held, rows)
    other = [(picture(index + 1), label, size) for index, (_, label, size) in enumerate(Pairs()[place] for place in range(ROWS))]
    assert fingerprint(lazy) == fingerprint(Source.from_dataset("s", Pairs(), labels=["digit", "size"], lazy=True))
    assert fingerprint(lazy) != fingerprint(Source.from_dataset("s", other, labels=["digit", "size"], lazy=True))
    assert fingerprint(held) != fingerprint(Source("s", held.inputs, held.labels, transform=torch.flip))


def test_a_data_set_of_tensors_and_labels_of_texts() -> None:
    tensors = TensorDataset(torch.arange(6.0).view(3, 2), torch.tensor([0, 1, 0]))
    source = Source.from_dataset("s", tensors, labels="kind", groups=np.array([0, 0, 1]))
    assert source.inputs.tolist() == [[0, 1], [2, 3], [4, 5]] and source.labels["kind"].dtype == np.int64
    texts = Source.from_dataset("s", [([1.0], "cat"), ([2.0], None)], labels="kind")
    assert texts.labels["kind"].tolist() == ["cat", None]


def test_a_data_set_larger_than_memory_is_read_into_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_source.psutil, "virtual_memory", type("Memory", (), {"available": 100}))
    source = Source.from_dataset("s", Pairs(), labels=["digit", "size"])
    assert is_memmap(source.inputs)
    np.testing.assert_array_equal(source.inputs, np.stack([picture(index) for index in range(ROWS)]))


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        yield picture(0), 1


class Broken(Pairs):
    """A data set whose items are good but for the last one."""

    def __init__(self, last: Any) -> None:
        self.last = last

    def __getitem__(self, index: int) -> Any:
        if index < ROWS - 1:
            return super().__getitem__(index)
        if isinstance(self.last, Exception):
            raise self.last
        return self.last


GOOD = picture(0)


@pytest.mark.parametrize(
    ("dataset", "labels", "message"),
    [
        ([], "digit", "source 's': a data set needs at least one item .found length 0"),
        (Endless(), "digit", r"with a length and items by number is needed .found .*Endless.*list\(dataset\)"),
        (iter([1]), "digit", "with a length and items by number"),
        (5, "digit", "with a length and items by number"),
        (
            Broken(OSError("truncated file\nat byte 3")),
            ["digit", "size"],
            "source 's', index 22: reading an item fails .found OSError: truncated",
        ),
        (
            Broken((GOOD[:, :4], 1, 1.0)),
            ["digit", "size"],
            r"index 22: all items must have the shape and type .*\(1, 5, 5\) uint8.*\(1, 4, 5\)",
        ),
        (Broken((GOOD.astype("float32"), 1, 1.0)), ["digit", "size"], "index 22: .*float32"),
        (Broken((GOOD, 1)), ["digit", "size"], "index 22: an item must have one label for each of digit, size .found 1 labels"),
        (Broken(GOOD), ["digit", "size"], r"index 22: an item must be \(input, label\)"),
        (Broken(("text", 1, 1.0)), ["digit", "size"], "index 22: an input must be an array of numbers"),
        (Pairs(), None, "the labels must be named"),
        (Pairs(), [], "names of tasks are needed"),
        ([{"x": GOOD, "y": 1}], "y", r"columns of inputs must be named .found columns x, y.*inputs="),
        ([(GOOD, {"a": 1}), (GOOD, {"b": 1})], None, "index 1: all items must have labels of the same tasks, a"),
        ([(np.array([1.0]), 1), (np.array([np.nan]), 1)], "y", "index 1: inputs must be finite"),
    ],
)
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_bad_data_sets_and_items_are_named_in_one_line(dataset: Any, labels: Any, message: str, workers: int) -> None:
    with pytest.raises(PolytaskError, match=message) as error:
        Source.from_dataset("s", dataset, labels=labels, loader_workers=workers)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("field", "value"), [("transform", 3), ("loader_workers", -1), ("loader_workers", "two")])
def test_fields_of_loading_are_checked(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"source 's', {field}: "):
        Source("s", np.zeros((3, 1)), {"y": np.zeros(3)}, **{field: value})
    with pytest.raises(ConfigError, match=f"source 's', {field}: "):
        Source.from_dataset("s", Pairs(), labels=["digit", "size"], **{field: value})


def test_an_attribute_that_sources_do_not_have_is_named() -> None:
    with pytest.raises(ConfigError, match=r"source 's': a source has no such attribute .found 'group'.* Did you mean 'groups'"):
        Source.from_dataset("s", Pairs(), labels=["digit", "size"], group=[1])


def test_without_pillow_a_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_folder, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"Pillow is needed to read images. pip install 'polytask\[images\]'"):
        Source.from_image_folder(tmp_path / "labels.csv")
