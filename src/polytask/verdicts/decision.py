"""Claims about a family of differences, derived from their intervals: helps, hurts, same or unclear.

The family is the T tasks of the chosen arm, or all T pairs of arm and task if no arm was chosen, at familywise level a. Holm's
step-down (Scandinavian Journal of Statistics 6:65, 1979) rejects every task whose interval of level a / T excludes 0, then with k
tasks left every task whose interval of level a / k excludes 0, and so on.

**The claim is read from the printed interval**, so the two cannot disagree: "helps" if the interval lies above 0, "hurts" if it
lies below 0. The interval is the simultaneous (Bonferroni) interval of level a / T, except for a task that is rejected only at a
later step: its bound nearer to 0 is that of the level a / k at which it was rejected, which excludes 0; the other bound keeps the
level a / T. Therefore

* the probability that any task without a difference gets an interval that excludes 0 is at most a (Holm);
* each interval alone covers the true difference with probability at least 1 - a, at any step: its tails are at most a / 2 and
  a / (2 T);
* all intervals together cover the true differences with probability at least 1 - a if no task is rejected at a later step. With
  later rejections the claims keep level a, but the simultaneous coverage may fall below 1 - a: this is the price of the power
  that step-down gains, and no interval avoids it.

**same**: the interval contains 0, and two one-sided tests at level a / T each show that the difference lies within the margin
(the interval of level 2 a / T fits into it). The level needs no further division: "there is no difference" and "the difference
is at least the margin" cannot both be true of a task, so at most one of the two claims about it can be false, and T times a / T
is a. If "same" and "helps" or "hurts" both hold (a real difference smaller than the margin), the claim is "helps" or "hurts",
since the interval excludes 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from polytask.verdicts.power import PowerAnalysis, power_analysis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from polytask.verdicts.difference_estimate import DifferenceEstimate

FAMILYWISE_LEVEL = 0.05


@dataclass(frozen=True)
class Decision:
    """Claim about one difference.

    Attributes:
        claim: "helps", "hurts", "same" or "unclear".
        interval: Interval that the claim is read from, in the metric's unit.
        p: Two-sided p value, not adjusted.
        p_adjusted: Two-sided p value after Holm's adjustment over the family.
        p_same: Larger p value of the two one-sided equivalence tests, not adjusted.
        power: Seeds or test rows that would settle an unclear claim; `None` for the other claims.
    """

    claim: str
    interval: tuple[float, float]
    p: float
    p_adjusted: float
    p_same: float
    power: PowerAnalysis | None


def step_down(excludes: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Apply Holm's step-down procedure to any number of families at once.

    Args:
        excludes: (T, ..., T) whether the interval of a task (last axis) excludes 0 at level a / (i + 1), i being the index of the
            first axis.

    Returns:
        (..., T) number k of tasks that were left when a task was rejected, at level a / k; 0 for tasks that were not rejected.

    Example:
        >>> step_down(np.array([[True, True], [True, False]]))  # the second is rejected only after the first
        array([2, 1])
    """
    tasks = excludes.shape[-1]
    left_when_rejected = np.zeros(excludes.shape[1:], dtype=np.int64)
    for _ in range(tasks):
        left = tasks - (left_when_rejected > 0).sum(axis=-1, keepdims=True)
        now = np.take_along_axis(excludes, np.maximum(left - 1, 0)[None], axis=0)[0]
        left_when_rejected = np.where((left_when_rejected == 0) & now, left, left_when_rejected)
    return left_when_rejected


def holm(p: Sequence[float]) -> NDArray[np.float64]:
    """Return Holm's adjusted p values: the smallest familywise level at which the step-down procedure rejects each task.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepwise = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)), 1.0)
    adjusted = np.empty_like(values)
    adjusted[order] = stepwise
    return adjusted


def decide(family: Sequence[DifferenceEstimate], margins: Sequence[float], level: float = FAMILYWISE_LEVEL) -> tuple[Decision, ...]:
    """Decide a family of differences at one familywise level.

    Args:
        family: Estimated differences of the T tasks.
        margins: Largest difference that counts as the same, per task, in the unit of its metric.
        level: Familywise rate of false alarms.

    Returns:
        A decision per task, in the order of `family`.

    Example:
        >>> from polytask.verdicts.crossed_anova import crossed_estimate
        >>> same, better = crossed_estimate([[0.0, 0.0], [0.0, 0.0]]), crossed_estimate([[0.5, 0.5], [0.5, 0.5]])
        >>> [decision.claim for decision in decide([same, better], [0.01, 0.01])]
        ['same', 'helps']
    """
    tasks = len(family)
    excludes = np.array([[study.half_width(level / left) < abs(study.difference) for study in family] for left in range(1, tasks + 1)])
    lefts = step_down(excludes).tolist()
    adjusted = holm([study.p for study in family]).tolist()
    return tuple(
        _decide(study, margin, level / tasks, level / (left or tasks), p)
        for study, margin, left, p in zip(family, margins, lefts, adjusted, strict=True)
    )


def _decide(study: DifferenceEstimate, margin: float, level: float, near_level: float, p_adjusted: float) -> Decision:
    """Decide one task: `level` is that of the simultaneous intervals, `near_level` that of the bound nearer to 0."""
    far, near = study.half_width(level), study.half_width(near_level)
    below, above = (near, far) if study.difference > 0 else (far, near)
    interval = (study.difference - below, study.difference + above)
    fits = abs(study.difference) + study.half_width(2 * level) <= margin
    word = "helps" if interval[0] > 0 else "hurts" if interval[1] < 0 else "same" if fits else "unclear"
    remedy = power_analysis(study, margin, level) if word == "unclear" else None
    return Decision(word, interval, study.p, p_adjusted, study.p_equivalence(margin), remedy)
