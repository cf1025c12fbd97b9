"""A step from its first micro-batch to `.grad`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from polytask.balancing import Balancer, Direction, Weights
from polytask.errors import ConfigError, NonFiniteError, PolytaskError
from polytask.gradients.conflicts import Conflicts
from polytask.gradients.path import Path, StepStatistic
from polytask.gradients.processes import Alone, meet
from polytask.gradients.report import Report
from polytask.gradients.setting import Setting
from polytask.gradients.step import Counts, Losses, StepLosses, agreed_counts
from polytask.tasks import Loss

NonFinite = Literal["raise", "drop", "skip"]
Choose = Callable[[bool], Path]


@dataclass(frozen=True)
class Policy:
    """What the user decides.

    Attributes:
        weight_heads: Whether private parameters are weighted; None for as the balancer says.
        non_finite: What becomes of a task that is not finite.
    """

    weight_heads: bool | None = None
    non_finite: NonFinite = "raise"


class OneStep:
    """Takes micro-batches in until the step is complete; then asks the balancer, and fills `.grad`.

    Args:
        setting: Where gradients come from and go to.
        balancer: Who is asked.
        number: How many steps came before.
        policy: What the user decided.

    Attributes:
        complete: Whether all labelled units have been seen.
    """

    def __init__(self, setting: Setting, balancer: Balancer, number: int, policy: Policy) -> None:
        self._setting, self._balancer, self._number, self._policy = setting, balancer, number, policy
        self._losses = StepLosses()
        self._path: Path | None = None
        self._in_parts = False
        self.complete = False

    @property
    def whole(self) -> Counts | None:
        """Labelled units of the whole step in all processes; None where losses are means."""
        return self._losses.whole

    def take(self, losses: Losses, choose: Choose, penalty: Tensor | None, counts: Counts | None) -> Report:
        """Take a micro-batch in.

        Args:
            losses: Per task present its loss.
            choose: Gives the path of the step, told whether this is all of it.
            penalty: () what is no task's loss.
            counts: Labelled units per task of the whole step in this process, if it comes in parts.
        """
        setting = self._setting
        if self._path is None:
            self._open(losses, counts)
        with _telling(partial(meet, setting.traffic)):
            path = self._walk(losses, choose, counts, keep=penalty is not None)
            if not self.complete:
                return self._fill(path, penalty)
        meet(setting.traffic, failed=False)
        with _telling(setting.sink.flush):
            report = self._fill(path, penalty)
        setting.sink.flush()
        return report

    def _walk(self, losses: Losses, choose: Choose, counts: Counts | None, *, keep: bool) -> Path:
        parts = {task: self._losses.add(task, losses[task], counts) for task in self._setting.tasks if task in losses}
        self.complete = self._losses.complete(counts)
        path = self._path = self._path or choose(self.complete and not self._in_parts)
        path.take(parts, keep=keep)
        return path

    def _fill(self, path: Path, penalty: Tensor | None) -> Report:
        report = self._weigh(path) if self.complete or path.at_once else Report(dict(self._losses.means))
        add_penalty(self._setting, penalty)
        return report

    def _open(self, losses: Losses, counts: Counts | None) -> None:
        """Agree on what the whole step has."""
        setting = self._setting
        setting.sink.discard()
        problem = wrong_losses(losses, counts, setting)
        if setting.traffic.processes > 1:
            agreed = agreed_counts(setting.tasks, losses, counts, setting.traffic, None if problem is None else str(problem))
            self._losses.whole, self._in_parts = agreed.counts, agreed.in_parts
        elif counts is not None:
            self._losses.whole = dict(counts)
        if problem is not None:
            raise problem

    def _weigh(self, path: Path) -> Report:
        """Ask the balancer, unless something is not finite, and fill `.grad`."""
        names = self._losses.present(self._setting.tasks)
        # Before its end, a step in parts has told nobody else anything.
        values = self._losses.values(names, self._setting.traffic if self.complete else Alone())
        report = Report(dict(zip(names, values.unbind(), strict=True)))
        if not names:
            return report
        gradients_fine = path.finish(names) if self.complete else [True] * len(names)
        bad = [n for n, (value, fine) in enumerate(zip(values.tolist(), gradients_fine, strict=True)) if value - value != 0 or not fine]
        if bad:
            return self._not_finite(path, report, names, values, bad)
        return self._answer(path, report, names, values)

    def _answer(self, path: Path, report: Report, names: tuple[str, ...], values: Tensor, dropped: tuple[str, ...] = ()) -> Report:
        statistic = StepStatistic(names, self._number, values, path)
        answer = self._balancer.weigh(statistic)
        heads = self._policy.weight_heads
        if heads is None:
            heads = isinstance(answer, Weights) and answer.heads
        elif isinstance(answer, Weights | Direction):
            answer = replace(answer, private=None)
        path.fill(names, answer, heads=heads)
        if self.complete:
            self._balancer.learn(statistic)
        if not isinstance(answer, Weights):
            return Report(report.losses, conflicts=_conflicts(names, path), dropped=dropped)
        weights = dict(zip(names, answer.values.tolist(), strict=True))
        return Report(report.losses, weights, _conflicts(names, path), answer.solved, dropped)

    def _not_finite(self, path: Path, report: Report, names: tuple[str, ...], values: Tensor, bad: list[int]) -> Report:
        """What the policy says; with a scaler, a plain sum in which the scaler finds what is not finite."""
        lost = tuple(names[number] for number in bad)
        kept = tuple(name for number, name in enumerate(names) if number not in bad)
        alone = self._setting.traffic.processes == 1
        if self._setting.scaler is not None:
            path.fill(names, Weights(torch.ones(len(names), dtype=torch.float64), heads=True), heads=True)
            return Report(report.losses, dropped=lost, skipped=True)
        # The others of several processes hear of it at the end of the step, where the sum of the losses tells all.
        if self._policy.non_finite == "raise" and (alone or self.complete):
            value = float(values[bad[0]])
            what = "the gradient" if value - value == 0 else "the loss"
            remedy = "Lower the learning rate, clip the gradient, or look for extreme inputs"
            found = "the loss is still " + repr(value) if value - value == 0 else value
            raise NonFiniteError(f"{what} is no longer a finite number", where=f"task {lost[0]!r}", found=found, remedy=remedy)
        if self._policy.non_finite != "drop" or not kept:
            return Report(report.losses, dropped=lost, skipped=True)
        path.only(kept)
        return self._answer(path, report, kept, values[[names.index(name) for name in kept]], lost)


@contextmanager
def _telling(meet: Callable[..., None]) -> Iterator[None]:
    """Meet the other processes where they wait if something fails here, so that they hear of it."""
    try:
        yield
    except (PolytaskError, RuntimeError):
        meet(failed=True)
        raise


def add_penalty(setting: Setting, penalty: Tensor | None) -> None:
    """Add the gradient of what is no task's loss, averaged over processes."""
    if penalty is not None and penalty.requires_grad:
        share = torch.full_like(penalty, 1 / setting.traffic.processes)
        setting.sink.backward([penalty], [setting.scaled(share)], keep=False)


def _conflicts(names: tuple[str, ...], path: Path) -> Conflicts | None:
    seen = path.conflicts()
    return None if seen is None else Conflicts(names, seen)


def wrong_losses(losses: Losses, counts: Counts | None, setting: Setting) -> ConfigError | None:
    """What is wrong with losses and counts before anything is walked, if something is."""
    for given, what in ((losses, "losses"), (counts or {}, "counts")):
        foreign = _foreign(given, setting.tasks)
        if foreign is not None:
            return ConfigError(f"unknown task among the {what}", where=repr(foreign), remedy=f"Tasks: {', '.join(setting.tasks)}")
    if setting.traffic.processes > 1:
        means = [task for task, loss in losses.items() if not isinstance(loss, Loss)]
        if means:
            remedy = "Pass Loss(sum, count)"
            return ConfigError("several processes need losses with counts", where=f"task {means[0]!r}", remedy=remedy)
    return None


def _foreign(given: Iterable[str], tasks: tuple[str, ...]) -> str | None:
    return next((task for task in given if task not in tasks), None)
