"""Gramians of known structure: rank, conflict, duplicates, opposites, zero rows, scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A matrix of n rows.

    Attributes:
        name: What is known of it.
        J: (n, P).
    """

    name: str
    J: Matrix

    @property
    def gramian(self) -> Matrix:
        """(n, n) its Gramian."""
        return self.J @ self.J.T

    @property
    def lengths(self) -> NDArray[np.float64]:
        """(n,) of the rows."""
        return np.sqrt(self.gramian.diagonal())


def _cases() -> list[Case]:
    rng = np.random.default_rng(0)
    found = []
    for n in (1, 2, 3, 10, 40):
        plain = rng.standard_normal((n, 200))
        agreeing = plain + 3.0 * rng.standard_normal(200)
        flat = rng.standard_normal((n, 3)) @ rng.standard_normal((3, 50))
        spread = plain * 10.0 ** rng.uniform(-3, 3, (n, 1))
        opposed = agreeing.copy()
        opposed[-1] = -opposed[0]
        twice = plain.copy()
        twice[-1] = twice[0]
        void = plain.copy()
        void[-1] = 0.0
        balanced = plain - plain.mean(0)
        named = {
            "independent": plain, "agreeing": agreeing, "of rank 3": flat, "of many lengths": spread, "opposed": opposed,
            "with a duplicate": twice, "with a zero row": void, "with sum zero": balanced,
            "tiny": plain * 1e-12, "huge": plain * 1e12, "on a line": rng.standard_normal((n, 1)),
        }  # fmt: skip
        found += [Case(f"{n} rows, {name}", matrix) for name, matrix in named.items()]
    return found


CASES = _cases()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for `case` runs on all of them."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES, ids=[case.name for case in CASES])
