"""Export of the recommended model: its trained networks, or what a training function has written."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.run_files import ModelIndex, ModelNetwork
from polytask.run_files.model_index import MODEL_INDEX
from polytask.storage import make_folder, storage_errors
from polytask.studies.execution.function_fit import OWN_FOLDER
from polytask.studies.execution.job_training import Job


def export_model(folder: Path, facts: Sequence[tuple[Job, Mapping[str, Any]]], function: str | None = None) -> None:
    """Copy, for every group of tasks, the network of the seed that is best on validation data, or the folder of a training function.

    Args:
        folder: Folder for the model: `model.json`, and one folder per network.
        facts: Networks of the recommended arm, over all seeds, with their recorded facts.
        function: Import path of the training function; `None` for networks.
    """
    best: dict[tuple[str, ...], tuple[Job, Mapping[str, Any]]] = {}
    for job, fact in facts:
        if job.tasks not in best or fact["relative"] > best[job.tasks][1]["relative"]:
            best[job.tasks] = (job, fact)
    make_folder(folder)
    networks = []
    for number, (tasks, (job, _)) in enumerate(best.items(), start=1):
        name = f"network-{number}"
        if function is None:
            with storage_errors(folder / name):
                shutil.copytree(job.result, folder / name, dirs_exist_ok=True)
        else:
            _copy_own_folder(job.folder / OWN_FOLDER, folder / name)
        networks.append(
            ModelNetwork(folder=name, tasks=tasks, arm=job.arm.name, seed=job.seed, **({"chosen": True} if job.arm.table else {}))
        )
    ModelIndex(networks=tuple(networks), function=function).write(folder / MODEL_INDEX)


def _copy_own_folder(own: Path, target: Path) -> None:
    """Copy whatever a training function has left in its folder: links stay links, and what is no file, such as a pipe, is left out."""
    make_folder(own)  # the function may have deleted it
    with storage_errors(target):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(own, target, symlinks=True, ignore=_no_files)


def _no_files(folder: str, names: Sequence[str]) -> list[str]:
    paths = [Path(folder, name) for name in names]
    return [path.name for path in paths if not (path.is_symlink() or path.is_file() or path.is_dir())]
