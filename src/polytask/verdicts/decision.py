"""Claims about the tasks and their mean, derived from their intervals: helps, hurts, same or unclear.

Hypotheses are tested at the errors of `polytask.verdicts.spending.error_split`, over the looks of a plan. With T tasks, a task has the
base error .04 / T, and is rejected at that or at a larger error that others have handed on.

**The claim is read from the printed interval**, so the two cannot disagree: "helps" if the interval lies above 0, "hurts" if it lies
below 0. The interval is the simultaneous (Bonferroni) one of the base error, except for a hypothesis that is rejected only at a larger
error: its bound nearer to 0 is that of the larger error, which excludes 0; the other bound keeps the base error. Therefore

* the probability that any hypothesis without a difference gets an interval that excludes 0 is at most the familywise error, over all
  looks and continuations together;
* each interval alone covers the true difference with at least the familywise confidence, whatever was handed on;
* all intervals together do so if no error was handed on. Otherwise the claims keep their level, but the simultaneous coverage may fall
  below it: this is the price of the power that step-down gains, and no interval avoids it.

**same**: the interval contains 0, and two one-sided tests at the base error each, which is never enlarged, show that the difference lies
within the margin (the interval of twice the base error fits into it). The error needs no further division: "there is no difference"
and "the difference is at least the margin" cannot both be true, so at most one of the two claims about a hypothesis can be false. If
"same" and "helps" or "hurts" both hold at the same look (a real difference smaller than the margin), the claim is "helps" or "hurts".

**A word stays.** Intervals only shrink from look to look, so what is excluded stays excluded; "same" of an earlier look stays even if the
interval excludes 0 later. An empty interval, since looks contradict each other, is "unclear".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polytask.verdicts.power import PowerAnalysis, power_analysis
from polytask.verdicts.spending.error_split import FAMILYWISE_LEVEL, adjusted_errors, family_errors, rejection_levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polytask.verdicts.spending.repeated_looks import RepeatedEstimate

UNCLEAR = "unclear"


@dataclass(frozen=True)
class Decision:
    """Claim about one difference.

    Attributes:
        claim: "helps", "hurts", "same" or "unclear".
        interval: Interval that the claim is read from, in the metric's unit; empty (the lower bound above the upper one) if looks disagree.
        p: Two-sided p value with all seeds so far, not adjusted.
        p_adjusted: Smallest familywise error at which the difference would have been claimed, adjusted for looks and for the family.
        p_same: Larger p value of the two one-sided equivalence tests, not adjusted.
        power: What would settle an unclear claim; `None` for the other claims.
        error: Error of the hypothesis in its family.
        hull: Smallest interval that holds those of all looks, if the looks disagree.
    """

    claim: str
    interval: tuple[float, float]
    p: float
    p_adjusted: float
    p_same: float
    power: PowerAnalysis | None
    error: float = FAMILYWISE_LEVEL
    hull: tuple[float, float] | None = None

    @property
    def looks_disagree(self) -> bool:
        """Whether the intervals of the looks have nothing in common."""
        return self.interval[0] > self.interval[1]

    @property
    def reckoned(self) -> tuple[float, float]:
        """Interval to reckon with where something may be lost: the printed one, or the hull of those of all looks if they disagree."""
        return self.hull or self.interval


@dataclass(frozen=True)
class Hypothesis:
    """A difference to decide on.

    Attributes:
        study: Its estimates at the looks so far.
        margin: Largest difference that counts as the same.
    """

    study: RepeatedEstimate
    margin: float


def decide(
    pooled: Sequence[Hypothesis], tasks: Sequence[Hypothesis], level: float = FAMILYWISE_LEVEL
) -> tuple[tuple[Decision, ...], tuple[Decision, ...]]:
    """Decide on the tasks and on their means, at one familywise error.

    Args:
        pooled: Means over tasks, one per arm, or none.
        tasks: Differences of the tasks.
        level: Familywise error.

    Returns:
        A decision per mean and one per task, in the order given.

    Example:
        >>> from polytask.verdicts.estimates.crossed_anova import crossed_estimate
        >>> from polytask.verdicts.spending.repeated_looks import RepeatedEstimate
        >>> same, better = crossed_estimate([[0.0, 0.0], [0.0, 0.0]]), crossed_estimate([[0.5, 0.5], [0.5, 0.5]])
        >>> [decision.claim for decision in decide([], [Hypothesis(RepeatedEstimate.once(one), 0.01) for one in (same, better)])[1]]
        ['same', 'helps']
    """
    family = [*pooled, *tasks]
    base = [
        float(error) / len(own)
        for error, own in zip(family_errors(level, len(pooled), len(tasks)), (pooled, tasks), strict=True)
        for _ in own
    ]
    words = [UNCLEAR] * len(family)
    for looks in range(1, max(len(one.study.looks) for one in family) + 1):
        studies = [one.study.until(looks) for one in family]
        errors = [study.rejection_error for study in studies]
        rejected = [level for own in rejection_levels(errors[: len(pooled)], errors[len(pooled) :], level) for level in own.tolist()]
        intervals = [_interval(*one) for one in zip(studies, base, rejected, strict=True)]
        found = [_word(*one) for one in zip(studies, intervals, (one.margin for one in family), base, strict=True)]
        words = [new if old == UNCLEAR or low > high else old for old, new, (low, high) in zip(words, found, intervals, strict=True)]
    adjusted = [p for own in adjusted_errors(errors[: len(pooled)], errors[len(pooled) :]) for p in own.tolist()]
    decisions = tuple(
        Decision(
            word,
            interval,
            one.study.p,
            p,
            one.study.p_equivalence(one.margin),
            power_analysis(one.study, one.margin, error) if word == UNCLEAR else None,
            error,
            one.study.hull(error) if interval[0] > interval[1] else None,
        )
        for one, word, interval, p, error in zip(family, words, intervals, adjusted, base, strict=True)
    )
    return decisions[: len(pooled)], decisions[len(pooled) :]


def _interval(study: RepeatedEstimate, base: float, rejected: float) -> tuple[float, float]:
    """Return the interval of the base error, with the bound nearer to 0 from the error at which the hypothesis was rejected."""
    low, high = study.interval(base)
    nearer = study.interval(max(base, rejected))
    if nearer[0] > 0:
        low = nearer[0]
    if nearer[1] < 0:
        high = nearer[1]
    return low, high


def _word(study: RepeatedEstimate, interval: tuple[float, float], margin: float, base: float) -> str:
    low, high = interval
    if low > high:
        return UNCLEAR
    if low > 0 or high < 0:
        return "helps" if low > 0 else "hurts"
    least, most = study.interval(2 * base)
    return "same" if -margin <= least <= most <= margin else UNCLEAR
