"""How many labels joint training needs for the error of single-task training, from learning curves.

For seed s, arm A and n_k labels of a task, the error is modeled as

    log e = a_sA + b_s log n        (the same slope for both arms)

The arm J has with h labels the error that single-task training S has with n labels if log(h / n) = (a_sS − a_sJ) / b_s. The intercepts
differ by the mean over sizes of the difference of log errors, and b_s is the least-squares slope of their mean. Over seeds, the ratio of
the two means has Fieller's interval (Journal of the Royal Statistical Society B 16:175, 1954): all ρ that Student's t test of
mean(x − ρ b) = 0 does not reject,

    { ρ : (x. − ρ b.)² ≤ t² (s_xx − 2 ρ s_xb + ρ² s_bb) / S },     x_s = a_sS − a_sJ,  t with S − 1 degrees of freedom

which is an interval only if the slope differs from 0 beyond doubt. It is about the networks of further seeds on the same test units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from polytask.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class LabelRatio:
    """Labels that an arm needs per label of single-task training, for the same error.

    Attributes:
        ratio: Estimate; below 1 the arm needs fewer labels. `None` if the slope is 0 for want of any effect of the labels.
        interval: Confidence interval; `None` if more labels do not lower the error beyond doubt, so that no number of labels is excluded.
        slope: Mean slope b of the log error over the log number of labels.
    """

    ratio: float | None
    interval: tuple[float, float] | None
    slope: float


def label_ratio(labels: ArrayLike, single: ArrayLike, joint: ArrayLike, level: float = 0.05) -> LabelRatio:
    """Estimate how many labels joint training needs for the error of single-task training.

    Args:
        labels: (K,) numbers of labels, at least two different ones.
        single: (S, K) errors of single-task training per seed and number of labels, above 0.
        joint: (S, K) errors of the arm.
        level: Probability that the interval misses the ratio.

    Raises:
        DataError: An error is not a positive number, there are fewer than two seeds or numbers of labels, or the shapes differ.

    Example:
        >>> n = np.array([100, 200, 400, 800])
        >>> wobble = np.array([[0.99], [1.0], [1.01]])
        >>> found = label_ratio(n, wobble * 2 * n**-0.5, np.ones((3, 1)) * 2 * (2 * n) ** -0.5)
        >>> round(found.ratio, 2), [round(end, 2) for end in found.interval]
        (0.5, [0.48, 0.53])
    """
    counts = np.log(np.asarray(labels, dtype=np.float64))
    errors = np.stack([np.asarray(single, dtype=np.float64), np.asarray(joint, dtype=np.float64)])
    _check(counts, errors)
    logs = np.log(errors)
    centered = counts - counts.mean()
    slopes = logs.mean(axis=0) @ centered / (centered @ centered)
    gains = (logs[0] - logs[1]).mean(axis=1)
    gain, slope = float(gains.mean()), float(slopes.mean())
    if slope == 0:
        return LabelRatio(None, None, slope)
    roots = _fieller(gains, slopes, level)
    interval = None if roots is None or slope > 0 else (float(np.exp(roots[0])), float(np.exp(roots[1])))
    return LabelRatio(float(np.exp(np.clip(gain / slope, -700, 700))), interval, slope)


def _fieller(gains: np.ndarray, slopes: np.ndarray, level: float) -> tuple[float, float] | None:
    """Return the ends of Fieller's interval of mean(gains) / mean(slopes); `None` if it is not bounded."""
    seeds = len(gains)
    quantile = float(stdtrit(seeds - 1, 1 - level / 2))
    covariance = np.cov(gains, slopes) * quantile**2 / seeds
    square = slopes.mean() ** 2 - covariance[1, 1]
    if square <= 0:
        return None
    middle = slopes.mean() * gains.mean() - covariance[0, 1]
    rest = gains.mean() ** 2 - covariance[0, 0]
    half = float(np.sqrt(max(0.0, middle**2 - square * rest)))
    return float(middle - half) / square, float(middle + half) / square


def _check(counts: np.ndarray, errors: np.ndarray) -> None:
    if errors.ndim != 3 or errors.shape[2] != len(counts):
        raise DataError("errors are needed per seed and number of labels", where="label_ratio", found=f"shape {errors.shape[1:]}")
    if errors.shape[1] < 2 or len(np.unique(counts)) < 2:
        found = f"{errors.shape[1]} seeds and {len(np.unique(counts))} numbers of labels"
        raise DataError("at least two seeds and two numbers of labels are needed", where="label_ratio", found=found)
    if not (np.isfinite(errors).all() and (errors > 0).all() and np.isfinite(counts).all()):
        raise DataError("errors and numbers of labels must be positive numbers", where="label_ratio")
