"""How tasks stand to each other, measured, and which of them to train together.

`observing` measures in the joint run (gradient cosines, look-ahead affinity); `transfer` and `similarity` compare single-task networks;
`matrices` holds what came of it over seeds; `grouping` chooses networks under a budget.
"""

from polytask.relatedness.affinity_callback import AffinityCallback
from polytask.relatedness.feature_similarity import feature_similarities, linear_cka
from polytask.relatedness.grouping import CandidateNetwork, Grouping, choose_networks, group_by_affinity, predict_from_pairs
from polytask.relatedness.relatedness_matrix import RelatednessMatrix, rank_correlation
from polytask.relatedness.transfer_weights import copy_shared_weights

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
