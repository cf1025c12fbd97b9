"""Measures of how tasks are related, and choice of the tasks to train together.

`affinity_callback` measures during a joint run (gradient cosines, look-ahead affinity); `copy_weights` and `feature_similarity` compare
single-task networks; `relatedness_matrix` holds the results over seeds; `grouping` chooses networks under a budget.
"""

from polytask.relatedness.affinity_callback import AffinityCallback
from polytask.relatedness.copy_weights import copy_shared_weights
from polytask.relatedness.feature_similarity import feature_similarities, linear_cka
from polytask.relatedness.grouping import CandidateNetwork, Grouping, choose_networks, group_by_affinity, predict_from_pairs
from polytask.relatedness.relatedness_matrix import RelatednessMatrix, rank_correlation

__all__ = [
    "AffinityCallback",
    "CandidateNetwork",
    "Grouping",
    "RelatednessMatrix",
    "choose_networks",
    "copy_shared_weights",
    "feature_similarities",
    "group_by_affinity",
    "linear_cka",
    "predict_from_pairs",
    "rank_correlation",
]
