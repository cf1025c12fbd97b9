"""The function `relate_tasks`: measure how related tasks are, and write the results to a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polytask.data import Source, check_sources
from polytask.errors import ConfigError
from polytask.metrics.notebook_html import html_paragraphs, html_table
from polytask.options import RelateConfig, checked
from polytask.options.measurements.relate_config import IN_THE_JOINT_RUN
from polytask.relatedness.grouping import Grouping
from polytask.relatedness.relatedness_matrix import RelatednessMatrix
from polytask.run_files import RelateFile
from polytask.studies.affinity.affinity_networks import (
    check_relate_config,
    make_relate_networks,
    resolve_relate_config,
    train_relate_networks,
)
from polytask.studies.affinity.affinity_results import (
    AffinityResults,
    Facts,
    affinity_rows,
    collect_affinities,
    propose_grouping,
    relate_cost_file,
)
from polytask.studies.execution.job_training import load_job_facts
from polytask.studies.execution.run_jobs import StudyProgressHook, ignore_study_progress
from polytask.studies.execution.study_progress import StudyProgress
from polytask.studies.results.callback_results import write_callback_results
from polytask.studies.results.result_tables import history_table
from polytask.studies.setup.apply_preset import reject_command_options, with_preset
from polytask.studies.setup.resolve_config import make_job_context
from polytask.studies.setup.run_folder import RunFolder, write_dataframe
from polytask.studies.setup.start_run import start_or_resume
from polytask.studies.spec.run_logger import run_logger
from polytask.tasks import Task, check_tasks
from polytask.training.preparation.known_sources import known_sources


@dataclass(frozen=True)
class RelateResult:
    """Relatedness of tasks.

    Attributes:
        relations: Matrices over seeds per measure, from the row's task to the column's.
        grouping: Proposed networks; `None` if pairs are missing, or if no measure for grouping was chosen.
        folder: Run folder with all files.
        summary: Content of relate.json.
    """

    relations: Mapping[str, RelatednessMatrix]
    grouping: Grouping | None
    folder: Path
    summary: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<RelateResult: {', '.join(self.relations)} of {len(self.summary['tasks'])} tasks; {self.folder}>"

    def _repr_html_(self) -> str:
        """Return the matrices for notebooks, from the row's task to the column's."""
        tasks = [str(task) for task in self.summary["tasks"]]
        tables = [
            html_table(["", *tasks], [(task, *(f"{value:+.2g}" for value in row)) for task, row in rows], name)
            for name, found in self.relations.items()
            for rows in [zip(tasks, found.mean.tolist(), strict=True)]
        ]
        return html_paragraphs([repr(self).strip("<>")]) + "".join(tables)


def relate_tasks(
    sources: Sequence[Source],
    tasks: Sequence[Task],
    *,
    config: RelateConfig | None = None,
    out: str | Path | None = None,
    progress: StudyProgressHook = ignore_study_progress,
    **choices: Any,  # noqa: ANN401 - fields of RelateConfig
) -> RelateResult:
    """Measure how related tasks are, and propose which to train together. Test data are not read.

    Args:
        sources: Training sources.
        tasks: Tasks to learn, at least two.
        config: Complete configuration, instead of `choices`.
        out: Run folder; an interrupted run in it is resumed. By default a temporary folder.
        progress: Function that is called with the progress of the run several times a second.
        **choices: Fields of `RelateConfig` by name: `measures`, `seeds`, `max_groups`, `preset`, ….

    Raises:
        ConfigError: An option is unknown or only used by commands, options are given in addition to `config`, or a measure is impossible
            for these tasks.
        StorageError: The folder is in use, holds something else or a finished run, or cannot be written to.
        NonFiniteError: A loss is not finite.

    Example:
        >>> import numpy as np
        >>> from polytask.tasks import Regression
        >>> x = np.random.default_rng(0).normal(size=(200, 3)).astype("float32")
        >>> source = Source("toy", x, {"sum": x.sum(1), "mean": x.mean(1), "other": x[:, 0] - x[:, 1]})
        >>> tasks = tuple(Regression(name=name) for name in source.tasks)
        >>> related = relate_tasks([source], tasks, seeds=2, measure_every=1, training={"epochs": 3, "batch_size": 32}, workers=1)
        >>> cosines = related.relations["cosine"].mean
        >>> bool(cosines[0, 1] > cosines[0, 2])
        True
    """
    if config is not None and choices:
        found = ", ".join(choices)
        remedy = "Leave them out, or change the configuration: config.model_copy(update=...)"
        raise ConfigError("options must not be given in addition to `config`", where="relate", found=found, remedy=remedy)
    sources, tasks = check_sources(sources), check_tasks(tasks)
    sources = known_sources(sources, tasks)
    reject_command_options(choices, "relate")
    requested = with_preset(checked(RelateConfig, choices, where="relate") if config is None else config, sources, tasks)
    check_relate_config(requested, sources, tasks)
    folder = RunFolder.at(out)
    with folder.alone():
        networks = make_relate_networks(requested, [task.name for task in tasks], folder.checkpoints)
        arms = tuple({job.arm.name: job.arm for job in networks.all}.values())
        begun = start_or_resume(folder, requested, sources, tasks, arms, networks=len(networks.all))
        resolved = resolve_relate_config(begun, sources, tasks)
        if resolved != begun:
            folder.write_config(resolved)
        assigned = replace(make_job_context(resolved, sources, tasks), logger=run_logger(resolved.logger, folder.path))
        train_relate_networks(networks, resolved, assigned, progress)
        folder.log(f"{len(networks.all)} networks trained")
        progress(StudyProgress(len(networks.all), len(networks.all), stage="comparing"))
        facts = {job.label: (job, load_job_facts(job)) for job in networks.all}
        return _write_relate_results(folder, resolved, collect_affinities(resolved, networks, facts, assigned), facts)


def _write_relate_results(folder: RunFolder, config: RelateConfig, found: AffinityResults, facts: Facts) -> RelateResult:
    """Write all files of the run folder; relate.json, which marks the run as finished, comes last of the results."""
    by, grouping = propose_grouping(found.relations, config.max_groups or 1)
    summary = _relate_file(config, found.relations, (by, grouping), facts)
    write_dataframe(folder.path / "relations.csv", affinity_rows(found.relations))
    write_dataframe(folder.path / "history.csv", history_table(list(facts.values())))
    write_callback_results(folder, list(facts.values()))
    relate_cost_file(found, facts).write(folder.costs)
    summary.write(folder.relations)
    folder.log("run finished")
    folder.delete_checkpoints()
    return RelateResult(found.relations, grouping, folder.path, summary.to_dict())


def _relate_file(
    config: RelateConfig, relations: Mapping[str, RelatednessMatrix], groups: tuple[str | None, Grouping | None], facts: Facts
) -> RelateFile:
    """Return the content of relate.json. It holds no time, so that a repeated run writes the same bytes."""
    by, grouping = groups
    first = next(iter(relations.values()))
    steps = [fact["observed"]["steps"] for _, fact in facts.values() if fact["observed"]]
    content = {
        "source": config.source or " + ".join(config.tables) or "sources given in Python",
        "version": config.version,
        "seeds": list(config.seeds),
        "tasks": list(first.names),
        "measures": {measure: own.to_dict() for measure, own in relations.items()},
        "measured_steps": min(steps, default=0),
        "grouping": None if grouping is None else {"by": by, "at_most": config.max_groups, **grouping.to_dict()},
        "notes": _relate_notes(config, relations, by, min(steps, default=0)),
    }
    return RelateFile.from_content(content)


def _relate_notes(config: RelateConfig, relations: Mapping[str, RelatednessMatrix], by: str | None, steps: int) -> list[str]:
    """Return sentences on what the measurements are based on."""
    notes = []
    if set(relations) & set(IN_THE_JOINT_RUN):
        rows = "the step's rows" if config.measured_rows is None else f"{config.measured_rows} training rows"
        notes.append(f"Measured in the joint run at one of {config.measure_every} steps, {steps} in all, on {rows}.")
    if len(config.seeds) < 3:
        notes.append(f"{len(config.seeds)} seed{'s say' if len(config.seeds) > 1 else ' says'} little about the uncertainty of the values.")
    missing = [measure for measure, own in relations.items() if own.has_missing_pairs]
    if missing:
        notes.append(f"Not known for every pair of tasks: {', '.join(missing)}.")
    if by is not None:
        notes.append("Groups are proposed from measurements in training; only a study can tell whether they are better.")
    return notes
