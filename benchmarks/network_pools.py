"""Pools of small trained networks, stored in a folder, so that an interrupted run resumes where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.architectures import NetworkPlan
from polytask.data import Source
from polytask.storage import make_folder, write_bytes
from polytask.tasks import Outcome, Task
from polytask.training import fit, prepare_source
from polytask.training.inference import predict_outcomes

Array = NDArray[Any]


def predicted(
    plan: NetworkPlan, tasks: Sequence[Task], data: tuple[Sequence[Source], Sequence[Source]], options: Mapping[str, Any], *, seed: int
) -> dict[str, Outcome]:
    """Train one network through the public API, and predict the test rows.

    Args:
        plan: Plan of the network.
        tasks: Tasks to learn.
        data: Training sources, and test sources with the same names.
        options: Training options of `polytask.fit`.
        seed: Seed of the initialization, the order of batches and, unless the sources define it, the validation part.
    """
    run = fit(plan.build(tasks, seed), data[0], seed=seed, precision="float32", threads=1, **options)
    prepared = {source.name: prepare_source(source, run.tasks, run.normalizations[source.name]) for source in data[1]}
    return predict_outcomes(run.model, run.tasks, prepared, run.precision)


def pool(folder: Path, names: Sequence[str], make: Callable[[str], Array]) -> list[Array]:
    """Return stored arrays, memory-mapped, after computing those that are missing.

    Args:
        folder: Folder of the arrays.
        names: Names of the arrays.
        make: Function that computes the array with a name.
    """
    make_folder(folder)
    for name in _with_progress([name for name in names if not (folder / f"{name}.npy").exists()], folder.name):
        content = BytesIO()
        np.save(content, make(name), allow_pickle=False)
        write_bytes(folder / f"{name}.npy", content.getvalue())
    return [np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names]


def _with_progress(names: Sequence[str], what: str) -> Iterator[str]:
    """Yield the names, and print the progress once a minute."""
    told = started = time.monotonic()
    for done, name in enumerate(names):
        if time.monotonic() - told > 60:
            told = time.monotonic()
            print(f"  {what}: {done} of {len(names)} in {told - started:,.0f} s", flush=True)
        yield name
