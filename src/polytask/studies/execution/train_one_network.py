"""Training one network into a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polytask.data import Source
from polytask.errors import ConfigError
from polytask.options import TrainConfig
from polytask.run_files import CostFile
from polytask.studies.execution.jobs import Job, load_job_facts, make_jobs, train_job
from polytask.studies.results.arm_cost import COST_NOTE, arm_cost
from polytask.studies.results.export_model import export_model
from polytask.studies.results.result_tables import history_table, validation_rows
from polytask.studies.setup.resolve_config import make_job_context
from polytask.studies.setup.run_folder import RunFolder, write_dataframe
from polytask.studies.setup.start_run import start_or_resume
from polytask.studies.spec.arms import parse_arm
from polytask.tasks import Task
from polytask.training import ProgressHook
from polytask.training.loop.training_progress import ignore_progress


@dataclass(frozen=True)
class TrainResult:
    """What came of it.

    Attributes:
        validation: Per task every metric on the validation part.
        facts: How it was trained, and what it costs.
        folder: Where everything lies.
    """

    validation: Mapping[str, Mapping[str, float]]
    facts: Mapping[str, Any]
    folder: Path


def train_network(
    config: TrainConfig, sources: Sequence[Source], tasks: Sequence[Task], out: str | Path, progress: ProgressHook = ignore_progress
) -> TrainResult:
    """Train one network on all tasks, or go on where its training was interrupted. Test data stay closed.

    Args:
        config: Every choice.
        sources: Training sources.
        tasks: What to predict.
        out: The run folder.
        progress: Is told a few times a second how far it is.

    Raises:
        StorageError: The folder is used, another run is at work in it, or it cannot be written to.
        ConfigError: An unknown name or option; the interrupted training had other data or tasks.
        NonFiniteError: A loss is no longer a number.
    """
    arm = parse_arm(config.balancer, [task.name for task in tasks])
    if len(arm.groups) > 1:
        raise ConfigError(
            "one network learns all tasks here", where=f"balancer {config.balancer!r}", remedy="Compare with single in a study"
        )
    folder = RunFolder(Path(out))
    with folder.alone():
        (job,) = make_jobs([arm], [config.seed], folder.checkpoints)
        chosen = start_or_resume(folder, config, sources, tasks, [arm], networks=1)
        train_job(job, make_job_context(chosen, sources, tasks), progress)
        return _write_results(folder, job)


def _write_results(folder: RunFolder, job: Job) -> TrainResult:
    """Everything that the run folder holds of a trained network."""
    facts = load_job_facts(job)
    write_dataframe(folder.path / "results.csv", validation_rows([(job, facts)]))
    write_dataframe(folder.path / "history.csv", history_table([(job, facts)]))
    CostFile(arms={job.arm.name: arm_cost([(job, facts)])}, note=COST_NOTE).write(folder.costs)
    export_model(folder.model, [(job, facts)])
    folder.log("run ends")
    folder.delete_checkpoints()
    return TrainResult(facts["validation"], facts, folder.path)
