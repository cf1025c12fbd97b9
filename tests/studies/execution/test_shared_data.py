"""Sources that all workers map from files: the same as in memory, small where they travel, and gone with the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from joblib.externals.loky.backend import reduction

from polytask.data import Source, fingerprint
from polytask.data.memmap import allocate_array, is_memmap
from polytask.errors import StorageError
from polytask.studies.execution import shared_data as module
from polytask.studies.execution.parallel_backends import ParallelBackend
from polytask.studies.execution.shared_data import SharedSources, share_sources
from polytask.tasks import Task
from polytask.training import prepare_data

HERE, LOCAL, CLUSTER = ParallelBackend("loky", 1), ParallelBackend("loky", 2), ParallelBackend("dask", 2)


@pytest.fixture
def no_array_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever has a number goes to a file."""
    monkeypatch.setattr(module, "MAX_INLINE_BYTES", 1)


def traveled(common: SharedSources) -> SharedSources:
    """What arrives in another process."""
    again: SharedSources = reduction.loads(reduction.dumps(common))
    return again


def crowd(rows: int = 200_000, tasks: int = 3) -> Source:
    """Many rows, and words for labels."""
    words = np.array(["never", "often", None], dtype=object)
    random = np.random.default_rng(0)
    labels = {f"answer {task}": words[random.integers(3, size=rows)] for task in range(tasks)}
    return Source("crowd", random.random((rows, 4)).astype(np.float32), labels)


@pytest.mark.usefixtures("no_array_is_small")
@pytest.mark.parametrize("place", [HERE, LOCAL, CLUSTER], ids=["here", "local", "cluster"])
def test_sources_come_back_as_they_were(
    table: Callable[..., Source], three_tasks: tuple[Task, ...], tmp_path: Path, place: ParallelBackend
) -> None:
    plain = table(gaps=0.3)
    full = dataclasses.replace(
        plain,
        units=np.array([f"row {row}" for row in range(120)], dtype=object),
        groups=np.arange(120) // 3,
        held_out=np.arange(120) % 5 == 0,
        weights={"price": np.linspace(1, 2, 120)},
    )
    images = Source("images", np.arange(4_800).astype(np.uint8).reshape(120, 1, 8, 5), plain.labels)
    texts = Source("texts", np.arange(480).reshape(120, 4), {"tag": np.where(np.arange(480) % 3, "B", None).reshape(120, 4)})
    with share_sources([full, images, texts], tmp_path, place) as common:
        for before, after in zip((full, images, texts), traveled(common).sources(), strict=True):
            assert fingerprint(before) == fingerprint(after)
            assert before.tasks == after.tasks
            assert after.inputs.dtype == before.inputs.dtype
            assert after.has_tokens == before.has_tokens
        (first, *_) = common.sources()
        assert (
            prepare_data([first], three_tasks, validation_fraction=None, seed=0).tasks
            == prepare_data([full], three_tasks, validation_fraction=None, seed=0).tasks
        )


LABELS = st.sampled_from(
    ["1", 1, 1.0, True, False, 0, -0.0, 0.0, float("nan"), None, np.float32(1), np.str_("1"), (1, "a"), (True, "a"), ("a",)]
)


@pytest.mark.usefixtures("no_array_is_small")
@given(labels=st.lists(LABELS, min_size=1, max_size=8), times=st.integers(3, 5))
def test_labels_come_back_as_what_they_were(tmp_path_factory: pytest.TempPathFactory, labels: list[Any], times: int) -> None:
    """1, 1.0 and True are equal, and not the same."""
    array = np.empty(len(labels) * times, dtype=object)
    array[:] = [label for label in labels for _ in range(times)]
    source = Source("toy", np.zeros((len(array), 1)), {"kind": array})
    with share_sources([source], tmp_path_factory.mktemp("shared"), LOCAL) as common:
        assert isinstance(common.contents[0]["labels"]["kind"], module.DictionaryArray)
        (again,) = traveled(common).sources()
    assert [(type(label), repr(label)) for label in again.labels["kind"]] == [(type(label), repr(label)) for label in array]


def test_large_arrays_do_not_travel(tmp_path: Path) -> None:
    source = crowd()
    with share_sources([source], tmp_path, LOCAL) as common:
        assert len(reduction.dumps(common)) < 5_000
        assert len(reduction.dumps(source)) > 3_000_000


def test_objects_that_are_all_different_travel_as_they_are(tmp_path: Path) -> None:
    names = np.array([f"customer {row}" for row in range(20_000)], dtype=object)
    with share_sources([dataclasses.replace(crowd(20_000), units=names)], tmp_path, LOCAL) as common:
        assert common.contents[0]["units"] is names
        assert traveled(common).sources()[0].units.tolist() == names.tolist()


def test_a_mapped_array_is_taken_by_tensors_as_it_is(tmp_path: Path) -> None:
    with share_sources([crowd()], tmp_path, LOCAL) as common:
        (first,), (second,) = common.sources(), common.sources()
        assert not is_memmap(first.inputs), "it fits into memory: rows are drawn as if it were there"
        assert torch.from_numpy(first.inputs).data_ptr() == first.inputs.ctypes.data
        first.inputs[0] = 7
        assert second.inputs[0].max() < 1, "nobody writes into what others read"


@pytest.mark.parametrize(("place", "kind"), [(LOCAL, np.ndarray), (CLUSTER, module.MappedArray)])
def test_what_lies_in_a_file_is_copied_for_a_cluster_alone(tmp_path: Path, place: ParallelBackend, kind: type) -> None:
    inputs = allocate_array((30_000, 4), on_disk=True)
    inputs[:] = np.arange(120_000).reshape(-1, 4)
    with share_sources([Source("log", inputs, {"kind": np.arange(30_000) % 2})], tmp_path, place) as common:
        assert isinstance(common.contents[0]["inputs"], kind)
        (found,) = common.sources()
        assert is_memmap(found.inputs), "it is read in long runs there too"
        assert np.array_equal(found.inputs, inputs)


def test_permission_ends_with_the_run(tmp_path: Path) -> None:
    with share_sources([crowd(100)], tmp_path, LOCAL) as common:
        common.check()
        traveled(common).check()
    with pytest.raises(
        StorageError, match=r"does not see the run folder, or the run has ended\. Choose .* that all workers share"
    ) as caught:
        common.check()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_one_process_needs_no_file(tmp_path: Path) -> None:
    source = crowd(100)
    with share_sources([source], tmp_path, HERE) as common:
        assert common.sources()[0].inputs is source.inputs
        assert not list(tmp_path.iterdir())
    common.check()


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Iterator[np.ndarray]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "iter_blocks", full)
    with pytest.raises(StorageError, match="the disk is full"), share_sources([crowd()], tmp_path, LOCAL):
        pass
    assert not list(tmp_path.iterdir())
