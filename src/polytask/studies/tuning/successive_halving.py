"""Choosing on validation data before anything is claimed: settings for every arm, and the arm that is put to the test.

**Synchronous successive halving** (Jamieson & Talwalkar, AISTATS 2016). Candidates of a bracket are trained for a share of the budget;
the better third goes on to three times as much, and so on to the whole. Rounds end for all together, so that nothing depends on who is
first: networks pause, and those that go on do so as if they had not paused.

The budget is a maximum that few networks use up, since they stop when they have converged. Shares of it would be no shares of what a
training takes, and so the first candidate of a bracket, the arm as it is, runs ahead: for as many epochs as it took shares are counted.

Any rule is allowed here: test data are not known, and what is claimed later rests on fresh seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite

from polytask.run_files import TrialRecord
from polytask.studies.spec.arms import Arm
from polytask.studies.tuning.search_space import Settings

REDUCTION_FACTOR = 3
"""One of so many candidates goes on."""

MAX_FINALISTS = 2
"""Halving ends when not more than so many are left to be trained for the whole budget."""


@dataclass(frozen=True)
class Trial:
    """One arm, or one of its networks, with one choice of what is tuned.

    Attributes:
        arm: The arm.
        trial: Which try of it this is, from 1: the first is the arm as it is.
        settings: The choice.
        seed: Of its networks.
        groups: The tasks of each of its networks.
    """

    arm: Arm
    trial: int
    settings: Settings
    seed: int
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class TrialResult:
    """How far a candidate came.

    Attributes:
        candidate: Which.
        bracket: Among which others it stood.
        epochs: For how many it was trained at most.
        score: The mean relative validation metric of its best epoch; more is better, and −∞ if its loss was no number.
    """

    candidate: Trial
    bracket: str
    epochs: int
    score: float

    @property
    def record(self) -> TrialRecord:
        """The entry of race.json."""
        return TrialRecord(
            bracket=self.bracket,
            arm=self.candidate.arm.name,
            tasks=self.candidate.groups,
            trial=self.candidate.trial,
            seed=self.candidate.seed,
            settings=dict(self.candidate.settings),
            epochs=self.epochs,
            score=self.score if isfinite(self.score) else None,
        )


def rungs(candidates: int, usual_epochs: int, max_epochs: int) -> tuple[tuple[int, int], ...]:
    """Of each round how many candidates are trained, and up to which epoch.

    Args:
        candidates: How many there are.
        usual_epochs: How many epochs a training takes, of which rounds are shares.
        max_epochs: The whole budget, which the last round may use.

    Example:
        >>> rungs(18, 90, max_epochs=200)
        ((18, 10), (6, 30), (2, 200))
        >>> rungs(2, 90, max_epochs=200)
        ((2, 200),)
    """
    counts = [candidates]
    while counts[-1] > MAX_FINALISTS:
        counts.append(ceil(counts[-1] / REDUCTION_FACTOR))
    shares = (max(1, ceil(usual_epochs / REDUCTION_FACTOR**later)) for later in range(len(counts) - 1, 0, -1))
    return tuple(zip(counts, (*shares, max_epochs), strict=True))


EpochScores = Sequence[float]
"""Of a candidate per epoch for which it was trained, which may be fewer than it was offered: the best so far."""

DIVERGED: EpochScores = (float("-inf"),)

RunTrials = Callable[[Sequence[Trial], Sequence[int]], Sequence[EpochScores]]
"""Trains candidates up to an epoch each, side by side, and gives their scores in the same order."""


def run_successive_halving(brackets: Mapping[str, Sequence[Trial]], epochs: int, run_trials: RunTrials) -> list[TrialResult]:
    """Race the candidates of each bracket; brackets take their rounds together, so that no core waits.

    Args:
        brackets: By name the candidates among which one is looked for.
        epochs: The whole budget of a network.
        run_trials: Trains them.

    Returns:
        Every candidate with the epochs and the score with which it left the race: those of the last round have the whole budget.
    """
    usual = _train_first_trials({name: own[0] for name, own in brackets.items() if len(own) > MAX_FINALISTS}, epochs, run_trials)
    plans = {name: rungs(len(own), usual.get(name, epochs), epochs) for name, own in brackets.items() if own}
    alive = {name: list(brackets[name]) for name in plans}
    seen: dict[tuple[str, int], TrialResult] = {}
    for number in range(max(map(len, plans.values()), default=0)):
        going = {name: plans[name][number][1] for name in plans if number < len(plans[name])}
        entries = [(name, candidate) for name in going for candidate in alive[name]]
        scores = run_trials([candidate for _, candidate in entries], [going[name] for name, _ in entries])
        found = [
            TrialResult(candidate, name, going[name], own[min(going[name], len(own)) - 1])
            for (name, candidate), own in zip(entries, scores, strict=True)
        ]
        seen |= {(tried.bracket, id(tried.candidate)): tried for tried in found}
        for name in going:
            left = plans[name][number + 1][0] if number + 1 < len(plans[name]) else 0
            alive[name] = [tried.candidate for tried in rank_trials([tried for tried in found if tried.bracket == name])[:left]]
    return [seen[name, id(candidate)] for name in plans for candidate in brackets[name]]


def _train_first_trials(first: Mapping[str, Trial], epochs: int, run_trials: RunTrials) -> dict[str, int]:
    """Per bracket the epochs that its first candidate took; nothing where it diverged."""
    scores = run_trials(list(first.values()), [epochs] * len(first)) if first else []
    return {name: len(own) for name, own in zip(first, scores, strict=True) if own != DIVERGED}


def rank_trials(tried: Sequence[TrialResult]) -> list[TrialResult]:
    """Those that came furthest first, and of them the best; of equals the earlier trial."""
    return sorted(tried, key=lambda one: (-one.epochs, -one.score))
