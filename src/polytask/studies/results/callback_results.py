"""Results of callbacks as a file of the run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polytask.run_files import CallbackFile, CallbackRecord
from polytask.studies.execution.job_training import Job
from polytask.studies.setup.run_folder import RunFolder


def write_callback_results(folder: RunFolder, facts: Sequence[tuple[Job, Mapping[str, Any]]]) -> None:
    """Write callbacks.json if the run has callbacks.

    Args:
        folder: Run folder.
        facts: All networks with their facts; baselines have no callbacks.
    """
    found = [(job, fact["callbacks"]) for job, fact in facts if fact.get("callbacks")]
    if found:
        networks = tuple(CallbackRecord(arm=job.arm.name, seed=job.seed, tasks=job.tasks, results=results) for job, results in found)
        CallbackFile(networks=networks).write(folder.path / "callbacks.json")
