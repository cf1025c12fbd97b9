"""Multi-task learning on PyTorch: train several tasks together, and find out whether you should.

Example:
    >>> import polytask as pt
    >>> pt.encoders.Conv((1, 28, 28)).features
    1600
"""

import importlib

# Neither `typing` nor `__future__` is imported: `python -m polytask` runs this file while the working folder is still on the import path.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_MODULES = (
    "architectures",
    "artifacts",
    "balancing",
    "baselines",
    "bridges",
    "data",
    "datasets",
    "encoders",
    "estimators",
    "errors",
    "gradients",
    "loggers",
    "metrics",
    "options",
    "registry",
    "relatedness",
    "report",
    "run_files",
    "storage",
    "studies",
    "tasks",
    "train_functions",
    "training",
    "verdicts",
)
_NAMES = {
    "Architecture": "polytask.architectures",
    "Arm": "polytask.studies",
    "Backward": "polytask.gradients",
    "Balancer": "polytask.balancing",
    "Baseline": "polytask.baselines",
    "Callback": "polytask.training",
    "ComponentSpec": "polytask.registry",
    "ConfigError": "polytask.errors",
    "DataError": "polytask.errors",
    "DownloadError": "polytask.errors",
    "Encoder": "polytask.encoders",
    "Loss": "polytask.tasks",
    "MissingExtraError": "polytask.errors",
    "MultiTaskClassifier": "polytask.estimators",
    "MultiTaskEstimator": "polytask.estimators",
    "MultiTaskModel": "polytask.architectures",
    "MultiTaskRegressor": "polytask.estimators",
    "NonFiniteError": "polytask.errors",
    "Outputs": "polytask.train_functions",
    "PolytaskError": "polytask.errors",
    "Source": "polytask.data",
    "Sources": "polytask.data",
    "StorageError": "polytask.errors",
    "Study": "polytask.studies",
    "Task": "polytask.tasks",
    "TrainingRequest": "polytask.train_functions",
    "add_import_path": "polytask.registry",
    "backward": "polytask.gradients",
    "curve": "polytask.studies",
    "fit": "polytask.training",
    "load": "polytask.artifacts",
    "register": "polytask.registry",
    "relate": "polytask.studies",
    "study": "polytask.studies",
    "train": "polytask.studies",
    "verdict": "polytask.verdicts.compute_verdict",
}

__all__ = ["__version__", *_MODULES, *_NAMES]  # noqa: PLE0604 - all of them are strings


def __getattr__(name: str) -> "Any":  # noqa: ANN401 - a module, a class or a function
    """Import a submodule or name on first access, so that `import polytask` does not import torch."""
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"polytask.{name}")
    raise AttributeError(f"module 'polytask' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
