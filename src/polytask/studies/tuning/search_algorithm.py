"""Which values are tried: points that fill the space evenly, or those that a library proposes from what it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Protocol, final

from polytask.errors import MissingExtraError
from polytask.registry import Range
from polytask.studies.tuning.search_space import Settings

HALTON_SKIP = 2
"""Halton's sequence begins with a corner, and then with the middle of the first range, where what is not tuned stands."""

ADAPTIVE_ROUNDS = 3
"""A search that learns proposes the trials in so many rounds."""


class SearchAlgorithm(Protocol):
    """Proposes settings, and may learn from what came of them."""

    rounds: int

    def ask(self, trials: int) -> list[Settings]:
        """So many settings to try next."""

    def tell(self, settings: Settings, score: float) -> None:
        """What came of one of them: more is better."""


@final
class HaltonSearch:
    """Halton's sequence (Numerische Mathematik 2:84, 1960): settings that fill the space more evenly than random ones; it learns nothing.

    Args:
        space: The ranges.

    Example:
        >>> [round(settings["lr"], 4) for settings in HaltonSearch([Range("lr", 0.0001, 0.01, log=True)]).ask(2)]
        [0.0003, 0.0032]
    """

    rounds = 1

    def __init__(self, space: Sequence[Range]) -> None:
        self._space = tuple(space)
        self._asked = 0

    def ask(self, trials: int) -> list[Settings]:
        """The next points of the sequence."""
        from scipy.stats import qmc  # a second to import, which only tuning needs

        if not self._space:
            return [{} for _ in range(trials)]
        points = qmc.Halton(len(self._space), scramble=False).fast_forward(HALTON_SKIP + self._asked).random(trials)
        self._asked += trials
        return [{own.name: own.at(share) for own, share in zip(self._space, point, strict=True)} for point in points.tolist()]

    def tell(self, settings: Settings, score: float) -> None:
        """It does not mind."""
        del settings, score


@final
class OptunaSearch:
    """Optuna's tree-structured Parzen estimator (extra `optuna`), in three rounds, so that networks of a round train side by side.

    A trial that was stopped early is told with the score that it had then.

    Args:
        space: The ranges.
        seed: Of its draws.

    Raises:
        MissingExtraError: Optuna is not installed.
    """

    rounds = ADAPTIVE_ROUNDS

    def __init__(self, space: Sequence[Range], seed: int) -> None:
        try:
            import optuna
        except ImportError:
            raise MissingExtraError(
                "this search needs another package", where="search 'optuna'", remedy="pip install 'polytask[optuna]'"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed % 2**32))
        self._space: dict[str, optuna.distributions.BaseDistribution] = {
            own.name: optuna.distributions.FloatDistribution(own.low, own.high, log=own.log) for own in space
        }
        self._trials: dict[tuple[tuple[str, float], ...], optuna.Trial] = {}

    def ask(self, trials: int) -> list[Settings]:
        """What the estimator proposes next."""
        found: list[Settings] = []
        for _ in range(trials):
            trial = self._study.ask(self._space)
            self._trials[tuple(sorted(trial.params.items()))] = trial
            found.append(dict(trial.params))
        return found

    def tell(self, settings: Settings, score: float) -> None:
        """Let it learn."""
        trial = self._trials.pop(tuple(sorted(settings.items())), None)
        if trial is not None and isfinite(score):
            self._study.tell(trial, score)


def make_search(name: str, space: Sequence[Range], seed: int) -> SearchAlgorithm:
    """A search by its name in a study's configuration."""
    return OptunaSearch(space, seed) if name == "optuna" else HaltonSearch(space)
