"""How every run begins, or goes on: what was asked for is checked and resolved, and its folder taken."""

from __future__ import annotations

from collections.abc import Sequence

from polytask.data import Source
from polytask.options.network_config import Config
from polytask.storage import write_json
from polytask.studies.setup.environment import check_same_inputs, describe_environment, environment_changes
from polytask.studies.setup.resolve_config import check_buildable, resolve_config
from polytask.studies.setup.run_folder import RunFolder
from polytask.studies.spec.arms import Arm
from polytask.tasks import Task


def start_or_resume(
    folder: RunFolder, asked: Config, sources: Sequence[Source], tasks: Sequence[Task], arms: Sequence[Arm], *, networks: int
) -> Config:
    """The resolved configuration, with which the run begins or goes on.

    Args:
        folder: Of the run.
        asked: What was asked for.
        sources: Training sources.
        tasks: All tasks.
        arms: Every way of training.
        networks: How many will be trained side by side at most.

    Raises:
        ConfigError: An unknown name or option; other data or tasks than those with which the run began.
        StorageError: The folder holds something else, or a finished run, or cannot be written to.
    """
    stored = folder.claim(asked)
    if stored is None:
        check_buildable(asked, sources, tasks, arms)
        config = resolve_config(asked, sources, tasks, networks)
        # The configuration comes last: where it is, there is all that going on needs.
        write_json(folder.environment, describe_environment(config, sources, tasks))
        folder.write_config(config)
        folder.log("run begins")
        return config
    before, now = folder.read_environment(), describe_environment(stored, sources, tasks)
    check_same_inputs(before, now, folder.path)
    folder.delete_partial_files()
    folder.log("; ".join(["run goes on", *environment_changes(before, now)]))
    return stored.model_copy(update={"workers": asked.workers or stored.workers})
