"""Steps of several micro-batches whose number is known, as training libraries have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.gradients import Backward, Report
from polytask.tasks import Loss

Losses = Mapping[str, Tensor | Loss]
Counts = Mapping[str, int]


class AccumulatedStep:
    """`Backward` for steps of k micro-batches, of which only the number is known in advance.

    With k > 1 the loss of a task is L_t = (1/k) Σ_i L_{t,i} over the means of the micro-batches, as training libraries define it: each
    micro-batch is one unit of k. If the last step of an epoch has fewer micro-batches, it is divided by k all the same, unless the
    library says the smaller number. With `counts`, the labeled units of the whole step, the loss is the mean over these units instead.

    With R processes the loss is the mean over the k · R micro-batches of all of them that have labels of the task, as data-parallel
    training defines it; where k is 1 and all processes pass `Loss`es, it is the mean over their labeled units.

    Args:
        backward: Backward pass of the loop.

    Raises:
        ConfigError: The balancer evaluates losses more than once, which needs a loop that can do so.
    """

    def __init__(self, backward: Backward) -> None:
        if backward.asks_again:
            remedy = "Use a loop of your own with backward(function, batches), or another balancer"
            found = type(backward.balancer).__name__
            raise ConfigError("this balancer evaluates losses more than once, which the library's loop does not", where="balancer",
                              found=found, remedy=remedy)  # fmt: skip
        self.backward = backward
        self._seen, self._tasks = 0, frozenset[str]()  # micro-batches of this step so far, and their tasks

    def take(self, losses: Losses, *, parts: int = 1, last: bool = True, counts: Counts | None = None, **given: Any) -> Report:  # noqa: ANN401
        """Take a micro-batch, and fill `.grad` if it is the last one of the step.

        Args:
            losses: Mean loss, or `Loss`, per task present.
            parts: Number k of micro-batches of a step.
            last: Whether this is the last micro-batch of the step.
            counts: Labeled units per task of the whole step; the losses are then `Loss(sum, count)`.
            **given: Other arguments of `Backward`, such as `features`.

        Raises:
            ConfigError: Without `counts`, the micro-batches of a step have losses of different tasks, or there are more than `parts`.
        """
        several = self.backward.group is not None
        if counts is not None:
            waits = several and not last and not any(counts.values())  # a process without labels calls once
            return Report({}) if waits else self.backward(losses, counts=counts, **given)
        if several:  # a constant is the loss of an absent task
            losses = {task: loss for task, loss in losses.items() if isinstance(loss, Loss) or loss.requires_grad}
        if parts == 1:
            return self.backward({task: _with_count(loss) for task, loss in losses.items()} if several else losses, **given)
        before, known = self._seen, self._tasks
        self._seen = 0  # a step that raises is discarded
        self._check_part(losses, parts, before, known, last=last)
        report = Report({})
        if losses or last or not several:
            units = parts - before if last else 1
            as_units = {task: Loss(_mean(loss), units) for task, loss in losses.items()}
            report = self.backward(as_units, counts=dict.fromkeys(losses, parts), **given)
        self._seen, self._tasks = 0 if last else before + 1, frozenset(losses)
        return report

    @staticmethod
    def _check_part(losses: Losses, parts: int, before: int, known: frozenset[str], *, last: bool) -> None:
        if before and known != set(losses):
            found = f"{', '.join(losses) or 'none'} after {', '.join(sorted(known)) or 'none'}"
            remedy = "Pass counts, the labeled units of the whole step, or draw micro-batches that label the same tasks"
            raise ConfigError("the micro-batches of a step must have losses of the same tasks", where="losses", found=found, remedy=remedy)
        if not last and before + 1 >= parts:
            remedy = f"The last one of {parts} must be marked as such"
            raise ConfigError("a step has more micro-batches than announced", where="parts", found=before + 2, remedy=remedy)


class BalancedSteps:
    """Base class of bridges that are base classes themselves: the user chooses the backward pass by `balance`."""

    _accumulated: AccumulatedStep | None = None
    _how_to_balance: ClassVar[str]

    @property
    def balanced(self) -> Backward:
        """The backward pass with its balancer.

        Raises:
            ConfigError: `balance` was not called.
        """
        return self._steps().backward

    def balance(self, backward: Backward) -> None:
        """Choose the backward pass of training.

        Args:
            backward: Backward pass with its balancer.

        Raises:
            ConfigError: The balancer evaluates losses more than once.
        """
        self._accumulated = AccumulatedStep(backward)

    def _steps(self) -> AccumulatedStep:
        if self._accumulated is None:
            raise ConfigError("there is no balancer", where=type(self).__name__, remedy=self._how_to_balance)
        return self._accumulated


def sum_of_means(losses: Losses) -> Tensor:
    """Return the sum of the mean losses of the tasks present, which is what the libraries show.

    Example:
        >>> float(sum_of_means({"a": torch.tensor(1.0), "b": Loss(torch.tensor(6.0), 3)}))
        3.0
    """
    return torch.stack([_mean(loss) for loss in losses.values()]).sum() if losses else torch.zeros(())


def _with_count(loss: Tensor | Loss) -> Loss:
    return loss if isinstance(loss, Loss) else Loss(loss, 1)


def _mean(loss: Tensor | Loss) -> Tensor:
    return loss.mean if isinstance(loss, Loss) else loss
