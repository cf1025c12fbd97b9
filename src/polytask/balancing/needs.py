"""What a balancer may ask for. The cheapest answer is obtained, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ParameterGrouping = Literal["whole", "layer", "matrix"]
"""How shared parameters are cut into groups: all of them in one, a group per layer, or one per parameter tensor."""


@dataclass(frozen=True)
class Nothing:
    """The weights are known before the losses of this step."""


@dataclass(frozen=True)
class Losses:
    """`Statistic.losses`: the weights depend on the losses of this step."""


@dataclass(frozen=True)
class Norms:
    """`Statistic.norms()`: the lengths of the tasks' gradients.

    Attributes:
        of: All shared parameters, or the last shared layer alone, which costs next to nothing.
    """

    of: Literal["last", "shared"] = "last"


@dataclass(frozen=True)
class Gramian:
    """`Statistic.gramian()` or `gramians()`: inner products of the tasks' gradients of the shared parameters.

    Attributes:
        groups: Of which parameters: one matrix for all, or one per group.
    """

    groups: ParameterGrouping = "whole"


@dataclass(frozen=True)
class Jacobian:
    """`Statistic.jacobian()`: the tasks' gradients of the shared parameters themselves.

    Attributes:
        tasks: The only tasks whose rows are wanted (those of them that are present), or all.
        groups: What `Statistic.columns` marks.
    """

    tasks: tuple[str, ...] | None = None
    groups: ParameterGrouping = "whole"


@dataclass(frozen=True)
class Representations:
    """`Statistic.representations()`: what the heads look at, and every task's gradient of it."""


@dataclass(frozen=True)
class CrossGramian:
    """`Statistic.cross_gramian(i, j)`: inner products between gradients of several independent batches."""


@dataclass(frozen=True)
class Lookahead:
    """`Statistic.look`: losses and gradients at other values of the parameters."""


Needs = Nothing | Losses | Norms | Gramian | Jacobian | Representations | CrossGramian | Lookahead
