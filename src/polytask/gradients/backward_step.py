"""One step, from its first micro-batch to `.grad`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from polytask.balancing import Answer, Balancer, Direction, GroupWeights, RepresentationGradients, Weights
from polytask.devices import CPU
from polytask.errors import ConfigError, PolytaskError
from polytask.gradients.loss_accumulator import Counts, Losses, StepLosses, agree_on_counts, wrong_losses
from polytask.gradients.non_finite import BadValues, NonFiniteRows
from polytask.gradients.primitives.communicator import synchronize
from polytask.gradients.primitives.grad_accumulator import GradAccumulator
from polytask.gradients.primitives.read_together import read_together
from polytask.gradients.step_context import StepContext
from polytask.gradients.step_policy import StepPolicy
from polytask.gradients.step_report import Alignment, Conflicts, Report, RowAlignment
from polytask.gradients.strategies.base import GradientStrategy

ChooseStrategy = Callable[[GradAccumulator, bool], GradientStrategy]
"""Function that returns the strategy of a step, given its accumulator and whether this batch is the whole step."""


class UndeclaredSharedError(ConfigError):
    """Several tasks reach parameters that are not declared as shared; `parameters` are these."""

    parameters: tuple[Tensor, ...] = ()


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
        self._counts: Counts | None = None
        self._bad_earlier: BadValues | None = None  # of micro-batches before this one
        self._bad_penalty = False
        self._failures: list[Tensor] | None = None
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
        if self._strategy is None:
            self._open(losses, counts)
            self._counts = counts
        # Processes wait for each other at two places: before the balancer is called, and where held gradients are summed. A process that
        # fails reports it at the next of these places, so that the others raise an error too instead of waiting forever.
        with _failing_at(partial(synchronize, self._context.communicator)):
            if self._strategy is not None:
                self._check_part(losses, counts)
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

    def _check_part(self, losses: Losses, counts: Counts | None) -> None:
        """Check a micro-batch after the first one."""
        problem = wrong_losses(self._context.tasks, losses, counts, self._context.communicator)
        if problem is not None:
            raise problem
        if counts is None or self._counts is None or dict(counts) != dict(self._counts):
            remedy = "Pass the labeled units of the whole step with each of them"
            raise ConfigError("all micro-batches of a step need the same counts", where="counts", found=counts or "none", remedy=remedy)

    def _take_losses(self, losses: Losses, choose: ChooseStrategy, counts: Counts | None, *, keep: bool) -> GradientStrategy:
        parts = self.seen.take(self._context.tasks, losses, counts)
        self.complete = self.seen.complete(counts)
        self._in_parts = self._in_parts or not self.complete
        self._strategy = self._strategy or choose(self._accumulator, self.complete and not self._in_parts)
        if not self._context.met.issuperset(parts):
            self._context.meet(parts)
            self._check_outside(self._strategy)
        self._strategy.take(parts, keep=keep)
        return self._strategy

    def _check_outside(self, strategy: GradientStrategy) -> None:
        """Refuse shared parameters that are not declared as such, where the strategy treats both kinds differently."""
        outside = list(self._context.outside.values())
        if outside and strategy.separates_shared and self._policy.outside == "refuse":
            found = f"{len(outside)} tensors, such as one of shape {tuple(outside[0].shape)}"
            remedy = "Add them to shared=, or say with outside='weighted' or outside='sum' what their gradients are"
            error = UndeclaredSharedError(
                "several tasks reach parameters that are not declared as shared", where="shared", found=found, remedy=remedy
            )
            error.parameters = tuple(outside)
            raise error

    def _take_penalty(self, penalty: Tensor, *, keep: bool) -> None:
        """Hold the gradient of a penalty, apart from the tasks' gradients."""
        self._penalties = self._penalties or GradAccumulator(self._context.communicator, self._context.trained)
        add_penalty(self._context, self._penalties, penalty, keep=keep)
        fine = bool(torch.isfinite(penalty)) and self._penalties.finite()
        self._bad_penalty = self._bad_penalty or not fine

    def _fill(self, strategy: GradientStrategy) -> Report:
        """Call the balancer if the step is ready for it, and hold the gradients that follow from its answer."""
        if not self.complete and not strategy.weighs_micro_batches:
            return Report(dict(self.seen.means))
        names = self.seen.present(self._context.tasks)
        # Processes communicate only at the end of a step.
        others = self._context.communicator if self.complete and self._context.communicator.distributed else None
        first = next(iter(self.seen.means.values()), None)
        if first is None or first.device == CPU or not self.complete or self._context.communicator.distributed:
            values = self.seen.values(names, others)
        else:
            values = self._read_ahead(strategy, names)
        report = Report(dict(zip(names, values.unbind(), strict=True)))
        if names or self._bad_penalty:
            strategy.names, strategy.step, strategy.losses = names, self._number, values
            bad = self._bad_values(strategy)
            report = self._answer(strategy, report) if bad is None else self._handle(bad, strategy, report)
        if self.complete and self._penalties is not None and (not report.skipped or self._context.scaler is not None):
            self._accumulator.take(self._penalties)
        return report

    def _read_ahead(self, strategy: GradientStrategy, names: tuple[str, ...]) -> Tensor:
        """Copy all that the CPU needs of an accelerator before the balancer is called, in one go, and return the losses (T,)."""
        failures = self._accumulator.private_failures(names) if self._accumulator.private else []
        values, *others = read_together([self.seen.stacked(names), *failures, *strategy.wanted_numbers(names)])
        self._failures = others[: len(failures)]
        strategy.read_ahead = tuple(others[len(failures) :])
        return values

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
        before = self._balancer.state_dict() if strategy.fills_from_graphs else {}
        try:
            answer = self._balancer.weigh(strategy)
        except NonFiniteRows as rows:
            self._balancer.load_state_dict(before)
            return self._handle(BadValues({}, gradients=rows.tasks), strategy, report)
        if not _is_finite(answer):
            return self._handle(BadValues({}, balancer=type(self._balancer).__name__), strategy, report)
        heads = self._policy.weight_heads
        if heads is None:
            heads = isinstance(answer, Weights) and answer.heads
        elif isinstance(answer, Weights | Direction):
            answer = replace(answer, private=None)
        solution = self._solved(answer, strategy)
        if solution is None:
            return self._without_direction(strategy, report)
        if self._context.outside and self._policy.outside == "weighted" and isinstance(solution, Weights):
            self._accumulator.weigh_outside(self._context.outside, dict(zip(strategy.names, solution.values.tolist(), strict=True)))
        strategy.fill(solution, heads=heads)
        communicator = self._context.communicator
        if strategy.fills_from_graphs and self._context.scaler is None and not communicator.distributed and not self._accumulator.finite():
            self._accumulator.held.clear()
            self._balancer.load_state_dict(before)
            return self._handle(self._culprits(strategy), strategy, report)
        if self.complete:
            self._balancer.update_state(strategy)
        return _report_of(report, strategy, solution)

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

    def _without_direction(self, strategy: GradientStrategy, report: Report) -> Report:
        """Give private parameters their gradients, and the shared ones none: a zero would let an optimizer decay them."""
        strategy.fill_private()
        if self.complete:
            self._balancer.update_state(strategy)
        return _report_of(report, strategy, Weights(torch.zeros(len(strategy.names)), heads=False, solved=False))

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
    values = answer.values if isinstance(answer, RepresentationGradients) else (answer.values,)
    if isinstance(answer, Weights | GroupWeights):
        return all(map(math.isfinite, answer.values.flatten().tolist()))
    return all(bool(torch.isfinite(value.sum())) or bool(torch.isfinite(value).all()) for value in values)


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


def add_penalty(context: StepContext, accumulator: GradAccumulator, penalty: Tensor, *, keep: bool) -> None:
    """Add the gradient of a penalty, averaged over processes."""
    if penalty.requires_grad:
        share = torch.full_like(penalty, 1 / context.communicator.processes)
        accumulator.backward([penalty], [context.scaled(share)], keep=keep)


def take_unlabeled(context: StepContext, penalty: Tensor | None, step: int) -> Report:
    """Take a micro-batch without labels, before the first or after the last micro-batch of a step.

    Args:
        context: State shared by all steps.
        penalty: Penalty of the micro-batch.
        step: Number of steps before this one.
    """
    if penalty is not None and context.communicator.distributed:
        remedy = "Pass the penalty with such a micro-batch"
        raise ConfigError("with several processes, a penalty needs a micro-batch with labels", where="penalty", remedy=remedy)
    if penalty is not None:
        accumulator = GradAccumulator(context.communicator, context.trained)
        add_penalty(context, accumulator, penalty, keep=False)
        if not accumulator.finite():
            raise BadValues({}, penalty=True).error(step)
        accumulator.flush()
    return Report({})
