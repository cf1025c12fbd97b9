"""The class `Study`: arms x seeds with one offered budget."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from polytask.data import Source, Sources, check_sources
from polytask.errors import ConfigError
from polytask.options import StudyConfig, checked
from polytask.studies.affinity.grouped_arms import ArmGroups, measure_arm_groups, resolve_grouped_arms
from polytask.studies.execution.dry_run import StudyEstimate, estimate_study
from polytask.studies.execution.job_training import Job, JobContext, load_job_facts, make_jobs
from polytask.studies.execution.parallel_backends import use_cluster
from polytask.studies.execution.run_jobs import StudyProgressHook, ignore_study_progress, train_jobs
from polytask.studies.execution.study_progress import StudyProgress, within_plan
from polytask.studies.results.conclude_study import StudyResult, TestedStudy, conclude_study, has_unclear_claim
from polytask.studies.results.open_test_data import FinishedJobs, HeldOutResults, TestRows, count_openings, open_test_data
from polytask.studies.setup.apply_preset import reject_command_options, with_preset
from polytask.studies.setup.resolve_config import check_parts, make_job_context, resolve_config
from polytask.studies.setup.run_folder import RunFolder
from polytask.studies.setup.seed_budget import (
    affordable_seeds,
    few_seeds_warning,
    plan_of,
    reopen,
    seconds_of_seed,
    time_note,
    with_planned_seeds,
)
from polytask.studies.setup.start_run import start_or_resume
from polytask.studies.setup.train_function_setup import check_function_arms, with_train_function
from polytask.studies.spec.arms import ResolvedArm, arm_titles, parse_arms
from polytask.studies.spec.run_logger import run_logger
from polytask.studies.spec.study_rows import LoadTest, SeedRows, StudyRows
from polytask.studies.tables.accepted_arms import with_arms_of_tables
from polytask.studies.tuning.arm_selection import RaceResult, race_seed, read_race_result, run_race, write_race_result
from polytask.studies.tuning.trial_runner import TrialRunner
from polytask.tasks import Task, check_tasks
from polytask.training.preparation.known_sources import known_sources

STEPS_PER_COSINE = 15
"""Steps per task between two measurements of the cosines of task gradients, with any balancer; measuring takes 5 % of the time."""


class Study:
    """Comparison of joint training with single-task training over several seeds.

    Every arm gets the same offered budget: the same rows per task and epoch, the same maximum number of epochs and the same patience.
    Models, and the joint arm that is tested, are chosen on validation data. The test data of a look are opened only after
    every network of that look is trained, by code that requires proof of it, and every opening is counted.

    Args:
        sources: Training sources. `Sources`, as returned by `polytask.datasets.load_dataset`, also load their test rows.
        tasks: Tasks to learn.
        arms: Arms to compare: `single`, and joint arms such as registry names of balancers or `weights=0.2/0.8`.
        seeds: Number of seeds (0, 1, …), or a list of seeds.
        test: Function that loads the test sources; by default that of `sources`.
        config: Complete configuration, instead of `arms`, `seeds` and `choices`.
        **choices: Fields of `StudyConfig` by name; fields that are not given keep the defaults, or those of the `preset`.

    Raises:
        ConfigError: An arm or option is unknown or only used by commands, options are given in addition to `config`, or there are no test
            rows.

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
        test: LoadTest | None = None,
        config: StudyConfig | None = None,
        **choices: Any,  # noqa: ANN401 - fields of StudyConfig
    ) -> None:
        checked_sources, self.tasks = check_sources(sources), check_tasks(tasks)
        self.sources = known_sources(checked_sources, self.tasks)
        given = {name: value for name, value in {"arms": arms, "seeds": seeds}.items() if value is not None} | choices
        if config is not None and given:
            remedy = "Leave them out, or change the configuration: config.model_copy(update=...)"
            raise ConfigError("options must not be given in addition to `config`", where="study", found=", ".join(given), remedy=remedy)
        reject_command_options(given, "study")
        self.config = with_preset(checked(StudyConfig, given, where="study") if config is None else config, self.sources, self.tasks)
        own = replace(sources, training=self.sources) if isinstance(sources, Sources) else Sources(self.sources)
        self._rows = StudyRows.of(self.config, own, self.tasks, test)
        self.names = tuple(task.name for task in self.tasks)
        if len(self.names) < 2:
            raise ConfigError(
                "there is nothing to share with one target", where="tasks", found=", ".join(self.names), remedy="Give at least two"
            )
        check_function_arms(self.config)
        parsed = parse_arms(self.config.arms, self.names)
        self.arms = with_arms_of_tables(parsed, self.sources, self.tasks, by_function=self.config.train is not None)
        check_parts(self.config, self.arms)
        _check_divided(self.config, self.arms)
        _check_known_tasks(tuple(self.config.margins), "a margin", self.names)
        _check_known_tasks(self.config.protect, "protection", self.names)
        _check_weight_trials(self.config, self.arms)

    def estimate(self) -> StudyEstimate:
        """Train one epoch of the networks of one seed, and estimate how long the study takes and what it can see."""
        config = resolve_config(self.config, self.sources, self.tasks, len(self.config.seeds) * sum(len(arm.groups) for arm in self.arms))
        return estimate_study(config, self.arms, self._context(config))

    def run(self, out: str | Path | None = None, progress: StudyProgressHook = ignore_study_progress, *, keep: bool = False) -> StudyResult:
        """Train the networks that are not trained yet, open the test data, and write the run folder.

        1. On validation data, settings are tuned and joint arms race, if the configuration says so.
        2. Single-task training and the remaining joint arms are trained with every seed.
        3. Test data are opened. If a claim is unclear and more looks were planned, the results so far are written, and steps 2 and 3 are
           repeated with more seeds.

        With `minutes`, the networks of the first seed are timed, and the number of seeds and the looks are fixed and stored before the
        test data are opened. With `more_seeds`, a finished study in the folder is continued.

        Args:
            out: Run folder; an interrupted study in it is resumed. By default a temporary folder.
            progress: Function that is called with the progress of the study several times a second.
            keep: Whether to keep the networks of all arms and seeds in `checkpoints/`, in addition to the recommended model.

        Returns:
            Verdict, recommendation, costs and predictions.

        Raises:
            StorageError: The folder is in use, holds something else or a finished run, or cannot be written to.
            ConfigError: A name or option is unknown, or the interrupted study had other data or tasks.
            NonFiniteError: A loss is not finite.
            DataError: A task has no labeled test row that its networks can predict.
        """
        folder, started = RunFolder.at(out), time.monotonic()
        with use_cluster(self.config.cluster), folder.alone():
            networks = len(self.config.seeds) * sum(len(arm.groups) for arm in self.arms)
            requested = self.config if self.config.more_seeds is None else reopen(folder, self.config.more_seeds)
            config = start_or_resume(folder, requested, self.sources, self.tasks, self.arms, networks=networks)
            assigned = replace(self._context(config), logger=run_logger(config.logger, folder.path))
            raced = self._run_race(folder, config, assigned, progress)
            config = self._fix_seeds(folder, config, assigned, raced, progress, started)
            result = conclude_study(folder, self._train_and_test(folder, config, assigned, raced, progress))
            if keep or has_unclear_claim(result.verdict):  # --continue needs the networks
                folder.unfinished.unlink(missing_ok=True)
            else:
                folder.delete_checkpoints()
            return result

    def _context(self, config: StudyConfig, rows: SeedRows | StudyRows | None = None) -> JobContext:
        """Return the data and options shared by all jobs, or by those of some seeds."""
        own = rows or self._rows
        context = make_job_context(config, own.sources, self.tasks)
        if own is self._rows and config.folds is not None:  # no network learns from all rows
            return context
        return with_train_function(context, config, self.arms, own.load_test)

    def _contexts(self, config: StudyConfig, watched: JobContext, seeds: Sequence[int]) -> Iterator[tuple[SeedRows, JobContext]]:
        """Yield the rows of seeds, and the data and options shared by their jobs."""
        for rows in self._rows.parts(seeds):
            divided = rows.sources is not self._rows.sources
            own = replace(self._context(config, rows), logger=watched.logger, observe=watched.observe) if divided else watched
            yield rows, own

    def _run_race(self, folder: RunFolder, config: StudyConfig, context: JobContext, progress: StudyProgressHook) -> RaceResult:
        """Find groups of tasks, tuned settings and the winner of the race on validation data, or read them if they are stored already."""
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
            folder.log(f"{arm_titles(self.arms)[raced.winner]} won the race")
        return raced

    def _fix_seeds(
        self, folder: RunFolder, config: StudyConfig, context: JobContext, raced: RaceResult, progress: StudyProgressHook, started: float
    ) -> StudyConfig:
        """Return the configuration with the number of seeds that fits the time: the networks of the first seed are trained and timed."""
        if config.minutes is None or config.looks:
            return config
        first = make_jobs(arms_to_test(self.arms, raced), config.seeds[:1], folder.checkpoints, raced.chosen)
        before = time.monotonic() - started
        train_jobs(first, _watched(context, self.tasks), config.workers or 1, progress)
        timed = [load_job_facts(job) for job in first if not job.arm.baseline]
        of_seed = seconds_of_seed(timed, config.workers or 1)
        most = affordable_seeds(60 * config.minutes - before, of_seed)
        planned = with_planned_seeds(config, most)
        folder.write_config(planned)
        folder.log(time_note(config, most, of_seed))
        if few := few_seeds_warning(config.minutes, most, of_seed):
            folder.log(few)
            warnings.warn(few, UserWarning, stacklevel=3)
        return planned

    def _train_and_test(
        self, folder: RunFolder, config: StudyConfig, context: JobContext, raced: RaceResult, progress: StudyProgressHook
    ) -> TestedStudy:
        """Train and test, look by look, until nothing is unclear or no planned look is left."""
        every, arms = resolve_grouped_arms(self.arms, raced.groups), arms_to_test(self.arms, raced)
        watched = _watched(context, self.tasks)
        jobs: tuple[Job, ...] = ()
        looks: list[HeldOutResults] = []
        most, trained = len(config.seeds) * sum(len(arm.groups) for arm in arms), 0
        for start, end in pairwise((0, *plan_of(config).looks)):
            own = make_jobs(arms, config.seeds[start:end], folder.checkpoints, raced.chosen)
            for rows, shared in self._contexts(config, watched, config.seeds[start:end]):
                part = [job for job in own if job.seed in rows.seeds]
                train_jobs(part, shared, config.workers or 1, within_plan(progress, trained, most))
                trained += len(part)
            jobs = (*jobs, *own)
            folder.log(f"{len(jobs)} networks trained")
            progress(StudyProgress(len(jobs), most, stage="testing"))
            opened = (TestRows(rows.seeds, rows.load_test, own) for rows, own in self._contexts(config, context, config.seeds[start:end]))
            looks.append(_test(folder, own, opened, len(looks) + 1, config.workers or 1))
            units = self._rows.train_units()
            study = TestedStudy(config, self.tasks, arms, every, raced, jobs, HeldOutResults.joined(looks), units)
            if end == len(config.seeds):
                break
            in_plan = end not in (*config.looks[-1:], *config.continued)
            if in_plan and not has_unclear_claim(study.verdict(study.chosen(study.facts), count_openings(folder.ledger))):
                break
            if not HeldOutResults.read(folder.look(len(looks) + 1)):
                conclude_study(folder, study)
        return study


def _test(folder: RunFolder, jobs: tuple[Job, ...], rows: Iterable[TestRows], look: int, workers: int) -> HeldOutResults:
    """Return the test results of one look; the test data are opened only if the results are not stored already."""
    kept = HeldOutResults.read(folder.look(look))
    if kept is not None:
        return kept
    finished = FinishedJobs(jobs)
    folder.log(f"test data opened, time {count_openings(folder.ledger) + 1}")
    tested = open_test_data(finished, rows, folder.ledger, workers)
    tested.write(folder.look(look))
    return tested


def _watched(context: JobContext, tasks: Sequence[Task]) -> JobContext:
    """Return the context of networks whose task gradients are compared now and then."""
    return replace(context, observe={"measures": ("cosine",), "every": STEPS_PER_COSINE * len(tasks)})


def arms_to_test(arms: Sequence[ResolvedArm], raced: RaceResult) -> tuple[ResolvedArm, ...]:
    """Return the arms that are tested: all that are no joint arms, and the winner of the race, or all joint arms without a race."""
    return tuple(arm for arm in resolve_grouped_arms(arms, raced.groups) if not arm.is_joint or raced.winner in (None, arm.name))


def _check_comparable(arms: Sequence[ResolvedArm], groups: ArmGroups) -> None:
    """Check that there is a joint arm to compare with single-task training.

    Raises:
        ConfigError: The only joint arms train groups of tasks, and the groups found are single tasks, or one group of all tasks.
    """
    if not any(arm.is_joint for arm in arms):
        what, remedy = "the groups found are all tasks together or each task alone, so no joint arm is left", "Add an arm such as 'equal'"
        raise ConfigError(what, where="arms", found=", ".join(groups), remedy=remedy)


def _check_divided(config: StudyConfig, arms: Sequence[ResolvedArm]) -> None:
    """Check that a cross-validation has no arm that is made of all rows, those that are tested included.

    Raises:
        ConfigError: An arm trains groups of tasks that would be measured before.
    """
    for arm in arms:
        if config.folds is not None and arm.max_groups:
            what, remedy = "groups would be measured on rows that are tested", "Leave out this arm, or leave out folds"
            raise ConfigError(what, where="folds", found=f"arm {arm.name!r}", remedy=remedy)


def _check_known_tasks(named: Sequence[str], what: str, tasks: Sequence[str]) -> None:
    """Check that the tasks named in an option exist.

    Raises:
        ConfigError: A task does not exist.
    """
    for task in named:
        if task not in tasks:
            raise ConfigError(f"{what} for a task that does not exist", where=repr(task), remedy=f"Choose from: {', '.join(tasks)}")


def _check_weight_trials(config: StudyConfig, arms: Sequence[ResolvedArm]) -> None:
    """Check that an arm with tuned weights has more than one trial.

    Raises:
        ConfigError: There is an arm with tuned weights, but only one trial.
    """
    for arm in arms:
        if arm.tunes_weights and config.trials == 1:
            raise ConfigError("tuned weights need several trials", where=f"arms, {arm.name!r}", found="trials: 1", remedy="Set trials=6")
