"""Named budgets of studies: arms, tuning, and whether joint arms race."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from polytask.baselines import BoostedTrees, LinearModels, TableLearner
from polytask.options import StudyConfig
from polytask.studies.spec.arms import GROUPED, TUNED_WEIGHTS, WEIGHTS
from polytask.studies.spec.arms_of_tables import is_installed
from polytask.tasks import Task

WEIGHTS_TUNED = f"{WEIGHTS}{TUNED_WEIGHTS}"
TUNED_STUDY_ARMS = ("single", "equal", WEIGHTS_TUNED, "uncertainty", "upgrad", "equal@mmoe(experts=3)")
"""Arms of presets with tuning: single-task training, the plain sum, tuned weights, a method on losses, one on gradients, and experts."""

STUDY_PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "quick": {},
        "standard": {"race": True, "trials": 3, "arms": TUNED_STUDY_ARMS},
        "thorough": {"race": True, "trials": 9, "tune": ("lr", "decay", "balancer"), "arms": TUNED_STUDY_ARMS},
    }
)


def preset_study_options(
    name: str, tasks: Sequence[Task], *, tables: bool, shipped: bool = False, trials: int | None = None
) -> dict[str, Any]:
    """Return the options that a preset sets in a study, by field of `StudyConfig`.

    With three or more tasks there is also an arm of groups. With one table there are also arms of linear models and, if LightGBM is
    installed, of boosted trees, which may be recommended; linear models take part in every preset. With several tables, or kinds of tasks
    that these arms do not learn, they are baselines of scikit-learn, if that is installed and supports the kinds. With one trial nothing
    is tuned, and the arm with tuned weights is left out.

    Args:
        name: Name of an existing preset.
        tasks: Tasks to learn.
        tables: Whether all sources are tables.
        shipped: Whether linear models and trees are arms to ship, not baselines.
        trials: Number of trials that the user chose; `None` uses the preset's.

    Example:
        >>> preset_study_options("quick", [], tables=False)
        {}
    """
    choices = dict(STUDY_PRESETS[name])
    if shipped:
        baselines = tuple(learner.name for learner in (LinearModels, BoostedTrees) if is_installed(learner.name))
    else:
        baselines = tuple(learner.name for learner in (LinearModels, BoostedTrees) if tables and _supported(learner, tasks))
    if "arms" in choices:
        tuned = (choices["trials"] if trials is None else trials) > 1
        choices["arms"] = tuple(arm for arm in choices["arms"] if tuned or arm != WEIGHTS_TUNED)
        grouped = (GROUPED,) if len(tasks) > 2 else ()
        choices["arms"] = (*choices["arms"], *grouped, *baselines)
    elif LinearModels.name in baselines:
        choices["arms"] = (*StudyConfig.model_fields["arms"].default, LinearModels.name)
    return choices


def _supported(learner: type[TableLearner], tasks: Sequence[Task]) -> bool:
    return find_spec("sklearn") is not None and all(learner.supports(task) for task in tasks)
