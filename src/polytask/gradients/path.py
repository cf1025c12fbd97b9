"""What the ways have in common that lead from losses through a balancer's answer to `.grad`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from torch import Tensor

from polytask.balancing import Answer, Direction, Look, Representation, Weights
from polytask.balancing.needs import Groups
from polytask.errors import ConfigError

Parts = Mapping[str, Tensor]


class Path(ABC):
    """How one kind of statistic is obtained in a step, and how an answer to it fills `.grad`.

    A path lives for one step. What it cannot give is refused: a balancer has not asked for it.
    """

    in_parts: ClassVar[bool] = True
    """Whether a step may come in micro-batches that are walked as they come."""
    at_once: ClassVar[bool] = False
    """Whether every micro-batch is weighed on its own, because weights are known before."""

    @abstractmethod
    def take(self, parts: Parts, *, keep: bool) -> None:
        """Take in a micro-batch: its parts of the tasks' mean losses, with their graphs, which are kept if asked."""

    @abstractmethod
    def fill(self, names: tuple[str, ...], answer: Answer, *, heads: bool) -> None:
        """Fill `.grad` for the tasks present as the answer says; private parameters are weighted if `heads`."""

    def finish(self, names: tuple[str, ...]) -> list[bool]:
        """The step is complete, with these tasks in all processes. Per task whether its gradient is finite as far as it is known."""
        return [True] * len(names)

    def only(self, names: tuple[str, ...]) -> None:  # noqa: B027 - a hook
        """Go on with fewer tasks than the step has."""

    def conflicts(self) -> Tensor | None:
        """(T, T) the Gramian, if anybody asked for it."""
        return None

    def norms(self) -> Tensor:
        """(T,) lengths of the tasks' gradients."""
        _refuse("norms")

    def gramians(self, groups: Groups | None = None) -> Tensor:
        """(K, T, T) inner products of the tasks' gradients."""
        _refuse("Gramian")

    def jacobian(self) -> Tensor:
        """(T, P) the tasks' gradients."""
        _refuse("Jacobian")

    def columns(self) -> tuple[tuple[slice, ...], ...]:
        """Per group of parameters its columns."""
        _refuse("columns of the Jacobian")

    def representations(self) -> tuple[Representation, ...]:
        """What heads look at."""
        _refuse("representations")

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """(T, T) inner products between batches."""
        _refuse("Gramian between batches")

    def look(self) -> Look:
        """Losses and gradients elsewhere."""
        _refuse("look ahead")


def _refuse(what: str) -> NoReturn:
    raise ConfigError("a balancer looks at what it did not ask for", where="needs()", found=what)


def weights_of(answer: Answer, why: str) -> Tensor:
    """(T,) the weights of an answer.

    Raises:
        ConfigError: It has none.
    """
    if not isinstance(answer, Weights):
        raise ConfigError("one weight per task is needed", where=why, found=type(answer).__name__)
    return answer.values


def head_weights(answer: Answer, tasks: int, *, heads: bool) -> list[float]:
    """Per task the weight of its private parameters."""
    if heads:
        found: list[float] = weights_of(answer, "weight_heads").tolist()
        return found
    private = answer.private if isinstance(answer, Weights | Direction) else None
    return [1.0] * tasks if private is None else [float(weight) for weight in private]


@dataclass(frozen=True)
class StepStatistic:
    """The statistic of a real step: names and losses, and what its path gives."""

    names: tuple[str, ...]
    step: int
    losses: Tensor
    path: Path

    def norms(self) -> Tensor:
        """(T,) float64 the lengths of the tasks' gradients."""
        return self.path.norms()

    def gramian(self) -> Tensor:
        """(T, T) float64 G = J Jᵀ."""
        return self.path.gramians("whole")[0]

    def gramians(self) -> Tensor:
        """(K, T, T) float64 a Gramian per group of parameters."""
        return self.path.gramians()

    def jacobian(self) -> Tensor:
        """(T, P) one row per task."""
        return self.path.jacobian()

    @property
    def columns(self) -> tuple[tuple[slice, ...], ...]:
        """Per group of parameters its columns of the Jacobian."""
        return self.path.columns()

    def representations(self) -> tuple[Representation, ...]:
        """What heads look at, with the tasks' gradients of it."""
        return self.path.representations()

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """(T, T) float64 J₁ J₂ᵀ of two batches."""
        return self.path.cross_gramian(first, second)

    @property
    def look(self) -> Look:
        """Losses and gradients at other values of the parameters."""
        return self.path.look()
