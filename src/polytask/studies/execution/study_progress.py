"""Progress of a study, and the status file per job that the worker writes and the parent process reads."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from polytask.training import TrainingProgress

_NAME = "status.json"
MOST_COUNTED = 2**53
"""Numbers of epochs and steps are smaller, as float64 knows all of them."""


@dataclass(frozen=True)
class StudyProgress:
    """Progress of a study.

    Attributes:
        done: Number of trained networks.
        total: Number of networks to train in this stage.
        running: Label and progress of every network that is being trained.
        stage: Name of the present stage: "racing", "training", "testing" or "comparing".
        behind: Tasks of running networks that are behind their single-task twins, a sentence each.
    """

    done: int
    total: int
    running: tuple[tuple[str, TrainingProgress], ...] = field(default=())
    stage: str = "training"
    behind: tuple[str, ...] = ()


def within_plan(report: Callable[[StudyProgress], None], before: int, total: int) -> Callable[[StudyProgress], None]:
    """Return a hook for a part of a plan, by which progress counts all networks of the plan.

    Args:
        report: Hook of the whole plan.
        before: Number of networks of earlier parts.
        total: Most networks of the plan; a plan of looks may end before.

    Example:
        >>> within_plan(print, 5, 12)(StudyProgress(2, 5))
        StudyProgress(done=7, total=12, running=(), stage='training', behind=())
    """
    return lambda progress: report(replace(progress, done=before + progress.done, total=total))


def write_status(folder: Path, progress: TrainingProgress) -> None:
    """Write the status of a job. It is only for display, so errors are ignored: a full disk must not stop the training."""
    temporary = folder / f".{_NAME}.part"
    with contextlib.suppress(OSError):
        temporary.write_text(json.dumps(progress.to_dict()), encoding="utf-8")
        temporary.replace(folder / _NAME)


def read_status(folder: Path) -> TrainingProgress | None:
    """Read the last status of a job; `None` if there is no readable one."""
    try:
        found = _schema().validate_json((folder / _NAME).read_bytes())
        counts = (found.epoch, found.epochs, found.step, found.steps)
        return found if all(0 <= count < MOST_COUNTED for count in counts) else None
    except (OSError, ValueError):  # whatever a file holds that is no status is a `ValidationError`, which is a `ValueError`
        return None


@cache
def _schema() -> TypeAdapter[TrainingProgress]:
    return TypeAdapter(TrainingProgress)
