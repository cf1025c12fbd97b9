"""One step, from its first micro-batch to `.grad`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from polytask.balancing import Answer, Balancer, Direction, Weights
from polytask.errors import NonFiniteError, PolytaskError
from polytask.gradients.engine_state import StepContext
from polytask.gradients.loss_accumulator import Counts, Losses, StepLosses, agree_on_counts, wrong_losses
from polytask.gradients.primitives.communicator import synchronize
from polytask.gradients.primitives.grad_accumulator import GradAccumulator
from polytask.gradients.step_report import Conflicts, Report
from polytask.gradients.strategies.base import GradientStrategy

NonFinite = Literal["raise", "drop", "skip"]
ChooseStrategy = Callable[[GradAccumulator, bool], GradientStrategy]
"""Function that returns the strategy of a step, given its accumulator and whether this batch is the whole step."""


@dataclass(frozen=True)
class StepPolicy:
    """User options that apply to every step.

    Attributes:
        weight_heads: Whether private parameters are weighted; `None` leaves it to the balancer.
        non_finite: What to do about tasks that are not finite: `raise` an error, `drop` them, or `skip` the step.
    """

    weight_heads: bool | None = None
    non_finite: NonFinite = "raise"


class Step:
    """One step, which takes micro-batches until it is complete, and then calls the balancer and fills `.grad`.

    Args:
        context: State shared by all steps.
        balancer: Balancer that turns the statistic into weights or a direction.
        number: Number of steps before this one.
        policy: User options.

    Attributes:
        complete: Whether all labeled units of the step have been seen.
        seen: Losses so far, and the labeled units of the whole step.
    """

    def __init__(self, context: StepContext, balancer: Balancer, number: int, policy: StepPolicy) -> None:
        self._context, self._balancer, self._number, self._policy = context, balancer, number, policy
        self._accumulator = GradAccumulator(context.communicator, context.trained)
        self._strategy: GradientStrategy | None = None
        self._in_parts = False
        self.seen = StepLosses()
        self.complete = False

    def take(self, losses: Losses, choose: ChooseStrategy, penalty: Tensor | None, counts: Counts | None) -> Report:
        """Take a micro-batch, and fill `.grad` if it completes the step.

        Args:
            losses: Loss per task present.
            choose: Function that returns the strategy of the step.
            penalty: Scalar that is not a task's loss; `None` for no penalty.
            counts: Labeled units per task of the whole step in this process; `None` if the step is not cut into micro-batches.
        """
        if self._strategy is None:
            self._open(losses, counts)
        # Processes wait for each other at two places: before the balancer is called, and where held gradients are summed. A process that
        # fails reports it at the next of these places, so that the others raise an error too instead of waiting forever.
        with _failing_at(partial(synchronize, self._context.communicator)):
            strategy = self._walk(losses, choose, counts, keep=penalty is not None)
            if not self.complete:
                return self._fill(strategy, penalty)
        if not self._context.communicator.distributed:
            return self._fill(strategy, penalty)
        synchronize(self._context.communicator, failed=False)
        with _failing_at(self._accumulator.flush):
            report = self._fill(strategy, penalty)
        self._accumulator.flush()
        return report

    def _open(self, losses: Losses, counts: Counts | None) -> None:
        """Determine the labeled units of the whole step, in all processes."""
        tasks, communicator = self._context.tasks, self._context.communicator
        if communicator.distributed:
            agreed = agree_on_counts(tasks, losses, counts, communicator)
            self.seen.whole, self._in_parts = agreed.counts, agreed.in_parts
            return
        problem = wrong_losses(tasks, losses, counts, communicator)
        if problem is not None:
            raise problem
        self.seen.whole = None if counts is None else dict(counts)

    def _walk(self, losses: Losses, choose: ChooseStrategy, counts: Counts | None, *, keep: bool) -> GradientStrategy:
        parts = self.seen.take(self._context.tasks, losses, counts)
        self.complete = self.seen.complete(counts)
        self._strategy = self._strategy or choose(self._accumulator, self.complete and not self._in_parts)
        self._strategy.take(parts, keep=keep)
        return self._strategy

    def _fill(self, strategy: GradientStrategy, penalty: Tensor | None) -> Report:
        ready = self.complete or strategy.weighs_micro_batches
        report = self._weigh(strategy) if ready else Report(dict(self.seen.means))
        add_penalty(self._context, self._accumulator, penalty)
        return report

    def _weigh(self, strategy: GradientStrategy) -> Report:
        """Call the balancer, unless a loss or gradient is not finite, and fill `.grad`."""
        names = self.seen.present(self._context.tasks)
        # Processes communicate only at the end of a step.
        others = self._context.communicator if self.complete and self._context.communicator.distributed else None
        values = self.seen.values(names, others)
        report = Report(dict(zip(names, values.unbind(), strict=True)))
        if not names:
            return report
        gradients_fine = strategy.finish(names) if self.complete else [True] * len(names)
        # value − value is 0 for every finite number, and NaN for NaN and infinities.
        bad = [n for n, (value, fine) in enumerate(zip(values.tolist(), gradients_fine, strict=True)) if value - value != 0 or not fine]
        strategy.names, strategy.step, strategy.losses = names, self._number, values
        return self._not_finite(strategy, report, bad) if bad else self._answer(strategy, report)

    def _answer(self, strategy: GradientStrategy, report: Report) -> Report:
        """Fill `.grad` from the balancer's answer for the tasks of the strategy."""
        answer = self._balancer.weigh(strategy)
        heads = self._policy.weight_heads
        if heads is None:
            heads = isinstance(answer, Weights) and answer.heads
        elif isinstance(answer, Weights | Direction):
            answer = replace(answer, private=None)
        strategy.fill(answer, heads=heads)
        if self.complete:
            self._balancer.update_state(strategy)
        return _report_of(report, strategy, answer)

    def _not_finite(self, strategy: GradientStrategy, report: Report, bad: list[int]) -> Report:
        """Handle tasks that are not finite as the policy says.

        With a scaler, fill `.grad` from the plain sum of losses, so that the scaler finds the values that are not finite.
        """
        names, values = strategy.names, strategy.losses
        lost = tuple(names[number] for number in bad)
        kept = tuple(name for number, name in enumerate(names) if number not in bad)
        if self._context.scaler is not None:
            strategy.fill(Weights(torch.ones(len(names), dtype=torch.float64), heads=True), heads=True)
            return replace(report, dropped=lost, skipped=True)
        # With several processes, all of them raise at the end of the step, where every process has the sum of the losses.
        if self._policy.non_finite == "raise" and (self.complete or not self._context.communicator.distributed):
            value = float(values[bad[0]])
            what = "the gradient" if value - value == 0 else "the loss"
            remedy = "Lower the learning rate, clip the gradient, or look for extreme inputs"
            found = "the loss is still " + repr(value) if value - value == 0 else value
            raise NonFiniteError(f"{what} is no longer a finite number", where=f"task {lost[0]!r}", found=found, remedy=remedy)
        if self._policy.non_finite != "drop" or not kept:
            return replace(report, dropped=lost, skipped=True)
        strategy.restrict(kept)
        strategy.losses = values[[names.index(name) for name in kept]]
        return self._answer(strategy, replace(report, dropped=lost))


@contextmanager
def _failing_at(meeting_point: Callable[..., None]) -> Iterator[None]:
    """Report an error in the block to the other processes, at the place where they wait, and raise it again."""
    try:
        yield
    except (PolytaskError, RuntimeError):
        meeting_point(failed=True)
        raise


def _report_of(report: Report, strategy: GradientStrategy, answer: Answer) -> Report:
    """Return the report with the balancer's answer, and with the conflicts of gradients if their Gramian was computed."""
    seen = strategy.found_gramians
    conflicts = None if seen is None else Conflicts(strategy.names, seen.sum(0))
    if not isinstance(answer, Weights):
        return Report(report.losses, conflicts=conflicts, dropped=report.dropped)
    weights = dict(zip(strategy.names, answer.values.tolist(), strict=True))
    return Report(report.losses, weights, conflicts, answer.solved, report.dropped)


def add_penalty(context: StepContext, accumulator: GradAccumulator, penalty: Tensor | None) -> None:
    """Add the gradient of a penalty, averaged over processes."""
    if penalty is not None and penalty.requires_grad:
        share = torch.full_like(penalty, 1 / context.communicator.processes)
        accumulator.backward([penalty], [context.scaled(share)], keep=False)
