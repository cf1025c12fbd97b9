"""Shares of a whole that balancers remember per task."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


class TaskShares:
    """A number from 0 up per task, of which only the proportions count. Tasks that are not known yet have as much as one share.

    The tasks of a step divide among themselves what they had together, so that an absent task keeps its number.

    Example:
        >>> shares = TaskShares()
        >>> shares.put(("a", "b"), np.array([0.25, 0.75]))
        >>> shares.of(("b", "c"))
        array([0.6, 0.4])
        >>> shares.of(("a",))
        array([1.])
    """

    def __init__(self) -> None:
        self._values: dict[str, float] = {}

    def of(self, names: tuple[str, ...]) -> NDArray[np.float64]:
        """(T,) what these tasks have, scaled to a sum of 1; equal parts where they have nothing."""
        values = self._known(names)
        total = values.sum()
        return values / total if total > 0.0 else np.full(len(names), 1.0 / len(names))

    def put(self, names: tuple[str, ...], values: NDArray[np.float64]) -> None:
        """These tasks divide what they have together in these proportions (T,), which sum to 1."""
        total = self._known(names).sum()
        self._values |= dict(zip(names, (values * (total if total > 0.0 else len(names))).tolist(), strict=True))

    def state_dict(self) -> dict[str, float]:
        """A number per task."""
        return dict(self._values)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on with what `state_dict` gave."""
        self._values = dict(state)

    def _known(self, names: tuple[str, ...]) -> NDArray[np.float64]:
        return np.array([self._values.get(name, 1.0) for name in names])
