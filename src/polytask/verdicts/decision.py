"""From intervals to words: helps, hurts, same, unclear.

The family is the T tasks of one arm, at familywise level a. Holm's step-down (Scandinavian Journal of Statistics 6:65, 1979)
rejects every task whose interval of level a / T excludes 0, then with k tasks left every one of level a / k, and so on.

**The word is read from the printed interval**, so the two cannot disagree: helps = it lies above 0, hurts = below 0. It is
the simultaneous (Bonferroni) interval of level a / T, but for a task that only a later step rejects: there the bound that
faces 0 is that of the level a / k at which it was rejected, which excludes 0, and the far bound stays that of a / T. So

* a task without a difference gets an interval that excludes 0 in at most a share a of studies, over all tasks together (Holm);
* each interval alone covers the truth with at least 1 - a, whatever the step: its tails are at most a / 2 and a / (2 T);
* all cover together with at least 1 - a where nothing is rejected late. With late rejections the words stay at a, but the
  simultaneous coverage may fall below 1 - a: what step-down gains is paid there, and no interval can avoid it.

**same**: the interval contains 0, and two one-sided tests at level a / T each show that the difference lies within the margin
(the interval of level 2 a / T fits into it). The level needs no further division: "there is no difference" and "the difference
is at least the margin" cannot both be true of a task, so at most one of its two words can be a false one, and T times a / T is a.
Where helps or hurts and same both hold (real, but smaller than the margin) the first is said, since the interval excludes 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.verdicts.power import PowerAnalysis, power_analysis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from polytask.verdicts.difference_estimate import DifferenceEstimate

FAMILYWISE_LEVEL = 0.05


@dataclass(frozen=True)
class Decision:
    """What is said about one difference.

    Attributes:
        claim: helps, hurts, same or unclear.
        interval: The interval that the word is read from.
        p: Two-sided p value, not adjusted.
        p_adjusted: After Holm, over the family.
        p_same: The larger p of the two one-sided tests, not adjusted.
        power_analysis: What would settle it, where it is unclear.
    """

    claim: str
    interval: tuple[float, float]
    p: float
    p_adjusted: float
    p_same: float
    power: PowerAnalysis | None


def step_down(excludes: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Holm's step-down, for any number of families at once.

    Args:
        excludes: (T, ..., T) whether, at level a / (i + 1) of the first axis, the interval of a task (last axis) excludes 0.

    Returns:
        (..., T) the number k of tasks that were left when a task was rejected, at level a / k; 0 where it was not.

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
    """Adjusted p values: the smallest familywise level at which Holm's step-down rejects each.

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
    """Words and intervals for a family of differences at one familywise level.

    Args:
        family: The analysed differences of the T tasks.
        margins: Per task the largest difference that counts as the same.
        level: The familywise share of false alarms.

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
    """One word: `level` is that of the simultaneous intervals, `near_level` that of the bound that faces 0."""
    far, near = study.half_width(level), study.half_width(near_level)
    below, above = (near, far) if study.difference > 0 else (far, near)
    interval = (study.difference - below, study.difference + above)
    fits = abs(study.difference) + study.half_width(2 * level) <= margin
    word = "helps" if interval[0] > 0 else "hurts" if interval[1] < 0 else "same" if fits else "unclear"
    remedy = power_analysis(study, margin, level) if word == "unclear" else None
    return Decision(word, interval, study.p, p_adjusted, study.p_equivalence(margin), remedy)


def decision_to_dict(decision: Decision) -> dict[str, Any]:
    """The entries of verdict.json that come from a decision."""
    remedy = decision.power
    return {
        "ci95": list(decision.interval),
        "verdict": decision.claim,
        "p": decision.p,
        "p_adjusted": decision.p_adjusted,
        "p_same": decision.p_same,
        "settle": None if remedy is None else {"seeds": remedy.seeds, "rows": remedy.rows, "smallest_effect": remedy.smallest_detectable},
    }
