"""Plan of the looks at the test data: after how many seeds, and how much of the error is spent by then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.errors import ConfigError
from polytask.verdicts.spending.error_split import FAMILYWISE_LEVEL
from polytask.verdicts.spending.sequential_levels import nominal_levels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

PLAN_SHARE = 0.9
"""Share of the error that a plan spends; what is left is for continuations of a finished study."""
LOOK_SHARES = (0.25, 0.4, 0.6, 1.0)
"""Shares of the largest number of seeds at which a plan looks at the test data."""
FEWEST_SEEDS, MOST_SEEDS = 5, 20
GRID = np.geomspace(1e-7, 1.0, 85)
"""Errors of one hypothesis for which the levels of looks are computed; between them, levels are interpolated on log scales."""


def planned_looks(most: int) -> tuple[int, ...]:
    """Return the numbers of seeds at which a plan with at most `most` seeds looks at the test data: about 25, 40, 60 and 100 % of it.

    No look has fewer than 5 seeds, unless that is all there are.

    Example:
        >>> planned_looks(20), planned_looks(12), planned_looks(6), planned_looks(3)
        ((5, 8, 12, 20), (5, 7, 12), (5, 6), (3,))
    """
    least = min(FEWEST_SEEDS, most)
    return tuple(sorted({max(least, int(share * most + 0.5)) for share in LOOK_SHARES}))


@dataclass(frozen=True)
class SeedPlan:
    """Numbers of seeds at which the test data are looked at, and the error spent by then.

    The error of every hypothesis is spent in proportion to seeds (Lan & DeMets, 1983, with a linear spending function): a plan with looks
    at s_1 < ... < s_K seeds has spent .9 s_k / s_K of it at look k. The k-th continuation of a finished plan spends .1 / 2^k of it, so
    that the error of all continuations together stays within the whole. The levels hold if the number of seeds of a look or continuation
    does not depend on the differences seen so far: they are computed as if all numbers had been fixed beforehand.

    Attributes:
        looks: Numbers of seeds, increasing.
        spent: Share of the error that is spent at each look, cumulated.
        continuations: Number of looks that continue the finished plan.
        families: Number of families of comparisons that share the familywise error equally, each with a verdict of its own.

    Raises:
        ConfigError: Numbers of seeds do not increase from 2 up, or shares do not increase up to 1.

    Example:
        >>> plan = SeedPlan.of((5, 8, 12, 20))
        >>> [round(share, 4) for share in plan.spent], [round(share, 3) for share in plan.continued(30).spent]
        ([0.225, 0.36, 0.54, 0.9], [0.225, 0.36, 0.54, 0.9, 0.95])
    """

    looks: tuple[int, ...]
    spent: tuple[float, ...]
    continuations: int = 0
    families: int = 1

    def __post_init__(self) -> None:
        if not self.looks or self.looks[0] < 2 or list(self.looks) != sorted(set(self.looks)):
            raise ConfigError("looks must be increasing numbers of seeds, from 2 up", where="looks", found=self.looks)
        if len(self.spent) != len(self.looks) or list(self.spent) != sorted(self.spent) or not 0 < self.spent[0] <= self.spent[-1] <= 1:
            raise ConfigError("every look needs a share of the error, increasing up to 1", where="looks, spent", found=self.spent)

    @property
    def familywise(self) -> float:
        """Familywise error of one family."""
        return FAMILYWISE_LEVEL / self.families

    @classmethod
    def of(cls, looks: Sequence[int] | SeedPlan, continued: Sequence[int] = ()) -> SeedPlan:
        """Return the plan with these looks, followed by continuations up to these numbers of seeds."""
        if isinstance(looks, SeedPlan):
            plan = looks
        else:
            numbers = tuple(int(number) for number in looks)
            most = numbers[-1] if numbers else 1
            plan = cls(numbers, tuple(PLAN_SHARE * number / most for number in numbers))
        for seeds in continued:
            plan = plan.continued(seeds)
        return plan

    @classmethod
    def final(cls, number: int) -> SeedPlan:
        """Return the plan of one look that spends the whole error, since nothing can be added: the splits of a cross-validation."""
        return cls((number,), (1.0,))

    def continued(self, seeds: int) -> SeedPlan:
        """Return the plan with one more look, after the finished plan; its share of the error is half of what is left."""
        share = (1 - PLAN_SHARE) / 2 ** (self.continuations + 1)
        return replace(self, looks=(*self.looks, seeds), spent=(*self.spent, self.spent[-1] + share), continuations=self.continuations + 1)

    def ended(self, seeds: int) -> SeedPlan:
        """Return the plan that was forced to end early, with its last look after `seeds` seeds: all that is left is spent there.

        The reason of the end must not depend on the test data: a machine is needed elsewhere, or training took longer than was measured.
        """
        kept = [(look, share) for look, share in zip(self.looks, self.spent, strict=True) if look < seeds]
        looks, spent = zip(*kept, (seeds, max(PLAN_SHARE, self.spent[-1] if self.continuations else 0)), strict=True)
        return replace(self, looks=looks, spent=spent)

    def until(self, seeds: int) -> SeedPlan:
        """Return the looks up to the one with `seeds` seeds.

        Raises:
            ConfigError: No look has this number of seeds.
        """
        if seeds not in self.looks:
            remedy = "Give the number of seeds of every look, the present one included"
            raise ConfigError("no look at the test data is planned after this number of seeds", where="looks", found=seeds, remedy=remedy)
        number = self.looks.index(seeds) + 1
        return replace(self, looks=self.looks[:number], spent=self.spent[:number])

    def next_share(self, looks: int) -> float:
        """Return the share of the error that is spent next, after this many looks: up to the end of the plan, or by a continuation.

        A plan that has spent all cannot be continued: another study with more splits spends the whole error again.
        """
        if looks == len(self.looks) and self.spent[-1] == 1:
            return 1.0
        if looks < len(self.looks):
            return self.spent[-1] - self.spent[looks - 1]
        return float((1 - PLAN_SHARE) / 2 ** (self.continuations + 1))

    def level(self, look: int, error: float) -> float:
        """Return the two-sided level of look `look` (from 0) of a hypothesis that has this error for the whole plan and its continuations.

        Example:
            >>> [round(SeedPlan.of((5, 8, 12, 20)).level(look, 0.05 / 0.9), 4) for look in range(4)]
            [0.0125, 0.01, 0.0139, 0.0265]
        """
        if look == 0:
            return min(1.0, self.spent[0] * error)
        return float(np.exp(np.interp(np.log(error), *self._table(look)))) if error >= GRID[0] else self._first_ratio(look) * error

    def error(self, look: int, levels: ArrayLike) -> Floats:
        """Return the error with which look `look` has these two-sided levels, elementwise: the inverse of `level`."""
        given = np.asarray(levels, dtype=np.float64)
        if look == 0:
            return given / self.spent[0]
        errors, own = self._table(look)
        inside = np.exp(np.interp(np.log(np.maximum(given, 1e-300)), own, errors))
        return np.where(given >= np.exp(own[0]), inside, given / self._first_ratio(look))

    def _table(self, look: int) -> tuple[Floats, Floats]:
        """Return the logarithms of errors and of the levels of a look."""
        return np.log(GRID), _log_levels(self.looks[: look + 1], self.spent[: look + 1])

    def _first_ratio(self, look: int) -> float:
        return float(np.exp(self._table(look)[1][0]) / GRID[0])

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return {"looks": list(self.looks), "spent": list(self.spent), "continuations": self.continuations}


@lru_cache(maxsize=256)
def _log_levels(looks: tuple[int, ...], spent: tuple[float, ...]) -> Floats:
    return np.log([nominal_levels(looks, tuple(error * share for share in spent))[-1] for error in GRID.tolist()])
