"""A tree of stages whose branches are learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import cast, final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.encoder_stages import require_stages
from polytask.encoders import Encoder
from polytask.errors import ConfigError


class ParentChoice(nn.Module):
    """Which parent each child has: one-hot in evaluation, Gumbel-softmax of its logits while training."""

    has_own_initialization = True

    def __init__(self, children: int, parents: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(children, parents))

    def reset_parameters(self) -> None:
        """All parents alike."""
        nn.init.zeros_(self.logits)

    def forward(self, temperature: float) -> Tensor:
        """(children, parents)."""
        if not self.training:
            return nn.functional.one_hot(self.logits.argmax(1), self.logits.shape[1]).to(self.logits) + 0.0 * self.logits
        noise = -torch.empty_like(self.logits).exponential_().log()
        return torch.softmax((torch.log_softmax(self.logits, dim=1) + noise) / temperature, dim=1)


@final
class LearnedBranching(Architecture):
    """Learning to branch (Guo, Lee & Ulbricht, ICML 2020, eq. 2 to 4).

    Every stage of the encoder exists several times: its nodes. A node i of stage l takes the outputs y of stage l − 1 in a mixture

        x_i = Σ_j d_ij y_j,    d_i = softmax((log softmax(θ_i) + g) / τ),    g ~ Gumbel(0, 1)

    which in evaluation is its most likely parent; tasks choose among the nodes of the last stage in the same way. τ falls from step to
    step, so that a tree emerges. With one node per stage it is hard sharing.

    Defaults: 2 nodes per stage; τ from 10 (paper, section 4.1) down by 1 % per forward to 0.5: ours.

    Deviations: θ is trained with everything else from the first step; the paper warms the network up first, and trains the final tree anew.

    Args:
        encoder: Its stages are the first nodes; the others are copies, which start differently.
        tasks: The names of the tasks.
        nodes: Per stage with parameters.
        decay: Share of τ that is left after a forward.

    Raises:
        ConfigError: The encoder has a single stage; there is no node; the decay is not a number above 0 and up to 1.

    Example:
        >>> from polytask.encoders import MLP
        >>> LearnedBranching(MLP((4,), hidden=(8, 6)), ("a", "b")).width("a")
        6
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], nodes: int = 2, decay: float = 0.99) -> None:
        super().__init__(tasks, encoder)
        if nodes < 1:
            raise ConfigError("at least one node per stage is needed", where="branching, nodes", found=nodes)
        if not 0 < decay <= 1:
            raise ConfigError("a number above 0 and up to 1 is needed", where="branching, decay", found=decay)
        stages = require_stages("branching", encoder)
        self.decay, self.features = decay, encoder.features
        self.first = encoder
        self.more = nn.ModuleList(nn.ModuleList(deepcopy(stage) for stage in stages) for _ in range(nodes - 1))
        parents = [1] + [nodes] * (len(stages) - 1)
        self.choices = nn.ModuleList(ParentChoice(nodes, count) for count in parents)
        self.leaves = ParentChoice(len(self.tasks), nodes)
        self.temperature: Tensor
        self.register_buffer("temperature", torch.tensor(10.0))

    def width(self, task: str) -> int:
        """The encoder's features."""
        del task
        return self.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """The encoder as under hard sharing, and a stream per further node; choices start at their own values."""
        yield ("architecture",), self.first
        for number, copies in enumerate(self.more):
            yield ("architecture", "node", number + 1), copies
        yield ("architecture", "choices"), self.choices
        yield ("architecture", "leaves"), self.leaves

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """All nodes stage by stage, then every task's leaf."""
        hot = float(self.temperature)
        outputs = inputs.unsqueeze(0)
        for number, (stage, choice) in enumerate(zip(self.first.stages, self.choices, strict=True)):
            nodes = [stage, *(cast("nn.ModuleList", copies)[number] for copies in self.more)]
            seen = (
                torch.einsum("cp,p...->c...", choice(hot).to(outputs.dtype), outputs)
                if number
                else outputs.expand(len(nodes), *inputs.shape)
            )
            outputs = torch.stack([node(values) for node, values in zip(nodes, seen, strict=True)])
        chosen = torch.einsum("cp,p...->c...", self.leaves(hot).to(outputs.dtype), outputs)
        if self.training:
            self.temperature = (self.temperature * self.decay).clamp(min=0.5)
        return {task: chosen[self.tasks.index(task)] for task in tasks}

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """How likely each task's leaf is, per node of the last stage."""
        shares = torch.softmax(self.leaves.logits.detach(), dim=1)
        return {f"leaf, node {n + 1}": dict(zip(self.tasks, shares[:, n].tolist(), strict=True)) for n in range(shares.shape[1])}
