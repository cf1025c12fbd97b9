"""Choice of the tasks to train together under a budget, from measured losses, from pairs, or from affinities.

`group_tasks` holds the two entry points and `candidate_networks` their inputs and result. The solvers are `dynamic_programming` (optimal,
for up to twelve tasks), `mixed_integer_program`, and `local_search` (with a bound).
"""

from polytask.relatedness.grouping.candidate_networks import CandidateNetwork, Grouping, predict_from_pairs
from polytask.relatedness.grouping.group_tasks import choose_networks, group_by_affinity

__all__ = ["CandidateNetwork", "Grouping", "choose_networks", "group_by_affinity", "predict_from_pairs"]
