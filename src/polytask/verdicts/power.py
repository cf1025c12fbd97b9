"""Power analysis: what would settle an unclear claim, and what this study could not have seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polytask.verdicts.spending.repeated_looks import RepeatedEstimate

MAX_SEEDS = 1_000
MAX_ROWS = 100_000_000
POWER = 0.8
ROWS_MATTER = 0.3
"""Share of the variance that must come from test rows for their number to be named."""


@dataclass(frozen=True)
class PowerAnalysis:
    """Sample sizes that would settle an unclear claim with 80 % power, if the variance stayed the same.

    The range of seeds belongs to a range of true differences: those within the 50 % interval of the present estimate.

    Attributes:
        seeds: Fewest seeds (or splits) in all, with the present test rows; `None` if no number up to 1,000 is enough.
        most_seeds: Most seeds in that range; `None` if no number up to 1,000 is enough for one of these differences.
        rows: Number of test rows needed with the present seeds, if rows cause more than 30 % of the variance; `None` otherwise, if no
            number up to 100 million is enough, and always for splits.
        smallest_detectable: Smallest difference, in the metric's unit, that this study would have called "helps" or "hurts" with
            80 % power: smaller ones cannot be seen with these seeds.
        bound: Largest size of a difference within the interval: whatever the truth, it is below.
    """

    seeds: int | None
    most_seeds: int | None
    rows: int | None
    smallest_detectable: float
    bound: float


def power_analysis(study: RepeatedEstimate, margin: float, error: float) -> PowerAnalysis:
    """Compute the seeds or rows with which the interval would exclude 0 or fit between -margin and margin in 80 % of studies.

    A further look after the plan is taken at the share of the error that a continuation spends, which is at most its level. An interval
    of half-width h excludes 0 with 80 % power if the true difference is at least h plus the 80 % quantile of the estimate; it fits into the
    margin if the true difference leaves room for h and the two-sided 80 % quantile.

    Args:
        study: Estimated difference of the present study, at its looks so far.
        margin: Largest difference that counts as the same, in the metric's unit.
        error: Error of the claim; "same" is tested at this error on either side.

    Example:
        >>> from polytask.verdicts.estimates.crossed_anova import crossed_estimate
        >>> from polytask.verdicts.spending.repeated_looks import RepeatedEstimate
        >>> study = RepeatedEstimate.once(crossed_estimate([[0.1, 0.2, 0.1, 0.2], [0.3, 0.4, 0.3, 0.4]]))
        >>> found = power_analysis(study, margin=0.0, error=0.05)
        >>> found.seeds, found.most_seeds
        (14, None)
    """
    more_seeds = np.arange(study.seeds + 1, MAX_SEEDS + 1)
    # Candidates less than 1 % apart: an exact number of rows is not needed.
    more_rows = np.unique(np.ceil(np.geomspace(study.units + 1, max(MAX_ROWS, study.units + 1), 2_000)).astype(np.int64))
    next_level, level = study.plan.next_share(len(study.looks)) * error, study.plan.level(len(study.looks) - 1, error)
    near = study.last.half_width(0.5)
    truths = [abs(study.difference + shift) for shift in (-near, 0.0, near)]
    same_rows, same_seeds = np.full_like(more_seeds, study.units), np.full_like(more_rows, study.seeds)
    seeds = [_first(more_seeds, _settled(study, truth, margin, next_level, (more_seeds, same_rows))) for truth in truths]
    rows = None
    if study.share_of_units > ROWS_MATTER:
        rows = _first(more_rows, _settled(study, truths[1], margin, next_level, (same_seeds, more_rows)))
    found = [number for number in seeds if number is not None]
    low, high = study.interval(error)
    return PowerAnalysis(
        min(found, default=None),
        max(found) if len(found) == len(truths) else None,
        rows,
        study.last.half_width(level) + study.last.half_width(2 * (1 - POWER)),
        max(abs(low), abs(high)),
    )


def _settled(
    study: RepeatedEstimate, truth: float, margin: float, level: float, sizes: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> NDArray[np.bool_]:
    """Return for each number of seeds and units whether the claim about this true difference would be clear with 80 % power."""
    one_sided, two_sided = (study.projected_half_widths(*sizes, side * (1 - POWER)) for side in (2, 1))
    excludes_zero = study.projected_half_widths(*sizes, level) + one_sided < truth
    within = study.projected_half_widths(*sizes, 2 * level) + two_sided <= margin - truth
    return np.asarray(excludes_zero | within)


def _first(candidates: NDArray[np.int64], settled: NDArray[np.bool_]) -> int | None:
    return int(candidates[settled.argmax()]) if settled.any() else None
