"""polytask trains several tasks together, and tells you whether you should.

Example:
    >>> import polytask as pt
    >>> pt.encoders.Conv((1, 28, 28)).features
    1600
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = (
    "architectures",
    "artifacts",
    "balancing",
    "data",
    "datasets",
    "encoders",
    "evaluation",
    "gradients",
    "relatedness",
    "study",
    "tabular",
    "tasks",
    "training",
)
_NAMES = {
    "Backward": "polytask.gradients",
    "Loss": "polytask.tasks",
    "MultiTaskClassifier": "polytask.tabular",
    "MultiTaskEstimator": "polytask.tabular",
    "MultiTaskModel": "polytask.architectures",
    "MultiTaskRegressor": "polytask.tabular",
    "Source": "polytask.data",
    "Sources": "polytask.data",
    "Study": "polytask.study",
    "backward": "polytask.gradients",
    "fit": "polytask.training",
    "load": "polytask.artifacts",
    "relate": "polytask.study",
    "verdict": "polytask.evaluation.verdict",
}

__all__ = ["__version__", *_MODULES, *_NAMES]  # noqa: PLE0604 - names, all of them


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module, a class or a function
    """Import what is asked for, and nothing before: `import polytask` must not import torch."""
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"polytask.{name}")
    raise AttributeError(f"module 'polytask' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
