"""Survival analysis: the time until an event, right-censored for some units."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.tasks.base import FlagColumn, Targets, Task, constant, has_label
from polytask.tasks.metric import Predictions
from polytask.tasks.numeric_labels import Array, labels_as_floats, reject_rows

if TYPE_CHECKING:
    from torch import Tensor


def join_events(target: str, labels: Array, events: NDArray[np.float64], column: str) -> NDArray[np.float64]:
    """Combine times and events into labels (N,): the time of an event, or minus the censoring time.

    Args:
        target: Name of the column of times.
        labels: Times (N,), NaN where missing.
        events: 1 where the event happened at that time, 0 where the time is censored, NaN where missing; shape (N,).
        column: Name of the column of events.

    Raises:
        DataError: A time is not a number or not above 0, or a time has no event value.
    """
    if labels.dtype.kind not in "iuf":
        row = int(has_label(labels).argmax())
        raise DataError("times must be numbers", where=f"target {target!r}, row {row + 1}", found=repr(labels[row]))
    numbers = labels.astype(np.float64)
    early = np.flatnonzero(numbers <= 0)
    if len(early):
        remedy = "Give the time to the event, or the time without an event so far"
        raise DataError(
            "a time must be above 0", where=f"target {target!r}, row {early[0] + 1}", found=f"{numbers[early[0]]:g}", remedy=remedy
        )
    open_ended = np.flatnonzero(np.isnan(events) & ~np.isnan(numbers))
    if len(open_ended):
        where = f"target {target!r}, row {open_ended[0] + 1}, column {column!r}"
        remedy = "Write true or false, or leave the time empty too"
        raise DataError("every time needs a value that says whether the event happened", where=where, found="nothing", remedy=remedy)
    return Survival.labels(numbers, np.nan_to_num(events) > 0)


@dataclass(frozen=True, kw_only=True)
class Survival(Task):
    """Right-censored time until an event, with the likelihood of a discrete hazard per interval.

    Time is cut at the edges 0 < e_1 < … < e_K into intervals (e_{j−1}, e_j]. The output z_j stands for the hazard h_j = σ(z_j): the
    probability that the event happens in interval j if it has not happened before. The loss of a unit is
    ℓ = −Σ_{j ≤ s} log(1 − h_j) − [event] log h_{s+1}, where s is the number of intervals that the unit is known to have survived
    (Gensheimer & Narasimhan, PeerJ 7:e6257, 2019; their intervals include their beginnings, these their ends, where events lie):

    * with an event at time t in interval k: s = k − 1;
    * with an event after the last edge: s = K, without a term for the event itself;
    * censored at time t: s counts the intervals whose middle is not after t, so that a unit observed for at least half of an
      interval counts as having survived it, and otherwise as not having entered it, as in the paper.

    A label is one number: the time of the event, or minus the censoring time. The prediction is the expected time restricted to the
    last edge, the area under S(e_j) = Π_{i ≤ j} (1 − h_i) with linear interpolation.

    Attributes:
        intervals: Number of intervals K.
        edges: Ends of the intervals (e_1, …, e_K), increasing and above 0. If empty, `fitted` takes the edges that cut the event
            times of the training labels into K equal parts (or the distinct event times, if too many are equal).

    Raises:
        ConfigError: `intervals` is not at least 1, or `edges` do not increase from above 0 or are not as many as the intervals.

    Example:
        >>> import torch
        >>> labels = Survival.labels(time=[2.0, 5.0, 8.0, np.nan], event=[True, False, True, False])
        >>> labels.tolist()
        [2.0, -5.0, 8.0, nan]
        >>> task = Survival(name="churn", intervals=2).fitted(labels)
        >>> task.edges
        (2.0, 8.0)
        >>> task.predict(torch.zeros(1, 2)).values
        array([3.75])
    """

    intervals: int = 10
    edges: tuple[float, ...] = ()

    kind: ClassVar[str] = "survival"
    metrics: ClassVar[tuple[str, ...]] = ("concordance",)
    flag_column: ClassVar[FlagColumn] = FlagColumn("event", join_events)

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        where = f"task {self.name!r}"
        if isinstance(self.intervals, bool) or not isinstance(self.intervals, int | np.integer) or self.intervals < 1:
            raise ConfigError("at least one interval is needed", where=f"{where}, intervals", found=repr(self.intervals))
        edges = tuple(float(edge) for edge in self.edges)
        if edges and (len(edges) != self.intervals or not _increase_from_zero(edges)):
            found = f"{len(edges)} edges for {self.intervals} intervals: {', '.join(f'{edge:g}' for edge in edges[:12])}"
            raise ConfigError("edges must be the ends of the intervals, increasing from above 0", where=f"{where}, edges", found=found)
        object.__setattr__(self, "intervals", int(self.intervals))
        object.__setattr__(self, "edges", edges)

    @staticmethod
    def labels(time: Array | list[float], event: Array | list[bool]) -> NDArray[np.float64]:
        """Return labels (N,): the time where the event happened, minus the time where it is censored, NaN without a time.

        Args:
            time: Times (N,), with gaps.
            event: Whether the event happened at that time (N,).

        Raises:
            DataError: A time is not above 0, infinite or not a number, or `time` and `event` differ in length.
        """
        times = labels_as_floats("survival", np.asarray(time))
        there = has_label(np.asarray(time))
        reject_rows("survival", there & (times <= 0), times, "a time must be above 0")
        if np.shape(event) != times.shape:
            raise DataError("time and event must have the same length", where="labels", found=f"{np.shape(event)} for {times.shape}")
        signed = np.where(np.asarray(event, dtype=np.bool_), times, -times)
        return np.where(there, signed, np.nan)

    @property
    def outputs(self) -> int:
        """Number of outputs: one per interval, the log-odds of the event in it."""
        return self.intervals

    def fitted(self, labels: Array) -> Self:
        """Return the task with edges computed from the event times; if it has edges, itself.

        Raises:
            DataError: There are fewer distinct event times than intervals, or a label is 0 or not a number.
        """
        if self.edges:
            return self
        times = self.metric_targets(labels)
        times = np.sort(times[times > 0])
        different = np.unique(times)
        if len(different) < self.intervals:
            where, found = f"task {self.name!r}", f"{len(different)} for {self.intervals} intervals"
            raise DataError("too few distinct event times", where=where, found=found, remedy="Take fewer intervals")
        edges = _quantile_edges(times, self.intervals)
        return replace(self, edges=tuple((edges if _increase_from_zero(edges) else _quantile_edges(different, self.intervals)).tolist()))

    def encode(self, labels: Array) -> Targets:
        """Encode labels as (N,) int64: s without an event, K + 1 + s with one, where s is the number of survived intervals.

        Raises:
            ConfigError: The task has no edges yet.
            DataError: A label is 0 or not a number; the message names the row.
        """
        times = self.metric_targets(labels)
        edges, K = self._edges()[1:], self.intervals
        until_event = np.searchsorted(edges, times)
        until_gap = np.searchsorted((edges + self._edges()[:-1]) / 2, -times, side="right")
        codes = np.where(times > 0, np.where(until_event < K, until_event + K + 1, K), until_gap)
        return Targets(codes.astype(np.int64), has_label(labels))

    def decode(self, values: Array) -> Array:
        """Return the predictions, which are times already, as float64."""
        return np.asarray(values, dtype=np.float64)

    def metric_targets(self, labels: Array) -> Array:
        """Return the labels as float64.

        Raises:
            DataError: A label is 0 or not a number; the message names the row.
        """
        times = labels_as_floats(self.name, labels)
        reject_rows(self.name, has_label(labels) & (times == 0), times, "a time must not be 0: its sign says whether the event happened")
        return times

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the negative log-likelihood, in nats."""
        import torch
        from torch.nn import functional

        K = self.intervals
        passed, event = (targets % (K + 1)).unsqueeze(1), (targets > K).unsqueeze(1)
        interval = torch.arange(K, device=targets.device)
        survived = torch.where(interval < passed, -functional.logsigmoid(-outputs), 0.0)
        happened = torch.where(event & (interval == passed), -functional.logsigmoid(outputs), 0.0)
        return (survived + happened).sum(dim=1)

    def loss_options(self) -> Hashable:
        """Return what the loss depends on: the number of intervals."""
        return (self.intervals,)

    def predict(self, outputs: Tensor) -> Predictions:
        """Predict the expected time, restricted to the last edge, in the original unit.

        Raises:
            ConfigError: The task has no edges yet.
        """
        import torch
        from torch.nn import functional

        still = torch.exp(functional.logsigmoid(-outputs.double()).cumsum(dim=1)).numpy(force=True)
        before = np.concatenate([np.ones_like(still[:, :1]), still[:, :-1]], axis=1)
        return Predictions(((before + still) / 2 * np.diff(self._edges())).sum(axis=1), None)

    def trivial_predictions(self, training: Array, targets: Array) -> Predictions:
        """Predict the median of the training times, whether events or censored."""
        return constant(float(np.median(np.abs(training))), targets)

    def _edges(self) -> NDArray[np.float64]:
        """Return the edges (K + 1,), starting with 0."""
        if not self.edges:
            remedy = "Call task.fitted(labels), or give edges"
            raise ConfigError("the edges must first be computed from training labels", where=f"task {self.name!r}", remedy=remedy)
        return np.array([0.0, *self.edges])


def _quantile_edges(times: NDArray[np.float64], parts: int) -> NDArray[np.float64]:
    """Return the last time of each of `parts` equal parts of sorted times."""
    last = -(-np.arange(1, parts + 1) * len(times) // parts) - 1
    found: NDArray[np.float64] = times[last]
    return found


def _increase_from_zero(edges: tuple[float, ...] | NDArray[np.float64]) -> bool:
    return bool((np.diff([0.0, *edges]) > 0).all() and np.isfinite(edges).all())
