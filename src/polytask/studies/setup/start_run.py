"""Start or resumption of a run: its configuration is checked and resolved, and its folder is claimed."""

from __future__ import annotations

from collections.abc import Sequence

from polytask.data import Source
from polytask.devices import AUTO
from polytask.options import StudyConfig
from polytask.options.train_config import Config, NetworkConfig
from polytask.run_files import EnvironmentFile
from polytask.studies.setup.environment import check_same_inputs, describe_environment, environment_changes
from polytask.studies.setup.resolve_config import check_buildable, resolve_config
from polytask.studies.setup.run_folder import RunFolder
from polytask.studies.spec.arms import ResolvedArm
from polytask.studies.spec.run_logger import run_logger
from polytask.tasks import Task


def start_or_resume(
    folder: RunFolder, requested: Config, sources: Sequence[Source], tasks: Sequence[Task], arms: Sequence[ResolvedArm], *, networks: int
) -> Config:
    """Start a run in its folder, or resume it, and return its resolved configuration.

    Args:
        folder: Locked run folder.
        requested: Configuration from the user.
        sources: Training sources.
        tasks: All tasks.
        arms: All arms.
        networks: Largest number of networks that can be trained in parallel.

    Raises:
        ConfigError: A name or option is unknown, or the run was started with other data or tasks.
        StorageError: The folder holds something else or a finished run, or cannot be written to.
    """
    stored = folder.claim(requested)
    if stored is None:
        check_buildable(requested, sources, tasks, arms)
        config = resolve_config(requested, sources, tasks, networks)
        # The configuration is written last: if it exists, everything needed to resume the run exists.
        EnvironmentFile(facts=describe_environment(config, sources, tasks)).write(folder.environment)
        folder.write_config(config)
        folder.mark_unfinished()
        folder.log("run started")
        _begin_logging(folder, config, resumed=False)
        return config
    device = requested.training.device if requested.training.device != AUTO else stored.training.device
    stored = stored.model_copy(update={"training": stored.training.with_changes({"device": device})})
    before, now = folder.read_environment(), describe_environment(stored, sources, tasks)
    check_same_inputs(before, now, folder.path)
    folder.delete_partial_files()
    folder.mark_unfinished()
    folder.log("; ".join(["run resumed", *environment_changes(before, now)]))
    _begin_logging(folder, stored, resumed=True)
    changed = {"time_limit": requested.time_limit} if isinstance(requested, StudyConfig) else {}
    return stored.model_copy(update={"workers": requested.workers or stored.workers, **changed})


def _begin_logging(folder: RunFolder, config: NetworkConfig, *, resumed: bool) -> None:
    """Record the run with its logger, if it has one, before its networks."""
    logger = run_logger(config.logger, folder.path)
    if logger is not None:
        options = config.model_dump(mode="json", exclude={"training"}, exclude_defaults=True)
        logger.begin(options, resumed=resumed)
