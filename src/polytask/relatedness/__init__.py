"""How tasks stand to each other, measured, and which of them to train together.

`observing` measures in the joint run (gradient cosines, look-ahead affinity); `transfer` and `similarity` compare single-task networks;
`matrices` holds what came of it over seeds; `grouping` chooses networks under a budget.
"""

from polytask.relatedness.grouping import Candidate, Grouping, choose_networks, from_pairs, group_by_affinity
from polytask.relatedness.matrices import Relations, rank_correlation
from polytask.relatedness.observing import Observing
from polytask.relatedness.similarity import linear_cka, similarities
from polytask.relatedness.transfer import start_from

__all__ = [
    "Candidate",
    "Grouping",
    "Observing",
    "Relations",
    "choose_networks",
    "from_pairs",
    "group_by_affinity",
    "linear_cka",
    "rank_correlation",
    "similarities",
    "start_from",
]
