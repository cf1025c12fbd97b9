"""Export of the recommended model from the trained networks."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.run_files import ModelIndex, ModelNetwork
from polytask.storage import make_folder, storage_errors
from polytask.studies.execution.job_training import Job
from polytask.studies.setup.run_folder import MODEL_INDEX


def export_model(folder: Path, facts: Sequence[tuple[Job, Mapping[str, Any]]]) -> None:
    """Copy, for every group of tasks, the network of the seed that is best on validation data.

    Args:
        folder: Folder for the model: `model.json`, and one folder per network.
        facts: Networks of the recommended arm, over all seeds, with their recorded facts.
    """
    best: dict[tuple[str, ...], tuple[Job, Mapping[str, Any]]] = {}
    for job, fact in facts:
        if job.tasks not in best or fact["relative"] > best[job.tasks][1]["relative"]:
            best[job.tasks] = (job, fact)
    make_folder(folder)
    networks = []
    for number, (tasks, (job, _)) in enumerate(best.items(), start=1):
        name = f"network-{number}"
        with storage_errors(folder / name):
            shutil.copytree(job.result, folder / name, dirs_exist_ok=True)
        networks.append(ModelNetwork(folder=name, tasks=tasks, arm=job.arm.name, seed=job.seed))
    ModelIndex(networks=tuple(networks)).write(folder / MODEL_INDEX)
