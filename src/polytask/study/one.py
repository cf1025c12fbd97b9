"""Training one network into a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polytask.data import Source
from polytask.errors import ConfigError
from polytask.options import TrainConfig
from polytask.storage import write_json
from polytask.study.arms import parse_arm
from polytask.study.beginning import begin
from polytask.study.costs import NOTE, cost_of_arm
from polytask.study.folder import RunFolder, write_table
from polytask.study.jobs import Job, facts_of, jobs_of, train_job
from polytask.study.resolving import assignment
from polytask.study.shipping import ship
from polytask.study.tables import history_table, validation_rows
from polytask.tasks import Task
from polytask.training import Watch
from polytask.training.progress import ignore


@dataclass(frozen=True)
class Trained:
    """What came of it.

    Attributes:
        validation: Per task every metric on the validation part.
        facts: How it was trained, and what it costs.
        folder: Where everything lies.
    """

    validation: Mapping[str, Mapping[str, float]]
    facts: Mapping[str, Any]
    folder: Path


def train_one(config: TrainConfig, sources: Sequence[Source], tasks: Sequence[Task], out: str | Path, watch: Watch = ignore) -> Trained:
    """Train one network on all tasks, or go on where its training was interrupted. Test data stay closed.

    Args:
        config: Every choice.
        sources: Training sources.
        tasks: What to predict.
        out: The run folder.
        watch: Is told a few times a second how far it is.

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
        (job,) = jobs_of([arm], [config.seed], folder.checkpoints)
        chosen = begin(folder, config, sources, tasks, [arm], networks=1)
        train_job(job, assignment(chosen, sources, tasks), watch)
        return _conclude(folder, job)


def _conclude(folder: RunFolder, job: Job) -> Trained:
    """Everything that the run folder holds of a trained network."""
    facts = facts_of(job)
    write_table(folder.path / "results.csv", validation_rows([(job, facts)]))
    write_table(folder.path / "history.csv", history_table([(job, facts)]))
    write_json(folder.path / "cost.json", {"arms": {job.arm.name: cost_of_arm([(job, facts)]).to_dict()}, "note": NOTE})
    ship(folder.model, [(job, facts)])
    folder.log("run ends")
    folder.discard_checkpoints()
    return Trained(facts["validation"], facts, folder.path)
