"""Properties of labels whose task kind is not given, and the kind that they suggest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.registry import load_class, specs_of


class LabelFacts(NamedTuple):
    """Properties of a column of labels.

    Attributes:
        distinct: Number of distinct labels.
        labels: Number of labels, without missing ones.
        numeric: Whether the labels are numbers.
        whole: Whether the labels are whole numbers.
        sets: Whether every label is a list or a set of labels.
        repeated: Whether every distinct label occurs at least twice.
    """

    distinct: int
    labels: int = 0
    numeric: bool = False
    whole: bool = False
    sets: bool = False
    repeated: bool = True

    @classmethod
    def of(cls, labels: NDArray[np.generic]) -> LabelFacts:
        """Return the properties of labels (N,), which are NaN or `None` where missing.

        Example:
            >>> LabelFacts.of(np.array([0.0, 1.0, 1.0, np.nan]))
            LabelFacts(distinct=2, labels=3, numeric=True, whole=True, sets=False, repeated=False)
        """
        there = pd.Series(labels).dropna()
        numeric = there.dtype.kind in "iuf"
        whole = numeric and bool((there == there.round()).all())
        return cls(there.nunique(), len(there), numeric, whole, repeated=bool(there.duplicated(keep=False).all()))


def suggested_kind(facts: LabelFacts) -> str:
    """Return the first task kind of the registry that is suggested by labels with these properties.

    The kinds of polytask are tried first and cover all labels, so that installed extensions never change the result.

    Example:
        >>> suggested_kind(LabelFacts(distinct=2)), suggested_kind(LabelFacts(distinct=30, labels=30, numeric=True))
        ('binary', 'regression')
    """
    return next(row.name for row in specs_of("task kind") if load_class(row).suggested_by(facts))
