"""The function `measure_curve`: a study per share of the labels, in one run folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from polytask.data import Source, Sources, check_sources
from polytask.errors import ConfigError, DataError
from polytask.options import CurveConfig, NetworkConfig, StudyConfig, checked
from polytask.registry.suggestion import nearest
from polytask.run_files import CurveFile
from polytask.studies.curves.curve_results import TestTables, curve_file, labels_per_task, points_table
from polytask.studies.execution.run_jobs import StudyProgressHook, ignore_study_progress
from polytask.studies.execution.study_progress import StudyProgress
from polytask.studies.run_study import Study
from polytask.studies.setup.apply_preset import reject_command_options, with_preset
from polytask.studies.setup.run_folder import RunFolder, read_parquet, write_dataframe
from polytask.studies.setup.start_run import start_or_resume
from polytask.studies.spec.arms import ResolvedArm, parse_arms
from polytask.studies.tables.accepted_arms import check_networks
from polytask.tasks import Task, check_tasks
from polytask.training.preparation.known_sources import known_sources


@dataclass(frozen=True)
class CurveResult:
    """Learning curves of several tasks.

    Attributes:
        curve: Content of curve.json.
        folder: Run folder with all files; `shares/` has the folder of a study per share.
    """

    curve: CurveFile
    folder: Path

    def __repr__(self) -> str:
        return f"<CurveResult: {len(self.curve.tasks)} tasks at {len(self.curve.shares)} shares of the labels; {self.folder}>"


def measure_curve(
    sources: Sequence[Source],
    tasks: Sequence[Task],
    *,
    test: Callable[[], tuple[Source, ...]] | None = None,
    config: CurveConfig | None = None,
    out: str | Path | None = None,
    progress: StudyProgressHook = ignore_study_progress,
    **choices: Any,  # noqa: ANN401 - fields of CurveConfig
) -> CurveResult:
    """Compare joint and single-task training at several shares of the labels.

    The labels of a smaller share are among those of a larger one, all arms of a seed use the same ones, and every network takes the same
    number of steps. Unless the options say otherwise, the last epoch is kept, so that no validation label chooses anything. All claims, of
    every task and share, are one family with a false alarm rate of 5 %.

    Args:
        sources: Training sources. `Sources` also load their test rows.
        tasks: Tasks to learn, at least two.
        test: Function that loads the test sources; by default that of `sources`.
        config: Complete configuration, instead of `choices`.
        out: Run folder; an interrupted run in it is resumed. By default a temporary folder.
        progress: Function that is called with the progress of the run several times a second.
        **choices: Fields of `CurveConfig` by name: `shares`, `labels_of`, `seeds`, `arms`, ….

    Raises:
        ConfigError: An option is unknown or only used by commands, options are given in addition to `config`, or there are no test rows.
        StorageError: The folder is in use, holds something else or a finished run, or cannot be written to.
        DataError: A share leaves a task without labels, or with one class.
        NonFiniteError: A loss is not finite.

    Example:
        >>> import numpy as np
        >>> from polytask.tasks import Regression
        >>> def table(rows, seed):
        ...     x = np.random.default_rng(seed).normal(size=(rows, 3)).astype("float32")
        ...     return Source("toy", x, {"sum": x.sum(1), "first": x[:, 0]})
        >>> found = measure_curve([table(200, 0)], (Regression(name="sum"), Regression(name="first")), test=lambda: (table(100, 1),),
        ...                       shares=["1/2", 1], seeds=2, training={"epochs": 2}, workers=1)
        >>> [point.labels for point in found.curve.tasks["sum"].points]
        [80, 160]
    """
    if config is not None and choices:
        remedy = "Leave them out, or change the configuration: config.model_copy(update=...)"
        raise ConfigError("options must not be given in addition to `config`", where="curve", found=", ".join(choices), remedy=remedy)
    load_test = test or (sources.open_test if isinstance(sources, Sources) else None)
    if load_test is None:
        raise ConfigError("a curve needs test rows", where="test", remedy="Pass test=, a function that loads the test sources")
    reject_command_options(choices, "curve")
    sources, tasks = check_sources(sources), check_tasks(tasks)
    sources = known_sources(sources, tasks)
    given = checked(CurveConfig, choices, where="curve") if config is None else config
    requested = _keeping_last(with_preset(given, sources, tasks), given)
    arms = _checked_arms(requested, [task.name for task in tasks])
    folder = RunFolder.at(out)
    with folder.alone():
        networks = len(requested.seeds) * sum(len(arm.groups) for arm in arms)
        resolved = start_or_resume(folder, requested, sources, tasks, arms, networks=networks)
        _check_smallest_share(resolved, sources, tasks)
        for place, share in enumerate(resolved.shares):
            study = Study(sources, tasks, test=load_test, config=study_config(resolved, share))
            own = RunFolder(folder.share(share))
            if not own.finished:
                study.run(own.path, _progress_of(progress, place, len(resolved.shares)))
                folder.log(f"share {share:g} is finished")
        return _conclude(folder, resolved, sources, tasks, arms)


def study_config(config: CurveConfig, share: float) -> StudyConfig:
    """Return the configuration of the study of one share.

    Args:
        config: Resolved configuration of the curve.
        share: Share of the labels.

    Example:
        >>> study_config(CurveConfig(seeds=3, labels_of=["a"]), 0.25).training.label_share_of
        ('a',)
    """
    common = {name: getattr(config, name) for name in NetworkConfig.model_fields}
    limited = {} if share == 1 else {"label_share": share, "label_share_of": config.labels_of}
    own = {"arms": config.arms, "seeds": config.seeds, "margins": config.margins, "race": False, "trials": 1, "looks": ()}
    return StudyConfig.model_validate({**common, **own, "training": config.training.with_changes(limited)})


def _keeping_last(config: CurveConfig, given: CurveConfig) -> CurveConfig:
    """Return the configuration with the last epoch kept, unless the user chose an epoch to keep or a patience."""
    if {"keep", "patience"} & given.training.model_fields_set:
        return config
    return config.model_copy(update={"training": config.training.with_changes({"keep": "last"})})


def _checked_arms(config: CurveConfig, names: Sequence[str]) -> tuple[ResolvedArm, ...]:
    """Return the arms after checking the names of the tasks.

    Raises:
        ConfigError: An arm or a task is unknown, or an arm is a baseline.
    """
    if len(names) < 2:
        raise ConfigError("there is nothing to share with one target", where="tasks", found=", ".join(names), remedy="Give at least two")
    for name, where in [*((task, "labels_of") for task in config.labels_of), *((task, "margins") for task in config.margins)]:
        if name not in names:
            raise ConfigError("there is no such task", where=where, found=name, remedy=nearest(name, tuple(names)))
    arms = parse_arms(config.arms, names)
    check_networks(arms)
    return arms


def _check_smallest_share(config: CurveConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> None:
    """Check that the smallest share leaves every task enough labels with the first seed.

    Raises:
        DataError: It does not.
    """
    try:
        labels_per_task(config, sources, tasks, config.shares[0])
    except DataError as error:
        where, remedy = f"share {config.shares[0]:g}, {error.where}", "Choose a larger smallest share"
        raise DataError(error.what, where=where, found=error.found, remedy=remedy) from None


def _progress_of(progress: StudyProgressHook, place: int, shares: int) -> StudyProgressHook:
    """Return a function that reports the progress of one share as a part of all."""

    def report(one: StudyProgress) -> None:
        progress(replace(one, done=place * one.total + one.done, total=shares * one.total))

    return report


def _conclude(
    folder: RunFolder, config: CurveConfig, sources: Sequence[Source], tasks: Sequence[Task], arms: Sequence[ResolvedArm]
) -> CurveResult:
    """Write all files of the run folder; curve.json, which marks the run as finished, comes last."""
    studies = {}
    for share in config.shares:
        own = RunFolder(folder.share(share))
        studies[share] = TestTables(read_parquet(own.predictions), pd.read_csv(own.path / "results.csv"))
    found = curve_file(config, sources, tasks, arms, studies)
    write_dataframe(folder.path / "points.csv", points_table(found))
    found.write(folder.curve)
    folder.log("run finished")
    folder.delete_checkpoints()
    return CurveResult(found, folder.path)
