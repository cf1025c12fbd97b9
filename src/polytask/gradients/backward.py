"""What stands between losses and `.grad`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from polytask.balancing import Balancer, Direction, Losses, Nothing, Weights
from polytask.errors import ConfigError
from polytask.gradients.rows import Rows
from polytask.gradients.sharing import Shared, add_to_grad, found_shared, shared_parameters
from polytask.gradients.step import StepLosses, StepStatistic
from polytask.tasks import Loss


@dataclass(frozen=True)
class Report:
    """What a call did.

    Attributes:
        losses: Per task present its mean loss () over what has been seen of the step, without graph.
        weights: Per task present its weight; empty while the balancer waits for the rest of the step, and for
            methods that give a direction.
    """

    losses: dict[str, Tensor]
    weights: dict[str, float]


class Backward:
    """Fills `.grad` from several losses, as a balancer says.

    It stands where `loss.backward()` stood: losses in, `.grad` out, and gradients add up as PyTorch's do. Clipping, the
    optimizer and the schedule stay ordinary PyTorch.

    A step may come in micro-batches. Then `counts` says how many labelled units the whole step has per task: a task's
    loss is the sum over its micro-batches divided by that count, and the balancer learns once, when all units have been
    seen. (The mean of the micro-batches' means is wrong as soon as their counts differ.)

    A task that is absent (not in `losses`) has no part in the step: its private parameters get no gradient, and the
    balancer leaves what it remembers of it untouched.

    Args:
        balancer: How the tasks' losses become one update.
        tasks: All tasks, in the order in which the balancer sees those that are present.
        shared: The parameters that more than one task reaches, as a module or a list. By default they are read off the
            graphs of the first step, which must then have all tasks. Only balancers that look at gradients use them.
        scaler: The loss scaler of fp16 training. Balancers see unscaled losses and gradients, and nothing of steps that are not finite.

    Raises:
        ConfigError: No task, or one twice.

    Example:
        >>> from polytask.balancing import Equal
        >>> trunk = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> backward = Backward(Equal(), tasks=("a", "b"))
        >>> backward({"a": (trunk**2).sum(), "b": trunk.sum()}).weights
        {'a': 1.0, 'b': 1.0}
        >>> trunk.grad
        tensor([3., 5.])
    """

    def __init__(self, balancer: Balancer, *, tasks: Sequence[str], shared: Shared | None = None, scaler: GradScaler | None = None) -> None:
        if not tasks or len(set(tasks)) < len(tasks):
            raise ConfigError("at least one task, each once, is needed", where="tasks", found=tuple(tasks))
        self.balancer, self.tasks, self.scaler = balancer, tuple(tasks), scaler
        self.step = 0
        self._rows = None if shared is None else Rows(shared_parameters(shared))
        self._losses = StepLosses()
        self._skipped = False  # whether the scaler will skip this step: a gradient is not finite

    def __call__(
        self, losses: Mapping[str, Tensor | Loss], *, penalty: Tensor | None = None, counts: Mapping[str, int] | None = None
    ) -> Report:
        """Add this batch's part to `.grad`.

        Args:
            losses: Per task present its mean loss (), or its `Loss` with sum and count.
            penalty: () what is no task's loss (a penalty on weights, say): added beside the balancer, not seen by it.
            counts: Labelled units per task of the whole step, when this is one of several micro-batches.

        Raises:
            ConfigError: An unknown task; a mean without a count in a micro-batch; more units than announced.
        """
        self._check_known(counts or {}, "counts")
        first = not self._losses.means
        parts = {task: self._losses.add(task, losses[task], counts) for task in self._ordered(losses)}
        complete = self._losses.complete(counts)
        needs = self.balancer.needs()
        if isinstance(needs, Nothing) or (isinstance(needs, Losses) and first and complete):
            weights = self._directly(parts, penalty, counts, complete=complete)
        else:
            weights = self._through_rows(parts, penalty, complete=complete)
        report = Report(dict(self._losses.means), weights)
        if complete:
            self._finish()
        return report

    def after_step(self) -> None:
        """Call it after `optimizer.step()`: the place of methods that look at the losses again."""

    def state_dict(self) -> dict[str, Any]:
        """The number of steps, and what the balancer remembers."""
        return {"step": self.step, "balancer": self.balancer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self.step = int(state["step"])
        self.balancer.load_state_dict(state["balancer"])

    def _ordered(self, losses: Mapping[str, Tensor | Loss]) -> list[str]:
        self._check_known(losses, "losses")
        return [task for task in self.tasks if task in losses]

    def _check_known(self, given: Iterable[str], what: str) -> None:
        foreign = [task for task in given if task not in self.tasks]
        if foreign:
            raise ConfigError(f"unknown task among the {what}", where=repr(foreign[0]), remedy=f"Tasks: {', '.join(self.tasks)}")

    def _statistic(self, *, rows: Rows | None = None) -> StepStatistic:
        means = {task: self._losses.means[task] for task in self.tasks if task in self._losses.means}
        return StepStatistic(tuple(means), self.step, tuple(means.values()), rows)

    def _directly(
        self, parts: Mapping[str, Tensor], penalty: Tensor | None, counts: Mapping[str, int] | None, *, complete: bool
    ) -> dict[str, float]:
        """One backward of Σ w_t L_t: enough when the weights are known now and hold for private parameters too."""
        if not parts:
            self._add_penalty(penalty)
            return {}
        statistic = self._statistic()
        if counts is not None:
            # Who is present is a matter of the whole step, not of those whose turn has come.
            statistic = replace(statistic, names=tuple(task for task in self.tasks if counts.get(task)))
        answer = self._answer(statistic)
        if not isinstance(answer, Weights) or not answer.heads:
            return self._through_rows(parts, penalty, complete=complete, answer=answer)
        weights = dict(zip(statistic.names, answer.values.tolist(), strict=True))
        terms = [part if weights[task] == 1.0 else part * weights[task] for task, part in parts.items()]
        total = sum(terms[1:], start=terms[0])
        self._scaled(total if penalty is None else total + penalty).backward()  # type: ignore[no-untyped-call]
        return weights

    def _through_rows(
        self,
        parts: Mapping[str, Tensor],
        penalty: Tensor | None,
        *,
        complete: bool,
        answer: Weights | Direction | None = None,
    ) -> dict[str, float]:
        """Every task's gradient on its own, combined when the step is complete."""
        rows = self._known_rows(parts)
        remaining = len(parts)
        for task, part in parts.items():
            remaining -= 1
            rows.add(task, self._scaled(part), retain_graph=remaining > 0 or penalty is not None)
        self._add_penalty(penalty)
        if not complete or not rows.of_shared:
            return {}
        statistic = self._statistic(rows=rows)
        rows.scale = 1.0 if self.scaler is None else float(self.scaler.get_scale())
        if self.scaler is not None and not rows.finite():
            self._skipped = True
            answer = _plain(statistic)
        answer = self._answer(statistic) if answer is None else answer
        return _fill(rows, statistic.names, answer)

    def _answer(self, statistic: StepStatistic) -> Weights | Direction:
        """What the balancer says; of a step that the scaler will skip it sees nothing."""
        if self.scaler is not None and not statistic.finite:
            return _plain(statistic)
        return self.balancer.weigh(statistic)

    def _known_rows(self, parts: Mapping[str, Tensor]) -> Rows:
        if self._rows is None:
            absent = [task for task in self.tasks if task not in parts]
            if absent:
                remedy = "Name the shared parameters (shared=), or start with a step that has all tasks"
                raise ConfigError("shared parameters cannot be found while a task is absent", where=repr(absent[0]), remedy=remedy)
            self._rows = Rows(found_shared(parts))
        return self._rows

    def _scaled(self, loss: Tensor) -> Tensor:
        return loss if self.scaler is None else self.scaler.scale(loss)

    def _add_penalty(self, penalty: Tensor | None) -> None:
        if penalty is not None:
            self._scaled(penalty).backward()  # type: ignore[no-untyped-call]

    def _finish(self) -> None:
        statistic = self._statistic()
        if statistic.names and statistic.finite and not self._skipped:
            self.balancer.learn(statistic)
        if self._rows is not None:
            self._rows.clear()
        self._losses, self._skipped = StepLosses(), False
        self.step += 1


def _plain(statistic: StepStatistic) -> Weights:
    return Weights(torch.ones(len(statistic.names), dtype=torch.float64), heads=True)


def _fill(rows: Rows, tasks: tuple[str, ...], answer: Weights | Direction) -> dict[str, float]:
    """Write the answer into `.grad`, and return the weights if it has any."""
    if isinstance(answer, Direction):
        add_to_grad(rows.shared, rows.split(answer.values, tasks))
        weights: dict[str, float] = {}
    else:
        weights = dict(zip(tasks, answer.values.tolist(), strict=True))
        add_to_grad(rows.shared, rows.combined(tasks, list(weights.values())))
    heads = weights if isinstance(answer, Weights) and answer.heads else {}
    for task in tasks:
        gradients = (None if g is None else g * heads.get(task, 1.0) for g in rows.of_private[task])
        add_to_grad(rows.private[task], gradients)
    return weights


def backward(
    losses: Mapping[str, Tensor | Loss], balancer: Balancer, *, shared: Shared | None = None, penalty: Tensor | None = None
) -> Report:
    """`Backward` for a single call, with a balancer that remembers nothing.

    Args:
        losses: Per task its mean loss (), or its `Loss` with sum and count.
        balancer: How they become one update.
        shared: The shared parameters; by default read off the graphs.
        penalty: () what is no task's loss.

    Example:
        >>> from polytask.balancing import Fixed
        >>> trunk = torch.tensor([1.0], requires_grad=True)
        >>> _ = backward({"a": trunk.sum(), "b": 3 * trunk.sum()}, Fixed({"a": 0.5, "b": 0.5}))
        >>> trunk.grad
        tensor([2.])
    """
    return Backward(balancer, tasks=tuple(losses), shared=shared)(losses, penalty=penalty)
