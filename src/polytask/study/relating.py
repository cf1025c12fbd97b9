"""Measuring how tasks stand to each other, into a run folder."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polytask.data import Source
from polytask.errors import ConfigError
from polytask.options import RelateConfig, checked
from polytask.options.relate_config import IN_THE_JOINT_RUN
from polytask.relatedness.grouping import Grouping
from polytask.relatedness.matrices import Relations
from polytask.storage import write_json
from polytask.study.beginning import begin
from polytask.study.folder import RunFolder, write_table
from polytask.study.jobs import facts_of
from polytask.study.relate_findings import Facts, Findings, cost_content, findings, proposed, relation_rows
from polytask.study.relate_networks import check_measurable, filled_in, networks_of, train_networks
from polytask.study.resolving import assignment
from polytask.study.running import Watch, ignore
from polytask.study.status import StudyProgress
from polytask.study.tables import history_table
from polytask.tasks import Task


@dataclass(frozen=True)
class Related:
    """How tasks stand to each other.

    Attributes:
        relations: Per measure its matrices over seeds, from the row's task to the column's.
        grouping: The networks that are proposed; none where pairs are missing, or nothing was measured that says what does good.
        folder: Where everything lies.
        summary: The content of relate.json.
    """

    relations: Mapping[str, Relations]
    grouping: Grouping | None
    folder: Path
    summary: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<Related: {', '.join(self.relations)} of {len(self.summary['tasks'])} tasks; {self.folder}>"


def relate(
    sources: Sequence[Source],
    tasks: Sequence[Task],
    *,
    config: RelateConfig | None = None,
    out: str | Path | None = None,
    watch: Watch = ignore,
    **choices: Any,  # noqa: ANN401 - fields of RelateConfig
) -> Related:
    """Measure how tasks stand to each other, and propose which to train together. Test data stay closed.

    Args:
        sources: Training sources.
        tasks: What to predict, two tasks at least.
        config: All choices at once, instead of
        out: The run folder; a run that was interrupted there goes on. By default a temporary one.
        watch: Is told a few times a second how far it is.
        **choices: any field of `RelateConfig` by name: `measures`, `seeds`, `groups`, ….

    Raises:
        ConfigError: An unknown choice, or choices beside a configuration; something that cannot be measured.
        StorageError: The folder is used, another run is at work in it, or it cannot be written to.
        NonFiniteError: A loss is no longer a number.

    Example:
        >>> import numpy as np
        >>> from polytask.tasks import Regression
        >>> x = np.random.default_rng(0).normal(size=(200, 3)).astype("float32")
        >>> source = Source("toy", x, {"sum": x.sum(1), "mean": x.mean(1), "other": x[:, 0] - x[:, 1]})
        >>> tasks = tuple(Regression(name=name) for name in source.tasks)
        >>> related = relate([source], tasks, seeds=2, every=1, training={"epochs": 3, "batch_size": 32}, workers=1)
        >>> cosines = related.relations["cosine"].mean
        >>> bool(cosines[0, 1] > cosines[0, 2])
        True
    """
    if config is not None and choices:
        found = ", ".join(choices)
        remedy = "Leave them out, or change the configuration: config.model_copy(update=...)"
        raise ConfigError("choices stand in the configuration or beside it, not both", where="relate", found=found, remedy=remedy)
    asked = checked(RelateConfig, choices, where="relate") if config is None else config
    check_measurable(asked, sources, tasks)
    folder = RunFolder(Path(tempfile.mkdtemp(prefix="polytask-")) if out is None else Path(out))
    with folder.alone():
        networks = networks_of(asked, [task.name for task in tasks], folder.checkpoints)
        arms = tuple({job.arm.name: job.arm for job in networks.all}.values())
        begun = begin(folder, asked, sources, tasks, arms, networks=len(networks.all))
        resolved = filled_in(begun, sources, tasks)
        if resolved != begun:
            folder.write_config(resolved)
        assigned = assignment(resolved, sources, tasks)
        train_networks(networks, resolved, assigned, watch)
        folder.log(f"{len(networks.all)} networks trained")
        watch(StudyProgress(len(networks.all), len(networks.all), stage="comparing"))
        facts = {job.label: (job, facts_of(job)) for job in networks.all}
        return _conclude(folder, resolved, findings(resolved, networks, facts, assigned), facts)


def _conclude(folder: RunFolder, config: RelateConfig, found: Findings, facts: Facts) -> Related:
    """Write everything that the run folder holds, the file that says that it is finished last."""
    by, grouping = proposed(found.relations, config.groups or 1)
    summary = _summary(config, found.relations, (by, grouping), facts)
    write_table(folder.path / "relations.csv", relation_rows(found.relations))
    write_table(folder.path / "history.csv", history_table(list(facts.values())))
    write_json(folder.path / "cost.json", cost_content(found, facts))
    write_json(folder.relations, summary)
    folder.log("run ends")
    folder.discard_checkpoints()
    return Related(found.relations, grouping, folder.path, summary)


def _summary(
    config: RelateConfig, relations: Mapping[str, Relations], groups: tuple[str | None, Grouping | None], facts: Facts
) -> dict[str, Any]:
    """The content of relate.json. No time in it: a repeat gives the same bytes."""
    by, grouping = groups
    first = next(iter(relations.values()))
    steps = [fact["observed"]["steps"] for _, fact in facts.values() if fact["observed"]]
    return {
        "source": config.source or " + ".join(config.tables) or "sources given in Python",
        "version": config.version,
        "seeds": list(config.seeds),
        "tasks": list(first.names),
        "measures": {measure: own.to_dict() for measure, own in relations.items()},
        "measured_steps": min(steps, default=0),
        "grouping": None if grouping is None else {"by": by, "at_most": config.groups, **grouping.to_dict()},
        "notes": _notes(config, relations, by, min(steps, default=0)),
    }


def _notes(config: RelateConfig, relations: Mapping[str, Relations], by: str | None, steps: int) -> list[str]:
    """What the numbers rest on."""
    notes = []
    if set(relations) & set(IN_THE_JOINT_RUN):
        rows = "the step's rows" if config.rows is None else f"{config.rows} training rows"
        notes.append(f"Measured in the joint run at one of {config.every} steps, {steps} in all, on {rows}.")
    if len(config.seeds) < 3:
        notes.append(f"{len(config.seeds)} seed{'s say' if len(config.seeds) > 1 else ' says'} little about how sure the numbers are.")
    missing = [measure for measure, own in relations.items() if own.unmeasured]
    if missing:
        notes.append(f"Not known for every pair of tasks: {', '.join(missing)}.")
    if by is not None:
        notes.append("Groups are proposed from what was measured in training; whether they are better is for a study to say.")
    return notes
