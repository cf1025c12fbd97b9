"""Small convex problems on the Gramian G = J Jᵀ of a few long rows: pure mathematics, in float64.

Everything here takes NumPy arrays, is homogeneous (c² G gives the same decision as G, at any scale), and has closed forms
for two rows.
"""

from polytask.balancing.solvers.conflict_averse import conflict_averse
from polytask.balancing.solvers.dual_cone import dual_cone
from polytask.balancing.solvers.equilibrium import equilibrium
from polytask.balancing.solvers.simplex import minimum_norm, project_simplex, simplex_quadratic
from polytask.balancing.solvers.spectrum import pseudo_inverse_times, symmetric_root

__all__ = [
    "conflict_averse",
    "dual_cone",
    "equilibrium",
    "minimum_norm",
    "project_simplex",
    "pseudo_inverse_times",
    "simplex_quadratic",
    "symmetric_root",
]
