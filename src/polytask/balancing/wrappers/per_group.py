"""Separate balancers for every layer, every parameter tensor, or every part of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, final

import torch
from torch import Tensor

from polytask.balancing.balancer import Answer, Balancer, Direction, GroupWeights, RepresentationGradients, Weights
from polytask.balancing.building_blocks.option_checks import check_grouping
from polytask.balancing.building_blocks.row_combination import row_combination
from polytask.balancing.needs import Gramian, Jacobian, Needs, Norms, Nothing
from polytask.balancing.statistic import LookaheadOracle, Representation, Statistic
from polytask.balancing.wrappers.wrapper import Wrapper
from polytask.errors import ConfigError
from polytask.seeds import derive_seed


@final
class PerGroup(Wrapper):
    """One copy of a balancer per group of shared parameters, each applied to the gradients of its group only.

    With J_k (T, P_k) the columns of group k and A the balancer, the direction of the group is d_k = A(J_k): tasks that conflict
    in one layer are not modified in the others (the parameter granularity of Gradient Vaccine: Wang et al., ICLR 2021). Every
    copy has a separate state and random generator. Private parameters get the plain gradient of their task.

    Defaults: one group per layer.

    Deviations: methods that weight heads do not do so here, since a head would have one weight per group.

    Fails: balancers that use no gradients, representations, several batches or a lookahead have no groups; they are refused.
    Guarantees about the whole update (no task is made worse, equal projections) hold within every group, which implies some of
    them for the whole update and not others.

    Args:
        balancer: Balancer to copy; it is not used itself.
        groups: Grouping of the parameters: one group per `layer`, per parameter tensor (`matrix`), or per `part`, which is a child module
            of the shared network; or the parts themselves, as a list of submodules such as `[encoder, decoder]`. Parameters of no listed
            part form one more group.

    Raises:
        ConfigError: The grouping is unknown. In the first step: a listed part has no shared parameter.

    Example:
        >>> from polytask.gradients import Backward
        >>> model = torch.nn.ModuleDict({"encoder": torch.nn.Linear(2, 3), "decoder": torch.nn.Linear(3, 2)})
        >>> outputs = model["decoder"](model["encoder"](torch.ones(1, 2)))
        >>> backward = Backward("per-group(groups=[encoder, decoder]):upgrad", tasks=("a", "b"), shared=model)
        >>> backward({"a": outputs[0, 0], "b": outputs[0, 1]}).solved
        True
    """

    remembers_gradients = True

    def __init__(self, balancer: Balancer, groups: Literal["layer", "matrix", "part"] | Sequence[str] = "layer") -> None:
        super().__init__(balancer)
        self.groups = check_grouping(groups, ("layer", "matrix", "part"), "per-group, groups")
        self._copies: list[Balancer] = []
        self._seed = 0

    def needs(self) -> Needs:
        """Request the Gramian or the Jacobian in groups.

        Raises:
            ConfigError: The wrapped balancer needs a statistic that cannot be split into groups.
        """
        needs = (self._copies or [self.balancer])[0].needs()
        if isinstance(needs, Nothing):  # weights per group are applied to gradients, also in steps that change no weight
            needs = self.balancer.needs()
        if isinstance(needs, Gramian) or (isinstance(needs, Norms) and needs.parameters == "shared"):
            return Gramian(self.groups)
        if isinstance(needs, Jacobian):
            return Jacobian(needs.tasks, self.groups)
        remedy = "Wrap a balancer that uses the gradients of the shared parameters, for example per-group:pcgrad"
        raise ConfigError(
            "this balancer's statistic cannot be split into groups", where="per-group", found=type(needs).__name__.lower(), remedy=remedy
        )

    def weigh(self, statistic: Statistic) -> Answer:
        """Return the combined answers of all copies, each for its group."""
        count = len(statistic.columns)
        self._copies += [self._copy(number) for number in range(len(self._copies), count)]
        answers = [copy.weigh(_GroupStatistic(statistic, number)) for number, copy in enumerate(self._copies)]
        weights = [answer.values for answer in answers if isinstance(answer, Weights)]
        if len(weights) == count:
            return GroupWeights(torch.stack(weights))
        return _join_group_directions(answers, statistic)

    def update_state(self, statistic: Statistic) -> None:
        """Update the state of every copy."""
        for copy in self._copies:
            copy.update_state(statistic)

    def after_step(self, names: tuple[str, ...], before: Tensor, after: Tensor) -> None:
        """Pass the losses before and after the optimizer's step to every copy."""
        for copy in self._copies:
            copy.after_step(names, before, after)

    def seed(self, seed: int) -> None:
        """Seed every copy with a different seed."""
        self._seed = seed
        for number, copy in enumerate(self._copies):
            copy.seed(derive_seed(seed, "group", number))

    def state_dict(self) -> dict[str, Any]:
        """Return the seed and the state of every copy."""
        return {"seed": self._seed, "copies": {str(number): copy.state_dict() for number, copy in enumerate(self._copies)}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._seed = int(state["seed"])
        self._copies = [self._copy(number) for number in range(len(state["copies"]))]
        for number, copy in enumerate(self._copies):
            copy.load_state_dict(state["copies"][str(number)])

    def _copy(self, number: int) -> Balancer:
        copy = deepcopy(self.balancer)
        copy.seed(derive_seed(self._seed, "group", number))
        return copy


@dataclass(frozen=True)
class _GroupStatistic:
    """`Statistic` restricted to one group of parameters.

    Attributes:
        whole: Statistic of all parameters.
        number: Index of the group.
    """

    whole: Statistic
    number: int

    @property
    def names(self) -> tuple[str, ...]:
        return self.whole.names

    @property
    def step(self) -> int:
        return self.whole.step

    @property
    def round_off(self) -> float:
        return self.whole.round_off

    @property
    def losses(self) -> Tensor:
        return self.whole.losses

    def read(self, *tensors: Tensor) -> list[Tensor]:
        return self.whole.read(*tensors)

    def norms(self) -> Tensor:
        return self.gramian().diagonal().sqrt()

    def gramian(self) -> Tensor:
        return self.whole.gramians()[self.number]

    def gramians(self) -> Tensor:
        return self.gramian().unsqueeze(0)

    def jacobian(self) -> Tensor:
        rows = self.whole.jacobian()
        parts = [rows[:, part] for part in self.whole.columns[self.number]]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    @property
    def columns(self) -> tuple[tuple[slice, ...], ...]:
        return ((slice(0, sum(part.stop - part.start for part in self.whole.columns[self.number])),),)

    def representations(self) -> tuple[Representation, ...]:
        _no_groups_error("representations")

    def cross_gramian(self, first: int, second: int) -> Tensor:
        _no_groups_error(f"Gramian between batches {first} and {second}")

    @property
    def look(self) -> LookaheadOracle:
        _no_groups_error("lookahead")


def _no_groups_error(what: str) -> NoReturn:
    raise ConfigError(f"one group of parameters has no {what}", where="per-group")


def _join_group_directions(answers: list[Answer], statistic: Statistic) -> Direction:
    """Join the answers of all groups, weights or directions, into one direction."""
    rows = statistic.jacobian()
    joined = torch.empty_like(rows[0])
    for number, answer in enumerate(answers):
        if isinstance(answer, RepresentationGradients | GroupWeights):
            _no_groups_error("representations or nested groups")
        own = _GroupStatistic(statistic, number).jacobian()
        part = answer.values if isinstance(answer, Direction) else row_combination(answer.values, own)
        start = 0
        for columns in statistic.columns[number]:
            size = columns.stop - columns.start
            joined[columns] = part[start : start + size]
            start += size
    return Direction(joined)
