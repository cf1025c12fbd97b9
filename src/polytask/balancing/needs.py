"""Declarations of what a balancer needs. Only what is declared is computed, in the cheapest way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ParameterGrouping = Literal["whole", "layer", "matrix", "part"] | tuple[str, ...]
"""Grouping of the shared parameters: all in one group, or one group per layer, per parameter tensor, or per part of the network.

A `part` is a child module of the shared network: of the outermost module that has several with parameters. A tuple names the parts, such as
`("encoder", "decoder.layers")`: submodules, or the beginnings of parameter names up to a dot. A parameter belongs to the part with the
longest such name, and parameters of no part form one more group, the last.
"""


@dataclass(frozen=True)
class Nothing:
    """No statistic: the weights are known before the losses of this step."""


@dataclass(frozen=True)
class Losses:
    """`Statistic.losses`: the losses of this step."""


@dataclass(frozen=True)
class Norms:
    """`Statistic.norms()`: the lengths of the tasks' gradients.

    Attributes:
        parameters: Parameters of these gradients: all `shared` parameters, or only the `last` shared layer, which costs almost nothing.
    """

    parameters: Literal["last", "shared"] = "last"


@dataclass(frozen=True)
class Gramian:
    """`Statistic.gramian()` or `gramians()`: inner products of the tasks' gradients of the shared parameters.

    Attributes:
        groups: Grouping of the parameters: one Gramian for all of them (`whole`), or one per `layer`, `matrix` or `part`.
    """

    groups: ParameterGrouping = "whole"


@dataclass(frozen=True)
class Jacobian:
    """`Statistic.jacobian()`: the tasks' gradients of the shared parameters themselves.

    Attributes:
        tasks: Tasks whose rows are needed; those that are absent in the step are skipped. `None` means all tasks.
        groups: Grouping of the columns in `Statistic.columns`.
    """

    tasks: tuple[str, ...] | None = None
    groups: ParameterGrouping = "whole"


@dataclass(frozen=True)
class Representations:
    """`Statistic.representations()`: the inputs of the heads, and every task's gradient with respect to them."""


@dataclass(frozen=True)
class CrossGramian:
    """`Statistic.cross_gramian(i, j)`: inner products between the gradients of independent batches."""


@dataclass(frozen=True)
class Lookahead:
    """`Statistic.look`: losses and gradients at other parameters."""


Needs = Nothing | Losses | Norms | Gramian | Jacobian | Representations | CrossGramian | Lookahead
