"""Choice of networks within a budget for more tasks than can be enumerated, by a mixed-integer linear program.

With x_tS: network S predicts task t, and y_S: network S is trained,

    min Σ L_t(S) x_tS    subject to    Σ_S x_tS = 1,  x_tS ≤ y_S,  Σ_S c_S y_S ≤ b,  y_S ∈ {0, 1}

solved by HiGHS through SciPy, which reports a bound on the optimum if its time limit is reached.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from polytask.relatedness.grouping.candidate_networks import CandidateNetwork, Grouping

TIME_LIMIT_SECONDS = 30.0


def best_selection(candidates: Sequence[CandidateNetwork], tasks: Sequence[str], budget: float, *, overlap: bool = True) -> Grouping | None:
    """Choose networks with a small total loss within the budget, in at most 30 seconds.

    Args:
        candidates: Networks to choose from.
        tasks: All tasks.
        budget: Maximum total cost of the chosen networks.
        overlap: Whether a network may learn tasks that another network predicts.

    Returns:
        The best choice found, with a bound on the optimum; None if none was found.
    """
    pairs = [(task, number) for number, candidate in enumerate(candidates) for task in candidate.losses]
    losses = np.array([candidates[number].losses[task] for task, number in pairs])
    costs = np.array([candidate.cost for candidate in candidates])
    x, y = len(pairs), len(candidates)
    places = {task: place for place, task in enumerate(tasks)}
    serving, hosts = np.arange(x), np.array([number for _, number in pairs])
    once = csr_array((np.ones(x), ([places[task] for task, _ in pairs], serving)), shape=(len(tasks), x + y))
    trained = csr_array((np.r_[np.ones(x), -np.ones(x)], (np.r_[serving, serving], np.r_[serving, x + hosts])), shape=(x, x + y))
    paid = csr_array(np.r_[np.zeros(x), costs][None])
    learned = csr_array((np.ones(x), ([places[task] for task, _ in pairs], x + hosts)), shape=(len(tasks), x + y))
    answer = milp(
        np.r_[losses, np.zeros(y)],
        integrality=np.r_[np.zeros(x), np.ones(y)],
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(once, 1, 1),
            LinearConstraint(trained, -np.inf, 0),
            LinearConstraint(paid, -np.inf, budget),
            *([] if overlap else [LinearConstraint(learned, -np.inf, 1)]),
        ],
        options={"time_limit": TIME_LIMIT_SECONDS},
    )
    if answer.x is None:
        return None
    return _make_grouping(candidates, tasks, np.flatnonzero(answer.x[x:] > 0.5).tolist(), answer.mip_dual_bound)


def _make_grouping(candidates: Sequence[CandidateNetwork], tasks: Sequence[str], chosen: Sequence[int], bound: float | None) -> Grouping:
    """Assign each task to the best of the chosen networks that learn it, and drop networks that predict nothing."""
    best = {task: min((n for n in chosen if task in candidates[n].losses), key=lambda n: candidates[n].losses[task]) for task in tasks}
    used = list(dict.fromkeys(best.values()))
    total = sum(candidates[number].losses[task] for task, number in best.items())
    networks = tuple(candidates[number].tasks for number in used)
    served_by = {task: used.index(number) for task, number in best.items()}
    return Grouping(networks, served_by, total, total if bound is None else min(bound, total), tuple(used))
