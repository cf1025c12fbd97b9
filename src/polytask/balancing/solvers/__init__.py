"""Solvers of small convex problems on the Gramian G = J Jᵀ of a few long rows, in float64.

All functions take NumPy arrays, are homogeneous (c² G leads to the same decisions as G, at any scale), and use closed forms
or scalar root finding for two rows.
"""

from polytask.balancing.solvers.alpha_fair import solve_alpha_fair
from polytask.balancing.solvers.conflict_averse import solve_conflict_averse
from polytask.balancing.solvers.dual_cone import project_on_dual_cone
from polytask.balancing.solvers.half_spaces import constrained_projection
from polytask.balancing.solvers.kmeans_1d import group_means
from polytask.balancing.solvers.priority_program import solve_priority
from polytask.balancing.solvers.round_off import cancels, negligible, unit_rows
from polytask.balancing.solvers.simplex import minimum_norm, project_simplex, simplex_quadratic
from polytask.balancing.solvers.spectrum import pseudo_inverse_times, symmetric_root

__all__ = [
    "cancels",
    "constrained_projection",
    "group_means",
    "minimum_norm",
    "negligible",
    "project_on_dual_cone",
    "project_simplex",
    "pseudo_inverse_times",
    "simplex_quadratic",
    "solve_alpha_fair",
    "solve_conflict_averse",
    "solve_priority",
    "symmetric_root",
    "unit_rows",
]
