"""Baselines: methods without networks, one model per task, that a study shows next to its arms."""

from polytask.baselines.base import Baseline, TaskRows
from polytask.baselines.boosted_trees import BoostedTrees
from polytask.baselines.linear_models import LinearModels
from polytask.baselines.table_learner import TableLearner

__all__ = [
    "Baseline",
    "BoostedTrees",
    "LinearModels",
    "TableLearner",
    "TaskRows",
]
