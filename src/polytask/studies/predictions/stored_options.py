"""The options with which the predictions of a folder were judged before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polytask.options import VerdictConfig, checked
from polytask.options.verdict_options.tolerance import DEFAULT_TOLERANCE
from polytask.registry.parsing import import_paths_in
from polytask.run_files import VerdictFile
from polytask.storage import read_yaml
from polytask.studies.setup.run_folder import RunFolder


def stored_options(folder: RunFolder) -> dict[str, Any]:
    """Return the options with which the predictions in a folder were judged: those of `polytask verdict`, or those of the study.

    Kinds and metrics are those of verdict.json; kinds that would have to be imported are left out, since no file may make polytask import
    anything. The folder of another program has no options.

    Raises:
        StorageError: A file cannot be read.
        DataError: verdict.json has unexpected content.
    """
    if folder.judged.exists():
        stored = checked(VerdictConfig, read_yaml(folder.judged), where=str(folder.judged))
        given = stored.model_dump(mode="json", exclude_unset=True, exclude={"version"})
        return {**given, "kinds": _known_kinds(stored.kinds)}
    if not (folder.config.exists() and folder.verdict.exists()):
        return {}
    study, outcome = read_yaml(folder.config), VerdictFile.read(folder.verdict)
    tables = study.get("tables") or {}
    declared = {task: kind for table in tables.values() for task, kind in table.get("targets", {}).items() if kind}
    return {
        "baseline": outcome.baseline,
        "chosen": outcome.chosen,
        **_plan_of(outcome),
        **({"families": outcome.families} if outcome.families > 1 else {}),
        "trivial": _trivial_of(outcome),
        "test_openings": outcome.test_openings or 1,
        "kinds": _known_kinds({task: declared.get(task, record.kind) for task, record in outcome.tasks.items()}),
        "metrics": {task: record.metric for task, record in outcome.tasks.items()},
        "margins": study.get("margins") or {},
        "protect": outcome.protect,
        "tolerate": study.get("tolerate") or DEFAULT_TOLERANCE,
    }


def _plan_of(outcome: VerdictFile) -> dict[str, Any]:
    """Return the looks of a study, or the training rows of its splits, which are looked at once."""
    units = {task: record.train_units for task, record in outcome.tasks.items() if record.train_units is not None}
    if units:
        return {"task_train_units": units}
    last = len(outcome.looks) - outcome.continuations
    return {"looks": outcome.looks[:last], "continued": outcome.looks[last:]}


def _trivial_of(outcome: VerdictFile) -> dict[str, tuple[str, ...]]:
    """Return the tasks of each arm that learned nothing; there is one finding per arm and task."""
    found: dict[str, tuple[str, ...]] = {}
    for one in outcome.findings:
        if one.kind == "trivial":
            found[one.arm] = (*found.get(one.arm, ()), *one.tasks)
    return found


def _known_kinds(kinds: Mapping[str, str]) -> dict[str, str]:
    return {task: kind for task, kind in kinds.items() if not list(import_paths_in(kind))}
