"""Shares of a whole, kept per task."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


class TaskShares:
    """One non-negative number per task, of which only the proportions matter. Tasks that are not known yet start at 1.

    The tasks of a step redistribute their total among themselves, so that an absent task keeps its number.

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
        """Return the shares of these tasks, scaled to a sum of 1: (T,). Equal shares if all of them are 0."""
        values = self._known(names)
        total = values.sum()
        return values / total if total > 0.0 else np.full(len(names), 1.0 / len(names))

    def put(self, names: tuple[str, ...], values: NDArray[np.float64]) -> None:
        """Redistribute the total of these tasks in the given proportions (T,), which sum to 1."""
        total = self._known(names).sum()
        self._values |= dict(zip(names, (values * (total if total > 0.0 else len(names))).tolist(), strict=True))

    def grow(self, names: tuple[str, ...], factors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Multiply the shares of these tasks by factors (T,), at least 0, and return the new ones, scaled to a sum of 1: (T,).

        Equal shares if all products are 0.

        Example:
            >>> TaskShares().grow(("a", "b"), np.array([1.0, 3.0]))
            array([0.25, 0.75])
        """
        grown = self.of(names) * factors
        shares = grown / grown.sum() if grown.sum() > 0.0 else np.full(len(names), 1.0 / len(names))
        self.put(names, shares)
        return shares

    def state_dict(self) -> dict[str, float]:
        """Return the number of every known task."""
        return dict(self._values)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Restore the state returned by `state_dict`."""
        self._values = dict(state)

    def _known(self, names: tuple[str, ...]) -> NDArray[np.float64]:
        return np.array([self._values.get(name, 1.0) for name in names])
