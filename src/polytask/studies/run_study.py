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
from polytask.studies.affinity.grouped_arms import ArmGroups, measure_arm_groups, resolve_grouped_arms
from polytask.studies.execution.jobs import Job, JobContext, make_jobs
from polytask.studies.execution.parallel_backends import use_cluster
from polytask.studies.execution.run_jobs import StudyProgressHook, ignore_study_progress, train_jobs
from polytask.studies.execution.study_progress import StudyProgress
from polytask.studies.results.conclude_study import StudyResult, TestedStudy, conclude_study, has_unclear_task
from polytask.studies.results.open_test_data import FinishedJobs, HeldOutResults, count_openings, open_test_data
from polytask.studies.setup.resolve_config import make_job_context
from polytask.studies.setup.run_folder import RunFolder
from polytask.studies.setup.start_run import start_or_resume
from polytask.studies.spec.arms import Arm, parse_arms
from polytask.studies.tuning.arm_selection import RaceResult, race_seed, read_race_result, run_race, write_race_result
from polytask.studies.tuning.trial_runner import TrialRunner
from polytask.tasks import Task

STEPS_PER_COSINE = 15
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
        self._load_test: Callable[[], tuple[Source, ...]] = door
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
        _check_known_tasks(tuple(self.asked.margins), "a margin", self.names)
        _check_known_tasks(self.asked.protect, "protection", self.names)
        _check_weight_trials(self.asked, self.arms)

    def run(self, out: str | Path | None = None, progress: StudyProgressHook = ignore_study_progress, *, keep: bool = False) -> StudyResult:
        """Train what is not trained yet, open the test data, and write the run folder.

        1. On validation data: settings are tuned, and joint arms race, if the configuration says so.
        2. Single-task training and the joint arms that are left are trained with every seed.
        3. Test data are opened. If something is unclear and more looks were planned, 2 and 3 again with more seeds.

        Args:
            out: The run folder; a study that was interrupted there goes on. By default a temporary one.
            progress: Is told a few times a second how far it is.
            keep: Whether the networks of all arms and seeds stay in `checkpoints/`, beside the recommended model.

        Raises:
            StorageError: The folder is used, another run is at work in it, or it cannot be written to.
            ConfigError: An unknown name or option; the interrupted study had other data or tasks.
            NonFiniteError: A loss is no longer a number.
            DataError: A task has no labeled test row that its networks can predict.
        """
        folder = RunFolder(Path(tempfile.mkdtemp(prefix="polytask-")) if out is None else Path(out))
        with use_cluster(self.asked.cluster), folder.alone():
            networks = len(self.asked.seeds) * sum(len(arm.groups) for arm in self.arms)
            config = start_or_resume(folder, self.asked, self.sources, self.tasks, self.arms, networks=networks)
            assigned = make_job_context(config, self.sources, self.tasks)
            raced = self._run_race(folder, config, assigned, progress)
            result = conclude_study(folder, self._train_and_test(folder, config, assigned, raced, progress))
            if not keep:
                folder.delete_checkpoints()
            return result

    def _run_race(self, folder: RunFolder, config: StudyConfig, context: JobContext, progress: StudyProgressHook) -> RaceResult:
        """Groups, settings, and the arm that goes on, from validation data; read back if they are kept already."""
        kept = read_race_result(folder.race)
        if kept is not None:
            return kept
        groups = measure_arm_groups(config, self.arms, context, race_seed(config, 0), folder.trial_networks / "affinities", progress)
        arms = resolve_grouped_arms(self.arms, groups)
        _check_comparable(arms, groups)
        run = TrialRunner(context, tuple(arm.name for arm in self.arms), folder.trial_networks, config.workers or 1, progress)
        raced = replace(run_race(config, arms, context.options, run), groups=groups)
        write_race_result(folder.race, raced)
        if raced.winner is not None:
            folder.log(f"{raced.winner} goes on")
        return raced

    def _train_and_test(
        self, folder: RunFolder, config: StudyConfig, context: JobContext, raced: RaceResult, progress: StudyProgressHook
    ) -> TestedStudy:
        """Train and test, look by look, until nothing is unclear or all looks are made."""
        every, arms = resolve_grouped_arms(self.arms, raced.groups), arms_to_test(self.arms, raced)
        watched = replace(context, observe={"measures": ("cosine",), "every": STEPS_PER_COSINE * len(self.tasks)})
        jobs: tuple[Job, ...] = ()
        looks: list[HeldOutResults] = []
        for start, end in pairwise((0, *(config.looks or (len(config.seeds),)))):
            own = make_jobs(arms, config.seeds[start:end], folder.checkpoints, raced.chosen)
            train_jobs(own, watched, config.workers or 1, progress)
            jobs = (*jobs, *own)
            folder.log(f"{len(jobs)} networks trained")
            progress(StudyProgress(len(jobs), len(jobs), stage="testing"))
            looks.append(self._test(folder, own, context, len(looks) + 1, config.workers or 1))
            study = TestedStudy(config, self.tasks, arms, every, raced, jobs, HeldOutResults.joined(looks))
            if end < len(config.seeds) and not has_unclear_task(study.verdict(study.chosen(study.facts), count_openings(folder.ledger))):
                break
        return study

    def _test(self, folder: RunFolder, jobs: tuple[Job, ...], context: JobContext, look: int, workers: int) -> HeldOutResults:
        """What the test data say at one look: they are opened, unless what came of it is kept."""
        kept = HeldOutResults.read(folder.look(look))
        if kept is not None:
            return kept
        finished = FinishedJobs(jobs)
        folder.log(f"test data opened, time {count_openings(folder.ledger) + 1}")
        tested = open_test_data(finished, self._load_test, folder.ledger, context, workers)
        tested.write(folder.look(look))
        return tested


def arms_to_test(arms: Sequence[Arm], raced: RaceResult) -> tuple[Arm, ...]:
    """The arms that are put to the test: single-task training, trees, and of joint arms the winner of the race, or all."""
    return tuple(arm for arm in resolve_grouped_arms(arms, raced.groups) if not arm.is_joint or raced.winner in (None, arm.name))


def _check_comparable(arms: Sequence[Arm], groups: ArmGroups) -> None:
    """Refuse to go on with nothing to compare with single-task training.

    Raises:
        ConfigError: The only joint arm is one of groups, and these are each alone, or all in one.
    """
    if not any(arm.is_joint for arm in arms):
        what, remedy = "the groups that were found are no arm of their own", "Add an arm such as 'equal'"
        raise ConfigError(what, where="arms", found=", ".join(groups), remedy=remedy)


def _check_known_tasks(named: Sequence[str], what: str, tasks: Sequence[str]) -> None:
    """Refuse choices for tasks that are not there.

    Raises:
        ConfigError: A task does not exist.
    """
    for task in named:
        if task not in tasks:
            raise ConfigError(f"{what} for a task that does not exist", where=repr(task), remedy=f"Tasks: {', '.join(tasks)}")


def _check_weight_trials(config: StudyConfig, arms: Sequence[Arm]) -> None:
    """Refuse to look for weights where nothing is tuned.

    Raises:
        ConfigError: There is an arm with tuned weights, and one trial.
    """
    for arm in arms:
        if arm.tunes_weights and config.trials == 1:
            raise ConfigError(
                "weights are looked for in several trials", where=f"arms, {arm.name!r}", found="trials: 1", remedy="Set trials=6"
            )
