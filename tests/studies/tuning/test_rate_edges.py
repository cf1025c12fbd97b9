"""A trial beyond the edge: where the best rate is the lowest or highest that was tried, and only there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from polytask.studies.spec.arms import parse_arms
from polytask.studies.tuning.rate_edges import EDGE_FACTOR, try_beyond_edges
from polytask.studies.tuning.search_space import Settings
from polytask.studies.tuning.successive_halving import EpochScores, Trial, TrialResult

(SINGLE, JOINT) = parse_arms(["single", "equal"], ["a", "b"])


def result(trial: int, settings: Settings, score: float, epochs: int = 9) -> TrialResult:
    return TrialResult(Trial(JOINT, trial, settings, 7, (("a", "b"),)), "joint", epochs, score)


def beyond(tried: Sequence[TrialResult], best: int) -> tuple[list[TrialResult], list[Trial]]:
    asked: list[Trial] = []

    def run(trials: Sequence[Trial], epochs: Sequence[int]) -> Sequence[EpochScores]:
        assert list(epochs) == [9] * len(trials)
        asked.extend(trials)
        return [(0.1, 0.9)] * len(trials)

    return try_beyond_edges([tried[best]], tried, 0.001, 9, run), asked


TRIED = [result(1, {}, 0.5), result(2, {"lr": 0.0003, "weight_decay": 0.1}, 0.5), result(3, {"lr": 0.003}, 0.5)]


@pytest.mark.parametrize(("best", "rate"), [(1, 0.0003 / EDGE_FACTOR), (2, 0.003 * EDGE_FACTOR)])
def test_the_trial_goes_beyond_the_edge(best: int, rate: float) -> None:
    found, asked = beyond(TRIED, best)
    assert [one.settings for one in asked] == [{**TRIED[best].candidate.settings, "lr": rate}]
    assert [(one.candidate.trial, one.score, one.bracket) for one in found] == [(4, 0.9, "joint")]


def test_nothing_is_tried_inside_or_untuned_or_without_the_whole_budget() -> None:
    assert beyond(TRIED, 0) == ([], [])
    assert beyond([result(1, {}, 0.5), result(2, {"weight_decay": 0.1}, 0.5)], 1) == ([], [])
    assert beyond([*TRIED, result(4, {"lr": 0.1}, 0.9, epochs=3)], 3) == ([], [])
