"""Callback that measures during a joint run how its tasks are related."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, final

import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest
from polytask.relatedness.gradient_cosines import gradient_cosines
from polytask.relatedness.lookahead_affinity import lookahead_affinity
from polytask.relatedness.lookahead_losses import StepSnapshot
from polytask.relatedness.pair_means import PairMeans
from polytask.seeds import derive_seed
from polytask.training.callback import Callback
from polytask.training.loop.training_loop import TrainingLoop
from polytask.training.preparation.batch import Batch

MEASURES: Mapping[str, Callable[[StepSnapshot], Tensor]] = MappingProxyType({"cosine": gradient_cosines, "lookahead": lookahead_affinity})
"""Measures by name: each returns (t, t) numbers, one per pair of the t tasks that are present in a step."""

HISTORY_NAMES = {"cosine": "cosine with", "lookahead": "affinity onto"}
"""Prefix of the names of each measure in the training history."""

GRADIENTS_KEY = "gradients"
AFFINITY = "affinity"
"""Registry name of the callback."""

TIME_BUDGET_DIVISOR = 5
"""Measuring may take at most 1 / `TIME_BUDGET_DIVISOR` of the training time."""

FLOAT32_SLOWDOWN = 3
"""Assumed upper bound on the time of a float32 step relative to a bfloat16 step on processors with native bfloat16."""


def default_interval(tasks: int, *, bfloat16: bool = False) -> int:
    """Return the default interval k between measured steps: k = 5 (T + 1).

    Measuring takes one forward, and per task a backward through the trunk and another forward. If a training step is a forward and a
    backward that takes twice as long, this costs (1 + 3 T) / 3 steps, which is less than T + 1: at most a fifth of the training time.
    Measurements are in float32, so that with training in bfloat16 the interval is three times as long.

    Args:
        tasks: Number of tasks T.
        bfloat16: Whether the network is trained in bfloat16.

    Example:
        >>> default_interval(2), default_interval(14)
        (15, 75)
    """
    return TIME_BUDGET_DIVISOR * (tasks + 1) * (FLOAT32_SLOWDOWN if bfloat16 else 1)


@final
class AffinityCallback(Callback):
    """Callback that measures every k-th step of a joint run, with any balancer, and does not change the training.

    Pass it to `polytask.training.fit`. Its results are in the result's `callback_results`, under `affinity`, and per epoch in the history.

    Args:
        tasks: Names of all tasks.
        measures: Names of the measures, from `MEASURES`; by default all of them.
        every: Interval k between measured steps; by default `default_interval`. The middle one of every k steps is measured.
        rows: Number of training rows to measure on, drawn anew each time from all sources in proportion to their size; by default the rows
            of the step. Small batches give noisy measurements; where rows are cheap, more of them reduce the noise in about the same time.

    Raises:
        ConfigError: A measure is unknown, or `every` or `rows` is below 1.

    Example:
        >>> import numpy as np
        >>> from polytask.architectures import MultiTaskModel
        >>> from polytask.data import Source
        >>> from polytask.encoders import MLP
        >>> from polytask.tasks import Regression
        >>> from polytask.training import fit
        >>> x = np.random.default_rng(0).normal(size=(80, 2)).astype("float32")
        >>> source = Source("toy", x, {"up": x[:, 0], "down": -x[:, 0]})
        >>> tasks = (Regression(name="up"), Regression(name="down"))
        >>> observer = AffinityCallback(["up", "down"], every=1)
        >>> run = fit(MultiTaskModel(MLP((2,)), tasks), [source], callbacks=[observer], epochs=2, batch_size=16)
        >>> run.callback_results["affinity"]["steps"], run.callback_results["affinity"]["tasks"]
        (8, ['up', 'down'])
    """

    def __init__(
        self, tasks: Sequence[str], measures: Sequence[str] = tuple(MEASURES), every: int | None = None, rows: int | None = None
    ) -> None:
        for measure in measures:
            if measure not in MEASURES:
                raise ConfigError("unknown measure of a joint run", where=measure, remedy=nearest(measure, tuple(MEASURES)))
        self.tasks, self.measures = tuple(tasks), tuple(measures)
        self.every = default_interval(len(self.tasks)) if every is None else every
        self.rows = rows
        for name, number in (("every", self.every), ("rows", 1 if rows is None else rows)):
            if number < 1:
                raise ConfigError("a number above 0 is needed", where=name, found=number)
        self.steps = 0
        self.seconds = dict.fromkeys((GRADIENTS_KEY, *self.measures), 0.0)
        self._means = {measure: PairMeans.of(len(self.tasks)) for measure in self.measures}

    def on_step_begin(self, loop: TrainingLoop, batches: Mapping[str, Batch]) -> None:
        """Measure before the step, if it is the middle one of `every` steps."""
        if not self.measures or loop.state.step % self.every != self.every // 2:
            return
        with self._timed(GRADIENTS_KEY):
            glance = StepSnapshot(loop, batches if self.rows is None else sample_rows(loop, self.rows))
        places = torch.tensor([self.tasks.index(name) for name in glance.names], dtype=torch.int64)
        for measure, means in self._means.items():
            with self._timed(measure):
                means.add(places, MEASURES[measure](glance))
        self.steps += 1

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[what] += time.perf_counter() - started

    def epoch_values(self) -> dict[str, dict[str, float]]:
        """Return means over the measured steps of the epoch: `cosine with b` of task a, once per pair, and `affinity onto b` of task a."""
        found: dict[str, dict[str, float]] = {}
        for measure, means in self._means.items():
            for (row, column), value in means.end_epoch().items():
                if row < column or (measure != "cosine" and row != column):
                    found.setdefault(f"{HISTORY_NAMES[measure]} {self.tasks[column]}", {})[self.tasks[row]] = value
        return found

    def results(self) -> dict[str, Any]:
        """Return the results: per measure the mean per pair, from row to column, the number of steps, and the number of steps below 0.

        The seconds of `gradients` are those of the losses and gradients that all measures share.
        """
        measures = {measure: means.to_dict() for measure, means in self._means.items()}
        return {**self.identity(), "steps": self.steps, "means": measures, "seconds": dict(self.seconds)}

    def identity(self) -> dict[str, Any]:
        """Return the tasks, the measures, and how often and on how many rows they are measured."""
        return {"tasks": list(self.tasks), "measures": list(self.measures), "every": self.every, "rows": self.rows}

    def state_dict(self) -> dict[str, Any]:
        """Return the sums and counts so far."""
        means = {measure: means.state_dict() for measure, means in self._means.items()}
        return {"means": means, "steps": self.steps, "seconds": dict(self.seconds)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the sums and counts from `state_dict`."""
        for measure, means in self._means.items():
            means.load_state_dict(state["means"][measure])
        self.steps, self.seconds = int(state["steps"]), dict(state["seconds"])


def sample_rows(loop: TrainingLoop, rows: int) -> dict[str, Batch]:
    """Draw training rows of all sources in proportion to their size, at least one of each source.

    The draw depends only on the seed and the step.

    Args:
        loop: Training loop, with the training rows, the seed and the step.
        rows: Approximate number of rows over all sources.

    Returns:
        A batch per source.
    """
    training = loop.data.training
    total = sum(len(source) for source in training.values())
    found = {}
    for name, source in training.items():
        generator = torch.Generator().manual_seed(derive_seed(loop.seed, "observing", name, loop.state.step))
        count = max(1, rows * len(source) // total)
        found[name] = source.rows.take(torch.randperm(len(source), generator=generator)[:count])
    return found
