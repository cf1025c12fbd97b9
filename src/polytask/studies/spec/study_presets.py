"""Budgets of studies by name: which arms there are, what is tuned, and how an arm is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from polytask.studies.execution.boosted_trees import trees_support_tasks
from polytask.studies.spec.arms import GROUPED, TREES, TUNED_WEIGHTS, WEIGHTS
from polytask.tasks import Task

WEIGHTS_TUNED = f"{WEIGHTS}{TUNED_WEIGHTS}"
TUNED_STUDY_ARMS = ("single", "equal", WEIGHTS_TUNED, "uncertainty", "upgrad", "equal@mmoe(experts=3)")
"""What is compared where there are trials: the plain sum, weights that are looked for, a method of losses, one of gradients, experts."""

STUDY_PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "quick": {},
        "standard": {"race": True, "trials": 3, "arms": TUNED_STUDY_ARMS},
        "thorough": {"race": True, "trials": 9, "tune": ("lr", "decay", "balancer"), "arms": TUNED_STUDY_ARMS},
    }
)


def preset_study_options(name: str, tasks: Sequence[Task], *, tables: bool, trials: int | None = None) -> dict[str, Any]:
    """Choices of a study with a budget of that name.

    Three tasks or more are also grouped; tables are also given to boosted trees, where scikit-learn is installed and knows the kinds of
    targets. With one trial nothing is tuned, and no arm looks for weights.

    Args:
        name: Of a preset that exists.
        tasks: What is predicted.
        tables: Whether all sources are tables.
        trials: Number of trials that the user asked for; by default the preset's.

    Example:
        >>> preset_study_options("quick", [], tables=True)
        {}
    """
    choices = dict(STUDY_PRESETS[name])
    if "arms" in choices:
        tuned = (choices["trials"] if trials is None else trials) > 1
        choices["arms"] = tuple(arm for arm in choices["arms"] if tuned or arm != WEIGHTS_TUNED)
        grouped = (GROUPED,) if len(tasks) > 2 else ()
        trees = (TREES,) if tables and trees_support_tasks(tasks) and find_spec("sklearn") is not None else ()
        choices["arms"] = (*choices["arms"], *grouped, *trees)
    return choices
