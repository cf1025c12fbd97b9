"""What each job is doing: a small file that the worker rewrites and the parent reads."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polytask.training import TrainingProgress

_NAME = "status.json"


@dataclass(frozen=True)
class StudyProgress:
    """How far a study is.

    Attributes:
        done: Networks trained.
        total: Networks to train.
        running: Per job under way its label and progress.
        stage: What is going on, in a few words.
        behind: Of networks under way which tasks are behind their single-task twins, a sentence each.
    """

    done: int
    total: int
    running: tuple[tuple[str, TrainingProgress], ...] = field(default=())
    stage: str = "training"
    behind: tuple[str, ...] = ()


def write_status(folder: Path, progress: TrainingProgress) -> None:
    """Rewrite the status. It is for the eye: a full disk or a broken file must not stop the training."""
    temporary = folder / f".{_NAME}.part"
    with contextlib.suppress(OSError):
        temporary.write_text(json.dumps(progress.to_dict()), encoding="utf-8")
        temporary.replace(folder / _NAME)


def read_status(folder: Path) -> TrainingProgress | None:
    """The last status, if there is a readable one."""
    try:
        content: dict[str, Any] = json.loads((folder / _NAME).read_text(encoding="utf-8"))
        return TrainingProgress(**content)
    except (OSError, ValueError, TypeError):
        return None
