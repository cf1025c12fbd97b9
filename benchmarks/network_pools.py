"""Pools of small trained networks, kept in a folder: an interrupted run goes on where it stopped."""

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
    """Train one network as users do, and let it predict the test rows.

    Args:
        plan: What it is made of.
        tasks: What it is to predict.
        data: Training sources, and test sources of the same names.
        options: Of `polytask.fit`.
        seed: Of its initialization, the order of batches and, if the sources do not say it, the validation part.
    """
    run = fit(plan.build(tasks, seed), data[0], seed=seed, precision="float32", threads=1, **options)
    prepared = {source.name: prepare_source(source, run.tasks, run.normalizations[source.name]) for source in data[1]}
    return predict_outcomes(run.model, run.tasks, prepared, run.precision)


def pool(folder: Path, names: Sequence[str], make: Callable[[str], Array]) -> list[Array]:
    """What is kept under the names, after making what is not there yet; the arrays stay in their files.

    Args:
        folder: Where it is kept.
        names: Of the arrays.
        make: Makes the array of a name.
    """
    make_folder(folder)
    for name in _with_progress([name for name in names if not (folder / f"{name}.npy").exists()], folder.name):
        content = BytesIO()
        np.save(content, make(name), allow_pickle=False)
        write_bytes(folder / f"{name}.npy", content.getvalue())
    return [np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names]


def _with_progress(names: Sequence[str], what: str) -> Iterator[str]:
    """A line a minute."""
    told = started = time.monotonic()
    for done, name in enumerate(names):
        if time.monotonic() - told > 60:
            told = time.monotonic()
            print(f"  {what}: {done} of {len(names)} in {told - started:,.0f} s", flush=True)
        yield name
