"""Budgets of studies by name: which arms there are, what is tuned, and how an arm is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from polytask.study.arms import GROUPED, TREES
from polytask.study.trees import fits_trees
from polytask.tasks import Task

ARMS = ("single", "equal", "weights=tuned", "uncertainty", "upgrad", "equal@mmoe(experts=3)")
"""What is compared where there are trials: the plain sum, weights that are looked for, a method of losses, one of gradients, experts."""

CHOICES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "quick": {},
        "standard": {"plan": "race", "trials": 3, "arms": ARMS},
        "thorough": {"plan": "race", "trials": 9, "tune": ("lr", "decay", "own"), "arms": ARMS},
    }
)


def study_choices(name: str, tasks: Sequence[Task], *, tables: bool) -> dict[str, Any]:
    """Choices of a study with a budget of that name.

    Three tasks or more are also grouped; tables are also given to boosted trees, where scikit-learn is installed and knows the kinds of
    targets.

    Args:
        name: Of a preset that exists.
        tasks: What is predicted.
        tables: Whether all sources are tables.

    Example:
        >>> study_choices("quick", [], tables=True)
        {}
    """
    choices = dict(CHOICES[name])
    if "arms" in choices:
        grouped = (GROUPED,) if len(tasks) > 2 else ()
        trees = (TREES,) if tables and fits_trees(tasks) and find_spec("sklearn") is not None else ()
        choices["arms"] = (*choices["arms"], *grouped, *trees)
    return choices
