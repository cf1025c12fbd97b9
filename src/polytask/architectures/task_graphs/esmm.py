"""Entire-space model of events that happen one after the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from polytask.architectures.architecture import Architecture
from polytask.architectures.hard_sharing.hard import HardSharing
from polytask.encoders import Encoder
from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest
from polytask.tasks import Task


def logit_of_product(logits: Sequence[Tensor]) -> Tensor:
    """Compute the logit log p − log(1 − p) of p = Π σ(a_i), which is finite if all logits a_i are.

    1 − p = Σ_i σ(−a_i) Π_{j<i} σ(a_j) is a sum of positive terms, so that there is no cancellation.

    Example:
        >>> logit_of_product([torch.tensor(0.0), torch.tensor(0.0)])  # log(1/4) - log(3/4)
        tensor(-1.0986)
    """
    there, missed = torch.zeros_like(logits[0]), []
    for logit in logits:
        missed.append(there + logsigmoid(-logit))
        there = there + logsigmoid(logit)
    return there - torch.logsumexp(torch.stack(missed), dim=0)


@final
class ESMM(Architecture):
    """Entire-space multi-task model (Ma et al., SIGIR 2018, eq. 1 and 3): along a chain of binary tasks, each requires all before it.

        p(buy) = p(click) · p(buy | click),    each factor the sigmoid of a head

    Outputs remain logits. Labels cover the entire space: a row without a click is a row without a purchase
    (`polytask.data.entire_space_labels`). The conditional probability is the sigmoid of the head's output before the product:
    `model.head("buy")(model.features(x, ("buy",))["buy"])`.

    Deviations: heads share one encoder, where those of the paper share only embeddings.

    Args:
        encoder: Encoder that gives the features.
        tasks: Names of the tasks.
        chain: Names of binary tasks, first to last; `None` takes all binary tasks in their order. Other tasks have heads as under hard
            sharing.

    Raises:
        ConfigError: A task of the chain does not exist, occurs twice, or is not binary.

    Example:
        >>> from polytask.architectures.network.multi_task_model import MultiTaskModel
        >>> from polytask.encoders import MLP
        >>> from polytask.tasks import Binary
        >>> model = MultiTaskModel(MLP((4,)), (Binary(name="click"), Binary(name="buy")), architecture="esmm")
        >>> outputs = model(torch.zeros(1, 4))
        >>> bool(outputs["buy"] < outputs["click"])
        True
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], chain: Sequence[str] | None = None) -> None:
        super().__init__(tasks, encoder)
        self.hard = HardSharing(encoder, tasks)
        self.chain, self._given = validate_chain("esmm", chain, self.tasks), chain is not None

    @classmethod
    def options_without_tasks(cls, options: Mapping[str, Any], absent_tasks: Collection[str]) -> dict[str, Any]:
        """Return the options with the absent tasks removed from the chain."""
        return {name: [task for task in value if task not in absent_tasks] for name, value in options.items()}

    def check_tasks(self, tasks: Sequence[Task]) -> None:
        """Restrict the default chain to binary tasks.

        Raises:
            ConfigError: A task of a chain that was given is not binary.
        """
        of_events = {task.name for task in tasks if task.probability_of_event}
        for task in tasks if self._given else ():
            if task.name in self.chain and task.name not in of_events:
                raise ConfigError("only binary tasks can be part of a chain", where=f"esmm, chain, {task.name!r}", found=task.kind)
        self.chain = tuple(task for task in self.chain if task in of_events)

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        return self.hard.width(task)

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Compute the encoder's features, which are the same for every task."""
        found: dict[str, Tensor] = self.hard(inputs, tasks)
        return found

    def outputs(self, features: Mapping[str, Tensor], heads: Mapping[str, nn.Sequential]) -> dict[str, Tensor]:
        """Compute the logits of the products of probabilities along the chain."""
        z = next(iter(features.values()))
        needed = dict.fromkeys(head for task in features for head in self.reachable_heads(task))
        own = {task: heads[task](z) for task in needed}
        return {
            task: logit_of_product([own[head] for head in self.reachable_heads(task)]) if task in self.chain else own[task]
            for task in features
        }

    def reachable_heads(self, task: str) -> tuple[str, ...]:
        """Return the task itself and, within the chain, all tasks before it."""
        return self.chain[: self.chain.index(task) + 1] if task in self.chain else (task,)


def validate_chain(where: str, chain: Sequence[str] | None, tasks: Sequence[str]) -> tuple[str, ...]:
    """Return the tasks of a chain after checking them; `None` gives all tasks.

    Raises:
        ConfigError: A task does not exist, or occurs twice.
    """
    chosen = tuple(tasks) if chain is None else tuple(chain)
    for task in chosen:
        if task not in tasks:
            raise ConfigError("there is no such task", where=f"{where}, chain, {task!r}", remedy=nearest(task, tuple(tasks)))
        if chosen.count(task) > 1:
            raise ConfigError("each task may occur once", where=f"{where}, chain, {task!r}", found=f"{chosen.count(task)} times")
    return chosen
