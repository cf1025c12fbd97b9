"""Power analysis: seeds or test rows that would settle an unclear claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polytask.verdicts.difference_estimate import DifferenceEstimate

MAX_SEEDS = 1_000
MAX_ROWS = 100_000_000
POWER = 0.8


@dataclass(frozen=True)
class PowerAnalysis:
    """Sample sizes that would settle an unclear claim if the difference and its variance stayed the same.

    Attributes:
        seeds: Number of seeds (or splits) needed with the present test rows; `None` if no number up to 1,000 is enough.
        rows: Number of test rows needed with the present seeds; `None` if no number up to 100 million is enough, and always for
            splits.
        smallest_detectable: Smallest difference, in the metric's unit, that this study would have called "helps" or "hurts" with
            80 % power.
    """

    seeds: int | None
    rows: int | None
    smallest_detectable: float


def power_analysis(study: DifferenceEstimate, margin: float, level: float) -> PowerAnalysis:
    """Compute the seeds or rows with which the interval would exclude 0 or fit between -margin and margin.

    `study` projects the width of the interval for other numbers of seeds and units. The smallest detectable difference is the
    half-width at the level plus that of a one-sided 80 % interval, about 0.84 standard errors.

    Args:
        study: Estimated difference of the present study.
        margin: Largest difference that counts as the same, in the metric's unit.
        level: Two-sided level of the interval; "same" is tested at this level on either side.

    Example:
        >>> from polytask.verdicts.crossed_anova import crossed_estimate
        >>> power_analysis(crossed_estimate([[0.1, 0.2, 0.1, 0.2], [0.3, 0.4, 0.3, 0.4]]), margin=0.0, level=0.05).seeds
        4
    """
    more_seeds = np.arange(study.seeds + 1, MAX_SEEDS + 1)
    # Candidates less than 1 % apart: an exact number of rows is not needed.
    more_rows = np.unique(np.ceil(np.geomspace(study.units + 1, max(MAX_ROWS, study.units + 1), 2_000)).astype(np.int64))
    return PowerAnalysis(
        _first(more_seeds, _would_be_clear(study, margin, level, more_seeds, np.full_like(more_seeds, study.units))),
        _first(more_rows, _would_be_clear(study, margin, level, np.full_like(more_rows, study.seeds), more_rows)),
        study.half_width(level) + study.half_width(2 * (1 - POWER)),
    )


def _would_be_clear(
    study: DifferenceEstimate, margin: float, level: float, seeds: NDArray[np.int64], units: NDArray[np.int64]
) -> NDArray[np.bool_]:
    excludes_zero = study.projected_half_widths(seeds, units, level) < abs(study.difference)
    within = study.projected_half_widths(seeds, units, 2 * level) <= margin - abs(study.difference)
    return np.asarray(excludes_zero | within)


def _first(candidates: NDArray[np.int64], settled: NDArray[np.bool_]) -> int | None:
    return int(candidates[settled.argmax()]) if settled.any() else None
