"""Successive halving on validation data, which selects the settings of every arm and the joint arm to test.

**Synchronous successive halving** (Jamieson & Talwalkar, AISTATS 2016). The candidates of a bracket are trained for a fraction of the
budget; the best third continues with three times as much, and so on up to the whole budget. Rounds are synchronous, so that nothing
depends on which network is faster: networks pause, and those that continue do so as if they had never paused.

The budget is a maximum that few networks use up, since they stop early. Fractions of it would not be fractions of a typical training
run. Therefore the first candidate of a bracket, the arm without tuning, is trained to its end first, and the fractions are taken of the
number of epochs that it used.

Any selection rule is valid here: it does not use test data, and the claims of the study are based on other seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite

from polytask.run_files import TrialRecord
from polytask.studies.spec.arms import ResolvedArm
from polytask.studies.tuning.search_space import Settings

REDUCTION_FACTOR = 3
"""One of this many candidates continues to the next round."""

MAX_FINALISTS = 2
"""Halving ends when at most this many candidates are left; they are trained for the whole budget."""


@dataclass(frozen=True)
class Trial:
    """One arm, or one of its networks, with one choice of settings.

    Attributes:
        arm: Arm that is tried.
        trial: Number of the trial, from 1; the first trial is the arm without tuning.
        settings: Values of the tuned settings.
        seed: Seed of the networks.
        groups: Tasks of each network.
    """

    arm: ResolvedArm
    trial: int
    settings: Settings
    seed: int
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class TrialResult:
    """Result of a trial.

    Attributes:
        candidate: The trial.
        bracket: Name of the bracket in which the trial competed.
        epochs: Largest number of epochs that it was offered.
        score: Mean relative validation metric of its best epoch; higher is better, −∞ if its loss was not finite.
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
    """Return the number of candidates and the last epoch of each round.

    Args:
        candidates: Number of candidates in the bracket.
        usual_epochs: Epochs that a typical training run uses; all rounds but the last get fractions of it.
        max_epochs: Whole budget in epochs, which the last round gets.

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
"""Best score so far after each epoch of a candidate; there may be fewer epochs than were offered."""

DIVERGED: EpochScores = (float("-inf"),)
"""Scores of a candidate whose loss was not finite."""

RunTrials = Callable[[Sequence[Trial], Sequence[int]], Sequence[EpochScores]]
"""Function that trains candidates in parallel, each up to its epoch, and returns their scores in the same order."""


def run_successive_halving(brackets: Mapping[str, Sequence[Trial]], epochs: int, run_trials: RunTrials) -> list[TrialResult]:
    """Run successive halving in every bracket; rounds of all brackets run together, so that no core is idle.

    Args:
        brackets: Competing candidates by name of the bracket.
        epochs: Whole budget of a network in epochs.
        run_trials: Function that trains candidates.

    Returns:
        Every candidate with its epochs and score when it left the race; those of the last round had the whole budget.
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
    """Train the first candidate of each bracket and return the epochs that it used, leaving out candidates that diverged."""
    scores = run_trials(list(first.values()), [epochs] * len(first)) if first else []
    return {name: len(own) for name, own in zip(first, scores, strict=True) if own != DIVERGED}


def rank_trials(tried: Sequence[TrialResult]) -> list[TrialResult]:
    """Sort results by epochs, then by score, highest first; ties keep the order of the trials."""
    return sorted(tried, key=lambda one: (-one.epochs, -one.score))
