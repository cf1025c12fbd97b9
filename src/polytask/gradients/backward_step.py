"""One step, from its first micro-batch to `.grad`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from polytask.balancing import Answer, Balancer, Direction, GroupWeights, Nothing, Weights
from polytask.devices import CPU
from polytask.errors import PolytaskError
from polytask.gradients.loss_accumulator import Counts, Losses, StepLosses
from polytask.gradients.non_finite import BadStepError, BadValues, unread_values
from polytask.gradients.primitives.communicator import synchronize
from polytask.gradients.primitives.grad_accumulator import GradAccumulator
from polytask.gradients.primitives.read_together import DeviceReader
from polytask.gradients.step_context import StepContext
from polytask.gradients.step_policy import StepPolicy
from polytask.gradients.step_report import Alignment, Conflicts, Report, RowAlignment
from polytask.gradients.strategies.base import GradientStrategy
from polytask.gradients.strategies.penalty import add_penalty

ChooseStrategy = Callable[[GradAccumulator, bool], GradientStrategy]
"""Function that returns the strategy of a step, given its accumulator and whether this batch is the whole step."""


class Step:
    """One step, which takes micro-batches until it is complete, and then calls the balancer and fills `.grad`.

    Nothing is changed before all losses and gradients are known to be finite: neither `.grad` nor the state of the balancer.

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
        self._penalties: GradAccumulator | None = None
        self._strategy: GradientStrategy | None = None
        self._in_parts = False
        self._bad_earlier: BadValues | None = None  # of micro-batches before this one
        self._bad_penalty = False
        self._failures: list[Tensor] | None = None
        self._penalty_failures: list[Tensor] = []
        self.seen = StepLosses()
        self.complete = False

    def take(
        self, losses: Losses, choose: ChooseStrategy, penalty: Tensor | None, counts: Counts | None, *, retain_graph: bool = False
    ) -> Report:
        """Take a micro-batch, and fill `.grad` if it completes the step.

        Args:
            losses: Loss per task present.
            choose: Function that returns the strategy of the step.
            penalty: Scalar that is not a task's loss; `None` for no penalty.
            counts: Labeled units per task of the whole step in this process; `None` if the step is not cut into micro-batches.
            retain_graph: Whether to keep the graphs.
        """
        tasks, communicator = self._context.tasks, self._context.communicator
        if self._strategy is None:
            self._in_parts = self.seen.open(tasks, losses, counts, communicator)
        # Processes wait for each other at two places: before the balancer is called, and where held gradients are summed. A process that
        # fails reports it at the next of these places, so that the others raise an error too instead of waiting forever.
        with _failing_at(partial(synchronize, self._context.communicator)):
            if self._strategy is not None:
                self.seen.check_part(tasks, losses, counts, communicator)
            strategy = self._take_losses(losses, choose, counts, keep=retain_graph or penalty is not None)
            if penalty is not None:
                self._take_penalty(penalty, keep=retain_graph or strategy.fills_from_graphs)
            if not self.complete:
                return self._fill(strategy)
        if not self._context.communicator.distributed:
            report = self._fill(strategy)
            self._accumulator.flush()
            return report
        synchronize(self._context.communicator, failed=False)
        with _failing_at(self._accumulator.flush):
            report = self._fill(strategy)
        self._accumulator.flush()
        return report

    def _take_losses(self, losses: Losses, choose: ChooseStrategy, counts: Counts | None, *, keep: bool) -> GradientStrategy:
        parts = self.seen.take(self._context.tasks, losses, counts)
        self.complete = self.seen.complete(counts)
        self._in_parts = self._in_parts or not self.complete
        self._strategy = self._strategy or choose(self._accumulator, self.complete and not self._in_parts)
        if not self._context.met.issuperset(parts):
            self._context.meet(parts)
            if self._strategy.separates_shared and self._policy.outside == "refuse":
                self._context.refuse_outside()
        self._strategy.take(parts, keep=keep)
        return self._strategy

    def _take_penalty(self, penalty: Tensor, *, keep: bool) -> None:
        """Hold the gradient of a penalty, apart from the tasks' gradients."""
        self._penalties = self._penalties or GradAccumulator(self._context.communicator, self._context.trained)
        add_penalty(self._context, self._penalties, penalty, keep=keep)
        self._penalty_failures += [~torch.isfinite(penalty.detach()), *self._penalties.failures()]

    def _fill(self, strategy: GradientStrategy) -> Report:
        """Call the balancer if the step is ready for it, and hold the gradients that follow from its answer."""
        if not self.complete and not strategy.weighs_micro_batches:
            return Report(dict(self.seen.means))
        names = self.seen.present(self._context.tasks)
        strategy.names, strategy.step = names, self._number
        first = next(iter(self.seen.means.values()), None)
        # Processes communicate only at the end of a step.
        others = self._context.communicator if self.complete and self._context.communicator.distributed else None
        if first is None or first.device == CPU or not self.complete or others is not None:
            report = self._fill_known(strategy, self.seen.values(names, others))
        else:
            report = self._fill_from_device(strategy)
        if self.complete and self._penalties is not None and (not report.skipped or self._context.scaler is not None):
            self._accumulator.take(self._penalties)
        return report

    def _fill_known(self, strategy: GradientStrategy, values: Tensor) -> Report:
        """Fill from losses (T,) that are on the CPU, or that cannot be read together with other numbers."""
        report = Report(dict(zip(strategy.names, values.unbind(), strict=True)))
        self._bad_penalty, self._penalty_failures = self._bad_penalty or any(map(float, self._penalty_failures)), []
        if not strategy.names and not self._bad_penalty:
            return report
        strategy.losses = values
        bad = self._bad_values(strategy)
        return self._answer(strategy, report) if bad is None else self._handle(bad, strategy, report)

    def _fill_from_device(self, strategy: GradientStrategy) -> Report:
        """Fill from numbers of an accelerator, all of which are copied to the CPU in one go where the balancer allows it.

        A balancer whose weights follow from earlier steps answers first, and the gradients that follow are held: then the losses are copied
        together with the flags that tell whether those gradients are finite, and if anything is not, all of it is discarded.
        """
        names, first, penalties = strategy.names, self._answers_first(strategy), self._penalty_failures
        known: dict[str, Tensor] = {}  # the losses, for the report, once they have been copied
        failures = self._accumulator.private_failures(names) if self._accumulator.private else []

        def judge(numbers: Sequence[Tensor]) -> None:
            strategy.losses, rest = numbers[0], list(numbers[1:])
            known.update(zip(names, numbers[0].unbind(), strict=True))
            self._failures, rest = rest[: len(failures)], rest[len(failures) :]
            self._bad_penalty = self._bad_penalty or any(map(float, rest[: len(penalties)]))
            strategy.read_ahead = tuple(rest[len(penalties) :])
            bad = self._bad_values(strategy)
            if bad is not None:
                if first:
                    self._accumulator.held.clear()
                raise BadStepError(bad)

        wanted = [self.seen.stacked(names), *failures, *penalties, *strategy.wanted_numbers(names)]
        strategy.reader = DeviceReader(wanted, judge)
        try:
            if not first:
                strategy.reader.read()
            return self._answer(strategy, Report(known))
        except BadStepError as found:
            return self._handle(found.bad, strategy, Report(known))

    def _answers_first(self, strategy: GradientStrategy) -> bool:
        """Return whether the balancer may answer before the losses are read, and the step may still be taken back then."""
        early = self._balancer.reads_once or isinstance(self._balancer.needs(), Nothing)
        if not early or self._context.scaler is not None or self._in_parts or self._bad_earlier is not None:
            return False
        apart = bool(self._context.outside) and self._policy.outside == "weighted"  # these leave the private gradients for good
        return not apart and (self._policy.non_finite != "drop" or strategy.can_fill_again)

    def _bad_values(self, strategy: GradientStrategy) -> BadValues | None:
        """Return the losses and gradients that are not finite, as far as this is known before the balancer is called."""
        names, values = strategy.names, strategy.losses.tolist()
        fine = [True] * len(names)
        if self.complete:
            fine = strategy.finish(names)
            if self._accumulator.private:
                fine = [
                    first and second for first, second in zip(fine, self._accumulator.private_finite(names, self._failures), strict=True)
                ]
            if self._context.communicator.distributed:
                *bad, penalty = self._context.communicator.any([*(not good for good in fine), self._bad_penalty])
                fine, self._bad_penalty = [not flag for flag in bad], penalty
        if all(fine) and all(map(math.isfinite, values)) and not self._bad_penalty and self._bad_earlier is None:
            return None
        losses = {name: value for name, value in zip(names, values, strict=True) if not math.isfinite(value)}
        gradients = tuple(name for name, good in zip(names, fine, strict=True) if not good and name not in losses)
        known = self._bad_earlier or BadValues({})
        return BadValues({**known.losses, **losses}, (*known.gradients, *gradients), known.candidates, penalty=self._bad_penalty)

    def _answer(self, strategy: GradientStrategy, report: Report) -> Report:
        """Hold the gradients that follow from the balancer's answer for the tasks of the strategy."""
        early = strategy.reader is not None and strategy.reader.pending
        undo = strategy.fills_from_graphs or (early and not self._balancer.remembers_gradients)
        before = self._balancer.state_dict() if undo else None
        try:
            answer = self._balancer.weigh(strategy)
            unread = self._unread_values(strategy, answer)
            if not unread and not _is_finite(answer):
                return self._handle(BadValues({}, balancer=type(self._balancer).__name__), strategy, report)
            solution = self._fill_solution(strategy, answer)
            if strategy.fills_from_graphs or strategy.reader is not None:
                self._check_filled(strategy, unread, solved=solution is not None)
        except BadStepError as found:
            if before is not None:
                self._balancer.load_state_dict(before)
            bad = found.bad if found.bad != BadValues({}) else BadValues({}, balancer=type(self._balancer).__name__)
            return self._handle(bad, strategy, report)
        if self.complete:
            self._balancer.update_state(strategy)
        without = Weights(torch.zeros(len(strategy.names)), heads=False, solved=False)
        return _report_of(report, strategy, without if solution is None else solution)

    def _fill_solution(self, strategy: GradientStrategy, answer: Answer) -> Answer | None:
        """Hold the gradients of the answer that the policy allows, and return that answer.

        Where there is none, private parameters get their gradients, and the shared ones none: a zero would let an optimizer decay them.
        """
        heads = self._policy.weight_heads
        if heads is None:
            heads = isinstance(answer, Weights) and answer.heads
        elif isinstance(answer, Weights | Direction):
            answer = replace(answer, private=None)
        solution = self._solved(answer, strategy)
        if solution is None:
            strategy.fill_private()
            return None
        if self._context.outside and self._policy.outside == "weighted" and isinstance(solution, Weights):
            self._accumulator.weigh_outside(self._context.outside, dict(zip(strategy.names, solution.values.tolist(), strict=True)))
        strategy.fill(solution, heads=heads)
        return solution

    def _unread_values(self, strategy: GradientStrategy, answer: Answer) -> tuple[Tensor, ...]:
        """Return the tensors of an answer that an accelerator can tell to be finite together with the gradients that follow from them."""
        reader = strategy.reader
        later = reader is not None and (reader.pending or (strategy.fills_from_graphs and self._context.scaler is None))
        return unread_values(answer) if later else ()

    def _check_filled(self, strategy: GradientStrategy, unread: Sequence[Tensor], *, solved: bool) -> None:
        """Check held gradients that are not known to be finite, and values of the answer that have not been read yet.

        Raises:
            BadStepError: A number is not finite; the gradients are no longer held then.
        """
        of_graphs = solved and strategy.fills_from_graphs and self._context.scaler is None and not self._context.communicator.distributed
        if strategy.reader is None or not (unread or strategy.reader.pending):
            whole, fine = True, not of_graphs or self._accumulator.finite()
        else:
            failures = self._accumulator.failures() if of_graphs else []
            numbers = list(map(float, strategy.read(*(value.sum() for value in unread), *failures)))
            whole = all(map(math.isfinite, numbers[: len(unread)])) or all(bool(torch.isfinite(value).all()) for value in unread)
            fine = not any(numbers[len(unread) :])
        if not (whole and fine):
            self._accumulator.held.clear()
            raise BadStepError(self._culprits(strategy) if whole else BadValues({}, balancer=type(self._balancer).__name__))

    def _solved(self, answer: Answer, strategy: GradientStrategy) -> Answer | None:
        """Return an answer that the policy allows: `None` where the balancer has none and the shared parameters are left alone."""
        if not isinstance(answer, Weights | Direction) or answer.solved:
            if isinstance(answer, Weights) and self._policy.unsolved == "last":
                self._context.last_weights.update(zip(strategy.names, answer.values.tolist(), strict=True))
            return answer
        if isinstance(answer, Direction) or self._policy.unsolved == "skip":
            return None
        known = self._context.last_weights if self._policy.unsolved == "last" else {}
        values = torch.tensor([known.get(name, 1.0) for name in strategy.names], dtype=torch.float64)
        return replace(answer, values=values)

    def _culprits(self, strategy: GradientStrategy) -> BadValues:
        """Return the tasks whose gradients are not finite, after the weighted sum of them was not."""
        if not strategy.keeps_graphs:
            return BadValues({}, candidates=strategy.names)
        tasks = strategy.non_finite_tasks()
        return BadValues({}, gradients=tasks) if tasks else BadValues({}, balancer=type(self._balancer).__name__)

    def _handle(self, bad: BadValues, strategy: GradientStrategy, report: Report) -> Report:
        """Handle values that are not finite as the policy says.

        With a scaler, fill `.grad` from the plain sum of losses, so that the scaler finds the values that are not finite.
        """
        names = strategy.names
        if self._context.scaler is not None:
            if names:
                strategy.fill(Weights(torch.ones(len(names), dtype=torch.float64), heads=True), heads=True)
            return replace(report, dropped=bad.tasks, skipped=True, bad=bad)
        # With several processes, all of them raise at the end of the step, where every process has the sum of the losses.
        if self._policy.non_finite == "raise" and (self.complete or not self._context.communicator.distributed):
            raise bad.error(self._number)
        if not self.complete:
            self._bad_earlier = bad
        kept = tuple(name for name in names if name not in bad.tasks)
        entangled = self._in_parts and strategy.weighs_micro_batches  # gradients of earlier micro-batches cannot be taken apart
        if self._policy.non_finite != "drop" or not kept or entangled or bad.candidates or bad.balancer:
            self._accumulator.held.clear()
            return replace(report, dropped=bad.tasks, skipped=True, bad=bad)
        if bad.penalty:
            self._penalties = None
        strategy.losses = strategy.losses[[names.index(name) for name in kept]]
        strategy.restrict(kept)
        return self._answer(strategy, replace(report, dropped=bad.tasks, bad=bad))


@contextmanager
def _failing_at(meeting_point: Callable[..., object]) -> Iterator[None]:
    """Report an error in the block to the other processes, at the place where they wait, and raise it again."""
    try:
        yield
    except (PolytaskError, RuntimeError):
        meeting_point(failed=True)
        raise


def _is_finite(answer: Answer) -> bool:
    if isinstance(answer, Weights | GroupWeights):
        return all(map(math.isfinite, answer.values.flatten().tolist()))
    return all(bool(torch.isfinite(value.sum())) or bool(torch.isfinite(value).all()) for value in unread_values(answer))


def _report_of(report: Report, strategy: GradientStrategy, answer: Answer) -> Report:
    """Return the report with the balancer's answer, and with the conflicts of gradients if their Gramian was computed."""
    seen = strategy.found_gramians
    conflicts = None if seen is None else Conflicts(strategy.names, seen.sum(0))
    report = replace(report, conflicts=conflicts, alignment=_alignment(strategy, answer, conflicts))
    if not isinstance(answer, Weights):
        return report
    weights = dict(zip(strategy.names, answer.values.tolist(), strict=True))
    return replace(report, weights=weights, solved=answer.solved)


def _alignment(strategy: GradientStrategy, answer: Answer, conflicts: Conflicts | None) -> Alignment | RowAlignment | None:
    """Return what tells the cosine of the direction with the mean gradient, as far as it is known; nothing is computed."""
    if isinstance(answer, Direction):
        rows = strategy.all_rows()
        return None if rows is None else RowAlignment(answer.values, rows, (answer.values._version, rows._version))
    groups = strategy.found_gramians
    if conflicts is None or groups is None or not isinstance(answer, Weights | GroupWeights):
        return None
    return Alignment(conflicts.gramian if isinstance(answer, Weights) else groups, answer.values)
