"""Search algorithms: points that fill the space evenly, or Optuna's proposals based on earlier trials."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Protocol, final

from polytask.errors import MissingExtraError
from polytask.registry import Range
from polytask.studies.tuning.search_space import Settings

HALTON_SKIP = 2
"""Number of points to skip: the first is a corner, the second the middle of the first range, where the untuned value lies."""

ADAPTIVE_ROUNDS = 3
"""Number of rounds in which an adaptive search proposes its trials."""


class SearchAlgorithm(Protocol):
    """Protocol of search algorithms, which propose settings and may learn from their scores.

    Attributes:
        rounds: Number of rounds in which trials are proposed; 1 if the search does not learn.
    """

    rounds: int

    def ask(self, trials: int) -> list[Settings]:
        """Return the settings of the next `trials` trials."""

    def tell(self, settings: Settings, score: float) -> None:
        """Report the score of a trial; higher is better."""


@final
class HaltonSearch:
    """Halton's sequence (Numerische Mathematik 2:84, 1960): settings that fill the space more evenly than random ones.

    It does not learn from scores.

    Args:
        space: Ranges to search; if empty, all settings are empty.

    Example:
        >>> [round(settings["lr"], 4) for settings in HaltonSearch([Range("lr", 0.0001, 0.01, log=True)]).ask(2)]
        [0.0003, 0.0032]
    """

    rounds = 1

    def __init__(self, space: Sequence[Range]) -> None:
        self._space = tuple(space)
        self._asked = 0

    def ask(self, trials: int) -> list[Settings]:
        """Return the next points of the sequence."""
        from scipy.stats import qmc  # takes a second to import, and only tuning needs it

        if not self._space:
            return [{} for _ in range(trials)]
        points = qmc.Halton(len(self._space), scramble=False).fast_forward(HALTON_SKIP + self._asked).random(trials)
        self._asked += trials
        return [{own.name: own.at(share) for own, share in zip(self._space, point, strict=True)} for point in points.tolist()]

    def tell(self, settings: Settings, score: float) -> None:
        """Ignore the score."""
        del settings, score


@final
class OptunaSearch:
    """Optuna's tree-structured Parzen estimator (extra `optuna`), in three rounds, so that the networks of a round train in parallel.

    A trial that was stopped early is reported with the score that it had reached.

    Args:
        space: Ranges to search.
        seed: Seed of the sampler.

    Raises:
        MissingExtraError: Optuna is not installed.
    """

    rounds = ADAPTIVE_ROUNDS

    def __init__(self, space: Sequence[Range], seed: int) -> None:
        try:
            import optuna
        except ImportError:
            raise MissingExtraError(
                "this search needs the package optuna", where="search 'optuna'", remedy="pip install 'polytask[optuna]'"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed % 2**32))
        self._space: dict[str, optuna.distributions.BaseDistribution] = {
            own.name: optuna.distributions.FloatDistribution(own.low, own.high, log=own.log) for own in space
        }
        self._trials: dict[tuple[tuple[str, float], ...], optuna.Trial] = {}

    def ask(self, trials: int) -> list[Settings]:
        """Return the next proposals of the estimator."""
        found: list[Settings] = []
        for _ in range(trials):
            trial = self._study.ask(self._space)
            self._trials[tuple(sorted(trial.params.items()))] = trial
            found.append(dict(trial.params))
        return found

    def tell(self, settings: Settings, score: float) -> None:
        """Report a finite score to the estimator; settings that it did not propose are ignored."""
        trial = self._trials.pop(tuple(sorted(settings.items())), None)
        if trial is not None and isfinite(score):
            self._study.tell(trial, score)


def make_search(name: str, space: Sequence[Range], seed: int) -> SearchAlgorithm:
    """Create a search algorithm by its name in the study configuration: `quasi-random` or `optuna`."""
    return OptunaSearch(space, seed) if name == "optuna" else HaltonSearch(space)
