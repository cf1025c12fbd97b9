"""Advice after a verdict: together or separately, by expected utility, and what is risked.

Claims and advice are two things. A claim is made if it is shown at 5 %; advice has to be given also if nothing is shown. The **utility**
of training together, in margins, is

    U = mean over tasks of (difference / margin) + v (T - N) / (T - 1)

for N joint networks instead of T: v is what one network instead of T is worth, half a margin unless the user tolerates more or less
(`tolerate`). Joint networks that are not cheaper to predict with save nothing.

The expected utility is that of a posterior. Before any data, difference / margin of a task is normal with mean 0 and standard deviation
`PRIOR_SD`, independently of other tasks, so that their mean has the variance p^2 = PRIOR_SD^2 / T. Where seeds scatter over many margins,
true differences are larger too: p is at least `PRIOR_SHARE` of the standard deviation of the mean over seeds, e sqrt(S) for S seeds and the
standard error e (in margins). The observed mean is multiplied by p^2 / (p^2 + e^2). It is shrunk as a whole, not task by task: otherwise
tasks with small errors would count for more than others, and the advice could be *together* only since a task that loses much is measured
badly. With equal and independent errors both are the same. What is shown does not depend on this prior:

| level | condition |
|---|---|
| together, shown | the pooled interval lies above minus the saving, no task hurts, and no protected task may lose too much |
| together, likely | otherwise, if the expected utility is above 0 and no protected task may lose too much |
| separately, shown | a protected task loses too much, or the pooled interval lies below minus the saving and no task is helped |
| separately, likely | otherwise |

A task *may lose too much* if the lower end of its interval is below minus the tolerance, and *loses too much* if the upper end is. If the
looks of a plan disagree, so that their intervals have nothing in common, the smallest interval that holds them all counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from polytask.errors import ConfigError
from polytask.options.verdict_options.tolerance import DEFAULT_TOLERANCE, Tolerance
from polytask.registry.suggestion import nearest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from polytask.verdicts.verdict_result import VerdictData

PRIOR_SD = 2.0
"""Standard deviation over tasks of the true difference in margins, before data.

It is a chosen value, not a measured one, and near that of the true differences in `benchmarks/plan_simulation.py --simulate` (2.1 margins),
whose table in docs/verdict.md shows how the regret changes with other values and with other true differences.
"""
PRIOR_SHARE = 0.7
"""Least standard deviation of the true mean over tasks, before data, in standard deviations of the mean over seeds; also a chosen value.

Without it, a study whose seeds scatter over many margins would always be advised to train together, for the sake of what that saves,
however much worse the observed mean is.
"""
FARTHEST = 100.0
"""Largest size of a difference in margins that counts, also where a margin is 0."""


@dataclass(frozen=True)
class Advice:
    """What to do, and what is risked.

    Attributes:
        together: Whether to train together.
        shown: Whether this is shown at 5 %, or only likely.
        arm: Joint arm that it is about.
        utility: Expected utility of training together, in margins, with the saving; `None` if nothing can be expected of the arm.
        saving: What the saved networks are worth, in margins.
        tolerance: What one network instead of T is worth.
        worst: Lower end of the interval per task, in the unit of its metric; if looks disagree, that of the lowest of their intervals.
        best: Upper end of the interval per task.
        at_risk: Protected tasks that may lose more than is tolerated.
        protect: All protected tasks.
        saved: Share of the networks that is saved; 0 if the joint networks are not cheaper.
    """

    together: bool
    shown: bool
    arm: str
    utility: float | None
    saving: float
    tolerance: Tolerance
    worst: Mapping[str, float]
    best: Mapping[str, float]
    at_risk: tuple[str, ...]
    protect: tuple[str, ...]
    saved: float = 1.0

    @property
    def tied(self) -> bool:
        """Whether the expected utility of both is the same, so that training separately, which risks nothing, is no better."""
        return not self.together and not self.shown and not self.at_risk and self.utility == 0

    @property
    def level(self) -> str:
        """The advice in two words, such as "together, likely"."""
        return f"{'together' if self.together else 'separately'}, {'shown' if self.shown else 'likely'}"


def advise(verdict: VerdictData, *, saved: float = 1.0, protect: Sequence[str] = (), tolerate: float | str = DEFAULT_TOLERANCE) -> Advice:
    """Advise on the chosen arm of a verdict, or on its only arm.

    Args:
        verdict: VerdictData on at least two tasks.
        saved: Share of the networks that is saved: (T - N) / (T - 1), or 0 if the joint networks are not cheaper.
        protect: Tasks that must not lose more than is tolerated.
        tolerate: What one network instead of T is worth, per task: a number of margins, or a percentage such as "1%".

    Raises:
        ConfigError: There is a single task, several arms and none was chosen, or a protected task does not exist.
    """
    arm, tasks, tolerance = _arm(verdict), verdict.tasks, Tolerance.parse(tolerate)
    _check_tasks(tuple(tasks), protect)
    saving = saved * network_worth(verdict, tolerance)
    utility = float(shrunk(*observed_mean(verdict, arm), len(tasks), seeds=len(verdict.seeds))) + saving
    ends, lost = interval_ends(verdict, arm), largest_losses(verdict, protect, tolerance)
    at_risk = tuple(name for name in protect if ends[name][0] < lost[name])
    pooled = verdict.arms[arm].pooled
    low, high = pooled.decision.interval if pooled is not None else (-math.inf, math.inf)
    words = [task.arms[arm].claim for task in tasks.values()]
    protected = bool(at_risk), any(ends[name][1] < lost[name] for name in at_risk)
    choice = choose((low, high), saving, utility, ("helps" in words, "hurts" in words), protected)
    together, shown = (bool(part) for part in choice)
    worst, best = ({name: end[side] for name, end in ends.items()} for side in (0, 1))
    return Advice(together, shown, arm, utility, saving, tolerance, worst, best, at_risk, tuple(protect), saved)


def observed_mean(verdict: VerdictData, arm: str) -> tuple[float, float]:
    """Return the mean over tasks of an arm's difference in margins, and its standard error.

    The error is 0 if a margin is 0, next to which any difference is large.
    """
    ratios = [_in_margins(task.arms[arm].difference, task.margin) for task in verdict.tasks.values()]
    pooled = verdict.arms[arm].pooled
    return sum(ratios) / len(ratios), 0.0 if pooled is None else pooled.standard_error


def interval_ends(verdict: VerdictData, arm: str) -> dict[str, tuple[float, float]]:
    """Return the ends of the interval of each task that the advice reckons with."""
    return {name: task.arms[arm].decision.reckoned for name, task in verdict.tasks.items()}


def largest_losses(verdict: VerdictData, protect: Sequence[str], tolerance: Tolerance) -> dict[str, float]:
    """Return the smallest difference, below 0, that each protected task may have."""
    return {name: -tolerance.of(verdict.tasks[name].single[0], verdict.tasks[name].margin) for name in protect}


def network_worth(verdict: VerdictData, tolerance: Tolerance) -> float:
    """Return what one network instead of one per task is worth, in margins: the mean over tasks of what is tolerated.

    Args:
        verdict: Verdict, whose baseline has one network per task.
        tolerance: What is tolerated per task.
    """
    worth = [_in_margins(tolerance.of(task.single[0], task.margin), task.margin) for task in verdict.tasks.values()]
    return sum(worth) / len(worth)


def choose(
    pooled: tuple[ArrayLike, ArrayLike],
    saving: ArrayLike,
    utility: ArrayLike,
    words: tuple[ArrayLike, ArrayLike],
    protected: tuple[ArrayLike, ArrayLike] = (False, False),
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return whether to train together, and whether this is shown, for any number of verdicts at once.

    Args:
        pooled: Ends of the interval of the mean over tasks, in margins.
        saving: What the saved networks are worth, in margins.
        utility: Expected utility of training together, in margins.
        words: Whether any task is helped, and whether any is hurt.
        protected: Whether a protected task may lose too much, and whether one does.

    Example:
        >>> [part.tolist() for part in choose(([-0.2, -9.0], [0.9, 9.0]), 0.5, [0.1, -0.1], ([False, False], [False, False]))]
        [[True, False], [True, False]]
    """
    (low, high), (helped, hurt), (at_risk, lost) = (tuple(map(np.asarray, pair)) for pair in (pooled, words, protected))
    agree = low <= high
    together = ~at_risk & (low > -np.asarray(saving)) & agree & ~hurt
    separately = lost | ((high < -np.asarray(saving)) & agree & ~helped)
    shown = together | separately
    return np.asarray(together | (~shown & ~at_risk & (np.asarray(utility) > 0))), np.asarray(shown)


def shrunk(mean: ArrayLike, error: ArrayLike, tasks: int = 1, prior: float = PRIOR_SD, *, seeds: int = 0) -> NDArray[np.float64]:
    """Return the posterior mean of a mean over tasks of differences in margins, elementwise.

    Args:
        mean: Observed mean.
        error: Its standard error.
        tasks: Number of tasks.
        prior: Standard deviation over tasks of the true differences, before data.
        seeds: Number of seeds of the mean; 0 leaves the prior as it is, however much they scatter.

    Example:
        >>> shrunk(2.0, error=1.0, prior=1.0).item()
        1.0
        >>> [round(shrunk(-100.0, error=110.0, seeds=seeds).item()) for seeds in (0, 5)]
        [0, -71]
    """
    noise = np.square(error)
    variance = np.maximum(prior**2 / tasks, PRIOR_SHARE**2 * seeds * noise)
    return np.asarray(np.asarray(mean, dtype=np.float64) * variance / (variance + noise))


def saved_share(tasks: int, networks: int) -> float:
    """Return the share of the networks that is saved: 1 for one network instead of T, 0 for T.

    Example:
        >>> saved_share(3, 1), saved_share(3, 2), saved_share(2, 2)
        (1.0, 0.5, 0.0)
    """
    return max(0.0, (tasks - networks) / (tasks - 1)) if tasks > 1 else 0.0


def _in_margins(difference: float, margin: float) -> float:
    """Return a difference in margins, of at most 100 in size, also where the margin is 0."""
    ratio = difference / margin if margin else math.copysign(math.inf, difference) if difference else 0.0
    return max(-FARTHEST, min(FARTHEST, ratio))


def _arm(verdict: VerdictData) -> str:
    """Return the arm that the advice is about.

    Raises:
        ConfigError: There are several arms, and none was chosen.
    """
    if verdict.chosen is not None:
        return verdict.chosen
    if len(verdict.arms) > 1:
        remedy = "Choose one on validation data, and name it (--chosen; chosen= of pt.verdict)"
        raise ConfigError("advice is about one arm", where="chosen", found=", ".join(verdict.arms), remedy=remedy)
    return next(iter(verdict.arms))


def _check_tasks(tasks: Sequence[str], protect: Sequence[str]) -> None:
    if len(tasks) < 2:
        raise ConfigError("there is nothing to share with one target", where="tasks", found=", ".join(tasks), remedy="Give at least two")
    for name in protect:
        if name not in tasks:
            raise ConfigError("there is no such task", where=f"protect, {name!r}", remedy=nearest(name, tuple(tasks)))
