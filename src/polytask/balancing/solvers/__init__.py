"""Small convex problems on the Gramian G = J Jᵀ of a few long rows: pure mathematics, in float64.

Everything here takes NumPy arrays, is homogeneous (c² G gives the same decision as G, at any scale), and has closed forms
for two rows.
"""

from polytask.balancing.solvers.alpha_fair import solve_alpha_fair
from polytask.balancing.solvers.conflict_averse import solve_conflict_averse
from polytask.balancing.solvers.dual_cone import project_on_dual_cone
from polytask.balancing.solvers.simplex import minimum_norm, project_simplex, simplex_quadratic
from polytask.balancing.solvers.spectrum import pseudo_inverse_times, symmetric_root

__all__ = [
    "minimum_norm",
    "project_on_dual_cone",
    "project_simplex",
    "pseudo_inverse_times",
    "simplex_quadratic",
    "solve_alpha_fair",
    "solve_conflict_averse",
    "symmetric_root",
]
