"""Preparing rows without copying their inputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from polytask.architectures import MultiTaskModel
from polytask.data import Normalization, Source, train_validation_split
from polytask.encoders import MLP
from polytask.seeds import derive_seed
from polytask.tasks import Task
from polytask.training import fit, prepare_data, prepare_source

Table = Callable[..., Source]


def test_both_parts_look_at_the_sources_own_inputs(table: Table, three_tasks: tuple[Task, ...]) -> None:
    source = table(gaps=0.3)
    data = prepare_data([source], three_tasks, validation_fraction=0.2, seed=3)
    for part in (data.training, data.validation):
        assert part["table"].rows.all_inputs.data_ptr() == source.inputs.ctypes.data


def test_parts_are_those_of_the_split_row_by_row(table: Table, three_tasks: tuple[Task, ...]) -> None:
    source = table(gaps=0.3)
    data = prepare_data([source], three_tasks, validation_fraction=0.2, seed=3)
    first, second = train_validation_split(source, 0.2, derive_seed(3, "split", "table"))
    for part, own in ((data.training["table"], first), (data.validation["table"], second)):
        alone = prepare_source(own, data.tasks, Normalization.of(first)).rows
        assert part.rows.normalization == alone.normalization
        rows = torch.tensor([0, 7, 3])
        for ours, theirs in (
            (part.rows, alone),
            (part.rows.take(rows), alone.take(rows)),
            (part.rows.slice_rows(slice(2, 9)), alone.slice_rows(slice(2, 9))),
        ):
            assert len(ours) == len(theirs)
            assert torch.equal(ours.inputs, theirs.inputs)
            assert all(torch.equal(ours.targets[task], theirs.targets[task]) for task in theirs.tasks)
        assert part.rows.take(rows).row_indices is None


def test_what_is_mapped_read_only_is_trained_on_where_it_is(table: Table, three_tasks: tuple[Task, ...], tmp_path: Path) -> None:
    source = table()
    np.save(tmp_path / "inputs.npy", source.inputs)
    inputs = np.load(tmp_path / "inputs.npy", mmap_mode="r")
    mapped = Source("table", inputs, source.labels)
    prepared = prepare_data([mapped], three_tasks, validation_fraction=0.2, seed=0)
    assert prepared.training["table"].rows.all_inputs.data_ptr() == inputs.ctypes.data
    runs = []
    for one in (source, mapped):
        torch.manual_seed(0)
        model = MultiTaskModel(MLP((4,), hidden=(8,)), three_tasks, initialization="framework")
        runs.append(fit(model, [one], epochs=2, batch_size=16, threads=1))
    first, second = (run.model.state_dict() for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert np.array_equal(inputs, source.inputs)
