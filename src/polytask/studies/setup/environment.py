"""Environment of a run: package versions, the machine, and fingerprints of data and tasks."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.architectures import ModulePlan
from polytask.architectures.fingerprint import changed_outputs
from polytask.data import Source, fingerprint
from polytask.devices import describe_device, resolve_device
from polytask.errors import ConfigError
from polytask.options import NetworkConfig
from polytask.tasks import Task
from polytask.training.hardware import available_cores
from polytask.training.preparation.default_model import input_forms

PACKAGES = ("polytask", "torch", "numpy", "scipy", "pandas", "pyarrow", "safetensors", "joblib")
_DEVICE_FACTS = ("device", "device_name", "cuda_driver", "cuda_runtime", "cudnn")
_BEFORE = {"device": "cpu"}
"""Facts of runs that were started before they were recorded."""
DATA_PREFIX, TASK_PREFIX = "data sha256, ", "task sha256, "
MODEL = "outputs of the model before training"


def describe_environment(config: NetworkConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> dict[str, Any]:
    """Return package versions, system, processor, cores and threads, precision, and fingerprints of data, tasks and an own model."""
    return {
        **_all_versions(),
        "cores": available_cores(),
        "workers": config.workers,
        "threads_per_worker": config.training.threads,
        "precision": config.training.precision,
        **describe_device(resolve_device(config.training.device)),
        **{f"{DATA_PREFIX}{source.name}": fingerprint(source) for source in sources},
        **{f"{TASK_PREFIX}{task.name}": _task_fingerprint(task) for task in tasks},
        **({} if config.model is None else {MODEL: ModulePlan(config.model, input_forms(sources)).build(tasks, 0).fingerprint()}),
    }


def check_same_inputs(before: Mapping[str, Any], now: Mapping[str, Any], where: Path) -> None:
    """Check that a run is resumed with the data, tasks and model that it was started with; its networks would not be comparable otherwise.

    Args:
        before: Environment in which the run was started.
        now: Environment in which it is resumed.
        where: Run folder.

    Raises:
        ConfigError: Data or tasks differ, in content or order, or the user's function makes other networks; the message names them.
    """
    kinds = {DATA_PREFIX: "source", TASK_PREFIX: "task"}
    one, other = ([name for name in facts if name.startswith(tuple(kinds))] for facts in (before, now))
    different = [name for name in dict.fromkeys([*one, *other]) if before.get(name) != now.get(name)]
    if different or one != other:
        parts = [f"{what} {name.removeprefix(kind)!r}" for kind, what in kinds.items() for name in different if name.startswith(kind)]
        found = f"another {', another '.join(parts)}" if parts else "another order of sources or tasks"
        remedy = "Resume it with the same data and tasks, or choose another folder"
        raise ConfigError("this run was started with other data or tasks", where=str(where), found=found, remedy=remedy)
    if MODEL in now and (found := changed_outputs(before.get(MODEL, {}), now[MODEL])):
        remedy = "Restore the code of the model, delete the run, or choose another folder"
        raise ConfigError("this run was started with another model", where=str(where), found=found, remedy=remedy)


def environment_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a phrase for every version or property of the machine that has changed."""
    names = (*_all_versions(), "cores", *_DEVICE_FACTS)
    return [f"{name} {now.get(name)}, before {before.get(name)}" for name in names if now.get(name) != before.get(name, _BEFORE.get(name))]


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    return {"python": platform.python_version(), **{package: _package_version(package) for package in PACKAGES}}


def _all_versions() -> dict[str, str]:
    return {**package_versions(), "system": platform.platform(), "processor": _processor_name()}


def _task_fingerprint(task: Task) -> str:
    """Return the SHA-256 of the definition of a task, as a hexadecimal text."""
    return hashlib.sha256(json.dumps(task.to_dict(), default=str).encode()).hexdigest()


def _package_version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _processor_name() -> str:
    """Return the name of the processor from /proc/cpuinfo if it exists, otherwise from `platform`."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
