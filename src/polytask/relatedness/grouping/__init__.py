"""Which tasks to train together, under a budget: from measured losses, from pairs, or from affinities.

`grouping` holds the two questions, `candidates` what they are asked of; `exact` (the best choice for up to twelve tasks), `programming` (a
mixed-integer program) and `search` (a local search with a bound) are three ways to an answer.
"""

from polytask.relatedness.grouping.candidates import Candidate, Grouping, from_pairs
from polytask.relatedness.grouping.grouping import choose_networks, group_by_affinity

__all__ = ["Candidate", "Grouping", "choose_networks", "from_pairs", "group_by_affinity"]
