"""The function `train_network`: train one network on all tasks, and write the results to a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polytask.data import Source
from polytask.errors import ConfigError
from polytask.options import TrainConfig, TrainingOptions
from polytask.run_files import CostFile
from polytask.studies.execution.job_training import Job, load_job_facts, make_jobs, train_job
from polytask.studies.results.arm_cost import COST_NOTE, arm_cost
from polytask.studies.results.arms_with_failed_steps import failed_steps_of
from polytask.studies.results.callback_results import write_callback_results
from polytask.studies.results.export_model import export_model
from polytask.studies.results.result_tables import history_table, validation_rows
from polytask.studies.setup.resolve_config import make_job_context, network_plan
from polytask.studies.setup.run_folder import RunFolder, write_dataframe
from polytask.studies.setup.start_run import start_or_resume
from polytask.studies.spec.arms import parse_arm
from polytask.studies.spec.run_logger import run_logger
from polytask.studies.spec.starting_network import StartingNetwork
from polytask.studies.tables.accepted_arms import check_networks
from polytask.tasks import Task
from polytask.training import ProgressHook
from polytask.training.failed_steps import FailedSteps
from polytask.training.loop.training_progress import ignore_progress


@dataclass(frozen=True)
class TrainResult:
    """Result of training one network.

    Attributes:
        validation: Metrics on the validation part, per task and name of the metric.
        facts: Recorded facts on the training and the cost of the network.
        folder: Run folder with all files.
        failed_steps: Steps without a solution, and with values that are not finite.
    """

    validation: Mapping[str, Mapping[str, float]]
    facts: Mapping[str, Any]
    folder: Path
    failed_steps: FailedSteps

    def __str__(self) -> str:
        """Return a line per task with its metrics, steps that went wrong, and the path of the run folder."""
        lines = [f"{task}: {', '.join(f'{name} {value:.4g}' for name, value in own.items())}" for task, own in self.validation.items()]
        return "\n".join([*lines, *self.failed_steps.sentences(above=0.0), f"Everything is in {self.folder}"])


def train_network(
    config: TrainConfig, sources: Sequence[Source], tasks: Sequence[Task], out: str | Path, progress: ProgressHook = ignore_progress
) -> TrainResult:
    """Train one network on all tasks, or resume its interrupted training. Test data are not read.

    Args:
        config: Complete configuration.
        sources: Training sources.
        tasks: Tasks to learn.
        out: Run folder.
        progress: Function that is called with the progress of the training several times a second.

    Raises:
        StorageError: The folder is in use, holds something else or a finished run, or cannot be written to.
        ConfigError: A name or option is unknown, the interrupted training had other data or tasks, or the weights of `init_from` do
            not fit the tasks, the inputs or the network.
        NonFiniteError: A loss is not finite.
    """
    arm = parse_arm(config.balancer, [task.name for task in tasks])
    check_networks([arm])
    if len(arm.groups) > 1:
        raise ConfigError(
            "one network learns all tasks here", where=f"balancer {config.balancer!r}", remedy="Use 'single' as an arm of a study"
        )
    start = None if config.init_from is None else StartingNetwork.read(config.init_from, config.init_digest)
    if start is not None:
        start.check(sources, tasks)
        start.copy_to(arm.plan(network_plan(config, sources)).build(tasks, config.seed))  # refused before anything is written
        config = config.model_copy(update={"init_digest": start.digest})
    folder = RunFolder(Path(out).expanduser())
    with folder.alone():
        (job,) = make_jobs([arm], [config.seed], folder.checkpoints)
        chosen = start_or_resume(folder, config, sources, tasks, [arm], networks=1)
        context = replace(
            make_job_context(chosen, sources, tasks),
            logger=run_logger(chosen.logger, folder.path),
            initialize=None if start is None else start.copy_to,
        )
        train_job(job, context, progress)
        return _write_results(folder, job, chosen.training)


def _write_results(folder: RunFolder, job: Job, options: TrainingOptions) -> TrainResult:
    """Write all files of the run folder of a trained network, and return its result."""
    facts = load_job_facts(job)
    write_dataframe(folder.path / "results.csv", validation_rows([(job, facts)]))
    write_dataframe(folder.path / "history.csv", history_table([(job, facts)]))
    write_callback_results(folder, [(job, facts)])
    cost = arm_cost([(job, facts)])
    CostFile(arms={job.arm.name: cost}, note=COST_NOTE).write(folder.costs)
    export_model(folder.model, [(job, facts)])
    folder.log("run finished")
    folder.delete_checkpoints()
    return TrainResult(facts["validation"], facts, folder.path, failed_steps_of(cost, options))
