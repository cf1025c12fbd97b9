"""Which tasks to train together, under a budget: from measured losses, from pairs, or from affinities.

`grouping` holds the two questions, `candidates` what they are asked of; `exact` (the best choice for up to twelve tasks), `programming` (a
mixed-integer program) and `search` (a local search with a bound) are three ways to an answer.
"""

from polytask.relatedness.grouping.candidate_networks import CandidateNetwork, Grouping, predict_from_pairs
from polytask.relatedness.grouping.group_tasks import choose_networks, group_by_affinity

__all__ = ["CandidateNetwork", "Grouping", "choose_networks", "group_by_affinity", "predict_from_pairs"]
