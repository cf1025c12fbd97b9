"""One more round of trials for learning rates at the edge of those that were tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from polytask.studies.tuning.search_space import LR
from polytask.studies.tuning.successive_halving import RunTrials, Trial, TrialResult

EDGE_FACTOR = 10**0.5
"""Factor between a learning rate at the edge and the one that is tried beyond it: half of the searched range above the given rate."""


def try_beyond_edges(
    best: Sequence[TrialResult], tried: Sequence[TrialResult], lr: float, epochs: int, run: RunTrials
) -> list[TrialResult]:
    """Train one more trial for every best trial whose learning rate is the lowest or highest that was tried, and return the results.

    Only trials with the whole budget are continued; the other settings stay those of the best trial.

    Args:
        best: Best trial per arm and groups of tasks.
        tried: All trials.
        lr: Learning rate of trials without one of their own.
        epochs: Whole budget in epochs.
        run: Function that trains candidates.
    """
    found = [(one, beyond) for one in best if one.epochs == epochs and (beyond := _beyond(one, tried, lr)) is not None]
    scores = run([beyond for _, beyond in found], [epochs] * len(found)) if found else []
    return [TrialResult(beyond, one.bracket, epochs, own[-1]) for (one, beyond), own in zip(found, scores, strict=True)]


def _beyond(best: TrialResult, tried: Sequence[TrialResult], lr: float) -> Trial | None:
    """Return the trial beyond the best one, if the learning rate was tuned and the best is the lowest or highest."""
    own = best.candidate
    alike = [one.candidate for one in tried if (one.candidate.arm.name, one.candidate.groups) == (own.arm.name, own.groups)]
    rates = {one.settings.get(LR, lr) for one in alike}
    rate = own.settings.get(LR, lr)
    if len(rates) < 2 or min(rates) < rate < max(rates):
        return None
    further = rate * EDGE_FACTOR if rate == max(rates) else rate / EDGE_FACTOR
    return replace(own, trial=1 + max(one.trial for one in alike), settings={**own.settings, LR: further})
