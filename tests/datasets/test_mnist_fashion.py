"""The built-in data set: its sample, and its full size where the files are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import polytask.datasets as datasets
from polytask.datasets.dataset_cache import find_local_file
from polytask.datasets.mnist_fashion import GARMENTS, TASK_OF_SOURCE, MnistFashion, load_full_part
from polytask.datasets.remote_files import REMOTE_FILES
from polytask.errors import ConfigError

SAMPLES = Path(datasets.__file__).parent / "samples"
BESIDE = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def full_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """The full data are on this machine."""
    if "POLYTASK_DATA" not in os.environ and BESIDE.is_dir():
        monkeypatch.setenv("POLYTASK_DATA", str(BESIDE))
    if any(find_local_file(file) is None for file in REMOTE_FILES):
        pytest.skip("the full data are not on this machine (POLYTASK_DATA)")


def test_the_sample_is_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.glob("*.npz")) <= 5_000_000
    sources, tasks = datasets.load_dataset()
    assert [source.name for source in sources] == ["mnist", "fashion-mnist"]
    assert [task.name for task in tasks] == ["digit", "garment"]


@pytest.mark.parametrize(("part", "rows"), [("training", 2_000), ("test", 4_000)])
def test_the_sample_is_balanced(part: str, rows: int) -> None:
    for source in getattr(MnistFashion(), part)():
        (task,) = source.tasks
        assert task == TASK_OF_SOURCE[source.name]
        assert source.inputs.shape == (rows, 1, 28, 28)
        assert source.inputs.dtype == np.uint8
        _, counts = np.unique(source.labels[task], return_counts=True)
        assert counts.tolist() == [rows // 10] * 10
        assert len(set(source.units.tolist())) == rows


def test_labels_are_the_tasks_classes() -> None:
    sources, tasks = datasets.load_dataset()
    for source, task in zip(sources, tasks, strict=True):
        encoded = task.encode(source.labels[task.name])
        assert encoded.labeled.all()
        assert sorted(set(encoded.values.tolist())) == list(range(10))
    assert set(sources[1].labels["garment"].tolist()) == set(GARMENTS)


@pytest.mark.usefixtures("full_data")
@pytest.mark.parametrize("source", list(TASK_OF_SOURCE))
@pytest.mark.parametrize(("part", "prefix"), [("training", "train"), ("test", "t10k")])
def test_the_sample_is_taken_from_the_publishers_files(source: str, part: str, prefix: str) -> None:
    images, codes, _ = load_full_part(source, prefix)
    sample = next(found for found in getattr(MnistFashion(), part)() if found.name == source)
    assert np.array_equal(sample.inputs[:, 0], images[sample.units])
    classes = np.asarray(range(10) if source == "mnist" else GARMENTS)
    assert np.array_equal(sample.labels[TASK_OF_SOURCE[source]], classes[codes[sample.units]])


@pytest.mark.usefixtures("full_data")
def test_the_full_size() -> None:
    full = MnistFashion("full")
    assert [len(source) for source in (*full.training(), *full.test())] == [60_000, 60_000, 10_000, 10_000]


def test_test_rows_wait_behind_their_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MnistFashion, "test", lambda self: pytest.fail("test data were read"))
    sources, _ = datasets.load_dataset()
    assert sources.open_test is not None


def test_what_there_is_not() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'mnist-fashion'"):
        datasets.load_dataset("mnist_fashion")
    with pytest.raises(ConfigError, match="Choose from: sample, full"):
        datasets.load_dataset(size="huge")


def test_the_description_is_plain() -> None:
    described = MnistFashion("full").describe()
    assert "60,000" in described["source mnist"]
    assert "CC BY-SA 3.0" in described["license"]
