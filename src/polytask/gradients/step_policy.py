"""Options of users that apply to every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from polytask.errors import ConfigError
from polytask.registry.resolve import described
from polytask.registry.suggestion import check_choice

NonFinite = Literal["raise", "drop", "skip"]
Unsolved = Literal["skip", "sum", "last"]
Outside = Literal["refuse", "weighted", "sum"]


@dataclass(frozen=True)
class StepPolicy:
    """User options that apply to every step.

    Attributes:
        weight_heads: Whether private parameters are weighted; `None` leaves it to the balancer.
        non_finite: What to do about tasks that are not finite: `raise` an error, `drop` them, or `skip` the step.
        unsolved: What to do where the balancer's condition has no solution: `skip` the shared parameters in this step, take the plain
            `sum`, or the `last` weights that solved it.
        limit: Largest number of steps in a row with values that are not finite, after which an error is raised all the same.
        outside: What parameters get that several tasks reach although they are not declared as shared: nothing, since they are
            `refuse`d, the sum of the gradients times the tasks' weights (`weighted`), or the plain `sum`.

    Raises:
        ConfigError: A choice is unknown, or the limit is no integer of at least 1.
    """

    weight_heads: bool | None = None
    non_finite: NonFinite = "raise"
    unsolved: Unsolved = "skip"
    limit: int = 10
    outside: Outside = "refuse"

    def __post_init__(self) -> None:
        check_choice(self.non_finite, get_args(NonFinite), "non_finite")
        check_choice(self.unsolved, get_args(Unsolved), "unsolved")
        check_choice(self.outside, get_args(Outside), "outside")
        if self.weight_heads is not None and not isinstance(self.weight_heads, bool):
            raise ConfigError("True, False or None is needed", where="weight_heads", found=described(self.weight_heads))
        if not isinstance(self.limit, int) or isinstance(self.limit, bool) or self.limit < 1:
            raise ConfigError("an integer of at least 1 is needed", where="non_finite_limit", found=described(self.limit))
