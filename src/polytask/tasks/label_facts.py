"""What labels of an unknown kind look like, and the kind that they suggest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.registry import load, specs_of


class LabelFacts(NamedTuple):
    """What a column of labels looks like.

    Attributes:
        distinct: How many different labels there are.
        labels: How many labels there are.
        numeric: Whether they are numbers.
        whole: Whether they are whole numbers.
        sets: Whether every label is a list or a set of labels.
    """

    distinct: int
    labels: int = 0
    numeric: bool = False
    whole: bool = False
    sets: bool = False

    @classmethod
    def of(cls, labels: NDArray[np.generic]) -> LabelFacts:
        """The facts of labels (N,), with NaN or None where there is none.

        Example:
            >>> LabelFacts.of(np.array([0.0, 1.0, 1.0, np.nan]))
            LabelFacts(distinct=2, labels=3, numeric=True, whole=True, sets=False)
        """
        there = pd.Series(labels).dropna()
        numeric = there.dtype.kind in "iuf"
        return cls(there.nunique(), len(there), numeric, numeric and bool((there == there.round()).all()))


def suggested_kind(facts: LabelFacts) -> str:
    """The first kind of the registry that such labels suggest.

    Kinds that come with polytask are asked first, and between them they take all labels, so that what else is installed never
    changes what a column is taken for.

    Example:
        >>> suggested_kind(LabelFacts(distinct=2)), suggested_kind(LabelFacts(distinct=30, labels=30, numeric=True))
        ('binary', 'regression')
    """
    return next(row.name for row in specs_of("task kind") if load(row).suggested_by(facts))
