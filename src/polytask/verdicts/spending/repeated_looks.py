"""Estimate of a difference at several looks: the intersection of repeated confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from polytask.verdicts.estimates.difference_estimate import DifferenceEstimate
from polytask.verdicts.spending.seed_plan import SeedPlan

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RepeatedEstimate(DifferenceEstimate):
    """Estimates of one difference at all looks so far, and the plan that they belong to.

    At look k the interval of error a is that of the two-sided level a_k of the plan. With probability 1 - a all of them contain the true
    difference (Jennison & Turnbull, JRSS B 51:305, 1989), and so does their intersection, which is the interval of this estimate. It
    never grows, so that what it excludes stays excluded. If it is empty, its lower bound is above its upper one: the looks disagree.

    **Degrees of freedom.** The levels a_k are probabilities, computed for seeds as the only cause of variance, with t of s_k - 1 degrees of
    freedom. Each interval then takes its own quantiles of level a_k: s_k - 1 degrees of freedom for the part of the seeds and n - 1 for
    the part of the test units. Units are the same at all looks, so they make looks more alike than seeds alone do, and looks that are
    more alike exclude the truth less often together: the levels then spend less than the error, never more.

    Attributes:
        looks: (K,) estimates after the seeds of each look.
        plan: Plan with the same looks.
    """

    looks: tuple[DifferenceEstimate, ...]
    plan: SeedPlan

    @property
    def last(self) -> DifferenceEstimate:
        """Estimate with all seeds so far."""
        return self.looks[-1]

    @property
    def difference(self) -> float:  # type: ignore[override] # read-only
        """Estimated difference with all seeds so far."""
        return self.last.difference

    @property
    def seeds(self) -> int:  # type: ignore[override] # read-only
        """Number of seeds so far."""
        return self.last.seeds

    @property
    def units(self) -> int:  # type: ignore[override] # read-only
        """Number of test units."""
        return self.last.units

    @property
    def variance(self) -> float:
        """Variance of the difference with all seeds so far."""
        return self.last.variance

    @property
    def df(self) -> float:
        """Degrees of freedom with all seeds so far."""
        return self.last.df

    def interval(self, level: float = 0.05) -> tuple[float, float]:
        """Return the intersection of the intervals of all looks, for an error `level` of the whole plan."""
        bounds = self._intervals(level)
        return max(low for low, _ in bounds), min(high for _, high in bounds)

    def hull(self, level: float = 0.05) -> tuple[float, float]:
        """Return the smallest interval that holds those of all looks; it covers at least as often as each of them."""
        bounds = self._intervals(level)
        return min(low for low, _ in bounds), max(high for _, high in bounds)

    def _intervals(self, level: float) -> list[tuple[float, float]]:
        return [look.interval(self.plan.level(number, level)) for number, look in enumerate(self.looks)]

    @property
    def rejection_error(self) -> float:
        """Smallest error whose interval excludes 0: the p value of the sequence of looks."""
        return min(1.0, *(float(self.plan.error(number, look.p)) for number, look in enumerate(self.looks)))

    @classmethod
    def once(cls, estimate: DifferenceEstimate) -> RepeatedEstimate:
        """Return an estimate whose only look is planned."""
        return cls((estimate,), SeedPlan.of((estimate.seeds,)))

    @property
    def share_of_units(self) -> float:
        """Share of the variance that only more test units reduce."""
        return self.last.share_of_units

    def until(self, looks: int) -> RepeatedEstimate:
        """Return the estimate as it was at an earlier look, counted from 1."""
        return RepeatedEstimate(self.looks[:looks], self.plan)

    def half_width(self, level: float) -> float:
        """Return the half-width of the interval of the present look alone."""
        return self.last.half_width(self.plan.level(len(self.looks) - 1, level))

    def level_for_half_width(self, half: float) -> float:
        """Return the level of the present look alone whose interval has this half-width: p values are those of all seeds so far."""
        return self.last.level_for_half_width(half)

    def projected_half_widths(self, seeds: ArrayLike, units: ArrayLike, level: float) -> Floats:
        """Compute half-widths of other numbers of seeds and units, at a level of that look."""
        return self.last.projected_half_widths(seeds, units, level)
