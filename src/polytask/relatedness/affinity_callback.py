"""Measuring in the joint run how its tasks stand to each other."""

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
from polytask.relatedness.pair_means import PairMeans
from polytask.relatedness.step_snapshot import StepSnapshot
from polytask.seeds import derive_seed
from polytask.training.callback import Callback
from polytask.training.loop.training_loop import TrainingLoop
from polytask.training.preparation.prepared_data import Batch

MEASURES: Mapping[str, Callable[[StepSnapshot], Tensor]] = MappingProxyType({"cosine": gradient_cosines, "lookahead": lookahead_affinity})
"""What can be measured in a step: (t, t) numbers per pair of the tasks that are present."""

HISTORY_NAMES = {"cosine": "cosine with", "lookahead": "affinity onto"}
"""What the history calls the measures."""

GRADIENTS_KEY = "gradients"
AFFINITY = "affinity"
"""The callback's registry name."""

TIME_BUDGET_DIVISOR = 5
"""Measuring may take one part in so many of the time of training."""

FLOAT32_SLOWDOWN = 3
"""How many times longer float32 may take than bfloat16 where the processor multiplies the latter itself."""


def default_interval(tasks: int, *, bfloat16: bool = False) -> int:
    """Of how many steps one is measured: k = 5 (T + 1).

    Measuring takes a forward, and per task a walk through the trunk and a forward. With a step of a forward and a walk that takes twice as
    long, that is (1 + 3 T) / 3 steps, less than T + 1: a fifth of the time of training at most. What is measured in float32 while training
    goes on in bfloat16 is measured at a third of the steps.

    Args:
        tasks: T.
        bfloat16: Whether training goes on in it.

    Example:
        >>> default_interval(2), default_interval(14)
        (15, 75)
    """
    return TIME_BUDGET_DIVISOR * (tasks + 1) * (FLOAT32_SLOWDOWN if bfloat16 else 1)


@final
class AffinityCallback(Callback):
    """Measures every k-th step of a joint run, with any balancer, and changes nothing in it (a `polytask.training.callback.Callback`).

    Give it to `polytask.training.fit`; what it has found is in the run's `observed`, under `affinity`, and per epoch in its history.

    Args:
        tasks: All tasks' names.
        measures: Of `MEASURES`.
        every: k; by default `default_interval`. The middle one of every k steps is measured.
        rows: So many training rows are looked at, drawn anew each time from all sources in proportion to their rows; by default those of
            the step. Small steps say little, and where a row costs next to nothing more of them say more in about the same time.

    Raises:
        ConfigError: An unknown measure, or k or the rows below 1.

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
                raise ConfigError("this cannot be measured in a joint run", where=measure, remedy=nearest(measure, tuple(MEASURES)))
        self.tasks, self.measures = tuple(tasks), tuple(measures)
        self.every = default_interval(len(self.tasks)) if every is None else every
        self.rows = rows
        for name, number in (("every", self.every), ("rows", 1 if rows is None else rows)):
            if number < 1:
                raise ConfigError("a number above 0 is needed", where=name, found=number)
        self.steps = 0
        self.seconds = dict.fromkeys((GRADIENTS_KEY, *self.measures), 0.0)
        self._means = {measure: PairMeans.of(len(self.tasks)) for measure in self.measures}

    def before_step(self, loop: TrainingLoop, batches: Mapping[str, Batch]) -> None:
        """Measure, if it is this step's turn."""
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

    def after_epoch(self) -> dict[str, dict[str, float]]:
        """Means over the epoch's measured steps: `cosine with b` of task a, once for every pair, and `affinity onto b`."""
        found: dict[str, dict[str, float]] = {}
        for measure, means in self._means.items():
            for (row, column), value in means.end_epoch().items():
                if row < column or (measure != "cosine" and row != column):
                    found.setdefault(f"{HISTORY_NAMES[measure]} {self.tasks[column]}", {})[self.tasks[row]] = value
        return found

    def found(self) -> dict[str, Any]:
        """Per measure its mean per pair, from row to column, over how many steps that is, and in how many of them it was below 0.

        The seconds of `gradients` are those of the losses and gradients that all measures look at.
        """
        measures = {measure: means.to_dict() for measure, means in self._means.items()}
        return {**self.identity(), "steps": self.steps, "means": measures, "seconds": dict(self.seconds)}

    def identity(self) -> dict[str, Any]:
        """What is measured, and how often."""
        return {"tasks": list(self.tasks), "measures": list(self.measures), "every": self.every, "rows": self.rows}

    def state_dict(self) -> dict[str, Any]:
        """Sums and counts."""
        means = {measure: means.state_dict() for measure, means in self._means.items()}
        return {"means": means, "steps": self.steps, "seconds": dict(self.seconds)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        for measure, means in self._means.items():
            means.load_state_dict(state["means"][measure])
        self.steps, self.seconds = int(state["steps"]), dict(state["seconds"])


def sample_rows(loop: TrainingLoop, rows: int) -> dict[str, Batch]:
    """So many training rows, in proportion to the sources and at least one of each; which ones depends on the seed and the step alone."""
    training = loop.data.training
    total = sum(len(source) for source in training.values())
    found = {}
    for name, source in training.items():
        generator = torch.Generator().manual_seed(derive_seed(loop.seed, "observing", name, loop.state.step))
        count = max(1, rows * len(source) // total)
        found[name] = source.rows.take(torch.randperm(len(source), generator=generator)[:count])
    return found
