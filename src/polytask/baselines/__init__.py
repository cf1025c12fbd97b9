"""Baselines: methods without networks, one model per task, that a study shows next to its arms."""

from polytask.baselines.base import Baseline, TaskRows
from polytask.baselines.boosted_trees import BoostedTrees

__all__ = [
    "Baseline",
    "BoostedTrees",
    "TaskRows",
]
