"""Repeated k-fold cross-validation: all rows, divided anew for every split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from polytask.data.source import Source, Sources
from polytask.data.splitting.label_keys import IntArray
from polytask.data.splitting.stratified_split import k_fold_split
from polytask.errors import ConfigError


@dataclass(frozen=True)
class Fold:
    """One split of r times k-fold cross-validation, which has r k of them.

    Attributes:
        folds: Number of folds k, at least 2.
        number: Number of the split, from 0: fold `number` mod k of repetition ⌊`number` / k⌋ is for testing, the others are for training.

    Raises:
        ConfigError: There are fewer than two folds, or the number is negative.

    Example:
        >>> Fold(5, 13).repetition, Fold(5, 13).position
        (2, 3)
    """

    folds: int
    number: int

    def __post_init__(self) -> None:
        for name, value, least in (("folds", self.folds, 2), ("number", self.number, 0)):
            if value < least:
                raise ConfigError(f"{name} must be at least {least}", where="cross-validation", found=value)

    @property
    def repetition(self) -> int:
        """Number of the repetition, from 0; each divides the rows in its own way."""
        return self.number // self.folds

    @property
    def position(self) -> int:
        """Number of the fold that is for testing, from 0."""
        return self.number % self.folds

    def rows(self, source: Source) -> tuple[IntArray, IntArray]:
        """Return the numbers of the training rows and of the test rows of a source, both ascending; rows of one group stay together.

        Raises:
            DataError: There are fewer rows or groups than folds.

        Example:
            >>> import numpy as np
            >>> source = Source("toy", np.zeros((4, 1), "float32"), {"kind": np.array(["a", "b"] * 2)})
            >>> [sorted(source.labels["kind"][Fold(2, number).rows(source)[1]].tolist()) for number in range(4)]
            [['a', 'b'], ['a', 'b'], ['a', 'b'], ['a', 'b']]
        """
        return next(islice(k_fold_split(source, self.folds, self.repetition), self.position, None))


Divide = Callable[[Fold], Sources]
"""Function that returns the training sources of a split, which load its test rows."""


def divide_rows(sources: Sequence[Source]) -> Divide:
    """Return the function that divides the rows of sources, every source by itself. Nothing else of a source depends on the split.

    Args:
        sources: Sources with all rows.

    Example:
        >>> import numpy as np
        >>> whole = Source("toy", np.zeros((6, 1), "float32"), {"size": np.arange(6.0)})
        >>> divided = divide_rows([whole])(Fold(3, 0))
        >>> len(divided[0]), len(divided.open_test()[0])
        (4, 2)
    """

    def divided(fold: Fold) -> Sources:
        rows = [fold.rows(source) for source in sources]
        training = tuple(source.take(own) for source, (own, _) in zip(sources, rows, strict=True))
        return Sources(training, lambda: tuple(source.take(test) for source, (_, test) in zip(sources, rows, strict=True)))

    return divided
