"""A study: arms x seeds with one offered budget, and what comes of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from polytask.data import Source, Sources
from polytask.errors import ConfigError
from polytask.options import StudyConfig, checked
from polytask.study.arms import Arm, parse_arms
from polytask.study.backends import on_cluster
from polytask.study.beginning import begin
from polytask.study.choosing import Raced, race, race_seed, read_race, write_race
from polytask.study.concluding import Result, Studied, conclude, unclear
from polytask.study.folder import RunFolder
from polytask.study.grouping import Groups, grouped, groups_of
from polytask.study.jobs import Assignment, Job, jobs_of
from polytask.study.opening import Finished, Tested, open_test, openings
from polytask.study.resolving import assignment
from polytask.study.running import Watch, ignore, train_all
from polytask.study.status import StudyProgress
from polytask.study.trying import Trying
from polytask.tasks import Task

STEPS_PER_TASK = 15
"""Cosines of the tasks' gradients are looked at every so many steps per task, with any balancer: it takes a twentieth of the time."""


class Study:
    """Trains every arm with every seed, and says what the test data say.

    Every arm gets the same offered budget: the same rows per task and epoch, the same most epochs, the same patience.
    Models, and the joint arm that is put to the test, are chosen on validation data. Test data are opened when every
    network is trained, by code that cannot be reached earlier, and every opening is counted.

    Args:
        sources: Training sources, with the door to their test rows (`Sources`), as `datasets.load` gives them.
        tasks: What to predict.
        arms: `single`, and what is compared with it: registry names of balancers, `weights=0.2/0.8`.
        seeds: How many, or which.
        test: Loads the test sources, if `sources` has no door of its own.
        config: All choices at once, instead of `arms`, `seeds` and
        **choices: any field of `StudyConfig` by name. What is not given is as `StudyConfig` has it.

    Raises:
        ConfigError: An unknown arm or choice, choices beside a configuration, or no test rows to decide on.

    Example:
        >>> import numpy as np
        >>> from polytask.tasks import Regression
        >>> def table(rows, seed):
        ...     x = np.random.default_rng(seed).normal(size=(rows, 3)).astype("float32")
        ...     return Source("toy", x, {"sum": x.sum(1), "first": x[:, 0]})
        >>> study = Study([table(200, 0)], (Regression(name="sum"), Regression(name="first")), arms=["single", "equal"],
        ...               seeds=2, test=lambda: (table(100, 1),), training={"epochs": 2}, workers=1)
        >>> sorted(study.run().verdict.tasks)
        ['first', 'sum']
    """

    def __init__(
        self,
        sources: Sequence[Source],
        tasks: Sequence[Task],
        arms: Sequence[str] | None = None,
        seeds: int | Sequence[int] | None = None,
        *,
        test: Callable[[], tuple[Source, ...]] | None = None,
        config: StudyConfig | None = None,
        **choices: Any,  # noqa: ANN401 - fields of StudyConfig
    ) -> None:
        door = test or (sources.open_test if isinstance(sources, Sources) else None)
        if door is None:
            raise ConfigError("a study needs test rows to decide on", where="test", remedy="Pass test=, a function that loads them")
        self._door: Callable[[], tuple[Source, ...]] = door
        self.sources, self.tasks = tuple(sources), tuple(tasks)
        given = {name: value for name, value in {"arms": arms, "seeds": seeds}.items() if value is not None} | choices
        if config is not None and given:
            remedy = "Leave them out, or change the configuration: config.model_copy(update=...)"
            raise ConfigError(
                "choices stand in the configuration or beside it, not both", where="study", found=", ".join(given), remedy=remedy
            )
        self.asked = checked(StudyConfig, given, where="study") if config is None else config
        self.names = tuple(task.name for task in self.tasks)
        self.arms = parse_arms(self.asked.arms, self.names)
        _check_tasks(tuple(self.asked.margins), "a margin", self.names)
        _check_tasks(self.asked.protect, "protection", self.names)
        _check_trials(self.asked, self.arms)

    def run(self, out: str | Path | None = None, watch: Watch = ignore, *, keep: bool = False) -> Result:
        """Train what is not trained yet, open the test data, and write the run folder.

        1. On validation data: settings are tuned, and joint arms race, if the configuration says so.
        2. Single-task training and the joint arms that are left are trained with every seed.
        3. Test data are opened. If something is unclear and more looks were planned, 2 and 3 again with more seeds.

        Args:
            out: The run folder; a study that was interrupted there goes on. By default a temporary one.
            watch: Is told a few times a second how far it is.
            keep: Whether the networks of all arms and seeds stay in `checkpoints/`, beside the recommended model.

        Raises:
            StorageError: The folder is used, another run is at work in it, or it cannot be written to.
            ConfigError: An unknown name or option; the interrupted study had other data or tasks.
            NonFiniteError: A loss is no longer a number.
            DataError: A task has no labelled test row that its networks can predict.
        """
        folder = RunFolder(Path(tempfile.mkdtemp(prefix="polytask-")) if out is None else Path(out))
        with on_cluster(self.asked.cluster), folder.alone():
            networks = len(self.asked.seeds) * sum(len(arm.groups) for arm in self.arms)
            config = begin(folder, self.asked, self.sources, self.tasks, self.arms, networks=networks)
            assigned = assignment(config, self.sources, self.tasks)
            raced = self._raced(folder, config, assigned, watch)
            result = conclude(folder, self._studied(folder, config, assigned, raced, watch))
            if not keep:
                folder.discard_checkpoints()
            return result

    def _raced(self, folder: RunFolder, config: StudyConfig, assigned: Assignment, watch: Watch) -> Raced:
        """Groups, settings, and the arm that goes on, from validation data; read back if they are kept already."""
        kept = read_race(folder.race)
        if kept is not None:
            return kept
        groups = groups_of(config, self.arms, assigned, race_seed(config, 0), folder.tries / "affinities", watch)
        arms = grouped(self.arms, groups)
        _check_comparable(arms, groups)
        run = Trying(assigned, tuple(arm.name for arm in self.arms), folder.tries, config.workers or 1, watch)
        raced = replace(race(config, arms, assigned.options, run), groups=groups)
        write_race(folder.race, raced)
        if raced.winner is not None:
            folder.log(f"{raced.winner} goes on")
        return raced

    def _studied(self, folder: RunFolder, config: StudyConfig, assigned: Assignment, raced: Raced, watch: Watch) -> Studied:
        """Train and test, look by look, until nothing is unclear or all looks are made."""
        every, arms = grouped(self.arms, raced.groups), tested_arms(self.arms, raced)
        watched = replace(assigned, observe={"measures": ("cosine",), "every": STEPS_PER_TASK * len(self.tasks)})
        jobs: tuple[Job, ...] = ()
        looks: list[Tested] = []
        for start, end in pairwise((0, *(config.looks or (len(config.seeds),)))):
            own = jobs_of(arms, config.seeds[start:end], folder.checkpoints, raced.chosen)
            train_all(own, watched, config.workers or 1, watch)
            jobs = (*jobs, *own)
            folder.log(f"{len(jobs)} networks trained")
            watch(StudyProgress(len(jobs), len(jobs), stage="testing"))
            looks.append(self._tested(folder, own, assigned, len(looks) + 1, config.workers or 1))
            study = Studied(config, self.tasks, arms, every, raced, jobs, Tested.joined(looks))
            if end < len(config.seeds) and not unclear(study.verdict(study.chosen(study.facts), openings(folder.ledger))):
                break
        return study

    def _tested(self, folder: RunFolder, jobs: tuple[Job, ...], assigned: Assignment, look: int, workers: int) -> Tested:
        """What the test data say at one look: they are opened, unless what came of it is kept."""
        kept = Tested.read(folder.look(look))
        if kept is not None:
            return kept
        finished = Finished(jobs)
        folder.log(f"test data opened, time {openings(folder.ledger) + 1}")
        tested = open_test(finished, self._door, folder.ledger, assigned, workers)
        tested.write(folder.look(look))
        return tested


def tested_arms(arms: Sequence[Arm], raced: Raced) -> tuple[Arm, ...]:
    """The arms that are put to the test: single-task training, trees, and of joint arms the winner of the race, or all."""
    return tuple(arm for arm in grouped(arms, raced.groups) if not arm.joint or raced.winner in (None, arm.name))


def _check_comparable(arms: Sequence[Arm], groups: Groups) -> None:
    """Refuse to go on with nothing to compare with single-task training.

    Raises:
        ConfigError: The only joint arm is one of groups, and these are each alone, or all in one.
    """
    if not any(arm.joint for arm in arms):
        what, remedy = "the groups that were found are no arm of their own", "Add an arm such as 'equal'"
        raise ConfigError(what, where="arms", found=", ".join(groups), remedy=remedy)


def _check_tasks(named: Sequence[str], what: str, tasks: Sequence[str]) -> None:
    """Refuse choices for tasks that are not there.

    Raises:
        ConfigError: A task does not exist.
    """
    for task in named:
        if task not in tasks:
            raise ConfigError(f"{what} for a task that does not exist", where=repr(task), remedy=f"Tasks: {', '.join(tasks)}")


def _check_trials(config: StudyConfig, arms: Sequence[Arm]) -> None:
    """Refuse to look for weights where nothing is tuned.

    Raises:
        ConfigError: There is an arm with tuned weights, and one trial.
    """
    for arm in arms:
        if arm.tunes_weights and config.trials == 1:
            raise ConfigError(
                "weights are looked for in several trials", where=f"arms, {arm.name!r}", found="trials: 1", remedy="Set trials=6"
            )
