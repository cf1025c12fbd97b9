"""What a run depends on beside its configuration: versions, the machine, the data and the tasks."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.data import Source, fingerprint
from polytask.errors import ConfigError
from polytask.options import NetworkConfig
from polytask.tasks import Task
from polytask.training.hardware import available_cores

PACKAGES = ("polytask", "torch", "numpy", "scipy", "pandas", "pyarrow", "safetensors", "joblib")
DATA_PREFIX, TASK_PREFIX = "data sha256, ", "task sha256, "


def describe_environment(config: NetworkConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> dict[str, Any]:
    """Versions, processor, threads, and the fingerprints of data and tasks."""
    return {
        **_all_versions(),
        "cores": available_cores(),
        "workers": config.workers,
        "threads_per_worker": config.training.threads,
        "precision": config.training.precision,
        **{f"{DATA_PREFIX}{source.name}": fingerprint(source) for source in sources},
        **{f"{TASK_PREFIX}{task.name}": _task_fingerprint(task) for task in tasks},
    }


def check_same_inputs(before: Mapping[str, Any], now: Mapping[str, Any], where: Path) -> None:
    """Refuse to go on with other data or tasks: half of the networks would have learned something else.

    Args:
        before: The environment in which the run began.
        now: That in which it shall go on.
        where: The run's folder.

    Raises:
        ConfigError: Data or tasks differ; the message names them.
    """
    kinds = {DATA_PREFIX: "source", TASK_PREFIX: "task"}
    one, other = ([name for name in facts if name.startswith(tuple(kinds))] for facts in (before, now))
    different = [name for name in dict.fromkeys([*one, *other]) if before.get(name) != now.get(name)]
    if different or one != other:
        parts = [f"{what} {name.removeprefix(kind)!r}" for kind, what in kinds.items() for name in different if name.startswith(kind)]
        found = f"another {', another '.join(parts)}" if parts else "another order of sources or tasks"
        remedy = "Give it the data and tasks with which it began, or choose another folder"
        raise ConfigError("this run was begun with other data or tasks", where=str(where), found=found, remedy=remedy)


def environment_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What of the versions and the machine is no longer what it was."""
    names = (*_all_versions(), "cores")
    return [f"{name} {now[name]}, before {before.get(name)}" for name in names if now[name] != before.get(name)]


def package_versions() -> dict[str, str]:
    """The versions of Python and of the packages that a result depends on."""
    return {"python": platform.python_version(), **{package: _package_version(package) for package in PACKAGES}}


def _all_versions() -> dict[str, str]:
    return {**package_versions(), "system": platform.platform(), "processor": _processor_name()}


def _task_fingerprint(task: Task) -> str:
    """SHA-256 of all that makes the task."""
    return hashlib.sha256(json.dumps(task.to_dict(), default=str).encode()).hexdigest()


def _package_version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _processor_name() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
