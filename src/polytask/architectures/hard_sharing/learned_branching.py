"""Tree of encoder stages with learned branches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import ClassVar, cast, final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.encoder_stages import require_stages
from polytask.encoders import Encoder
from polytask.errors import ConfigError


class ParentChoice(nn.Module):
    """Choice of a parent for each child: Gumbel-softmax of learned logits in training, one-hot in evaluation."""

    has_own_initialization = True

    def __init__(self, children: int, parents: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(children, parents))

    def reset_parameters(self) -> None:
        """Make all parents equally likely."""
        nn.init.zeros_(self.logits)

    def forward(self, temperature: float) -> Tensor:
        """Compute the weights (children, parents) of the parents of each child."""
        if not self.training:
            # Adding 0 · logits keeps the parameter in the graph, so that `tasks_reaching` finds it.
            return nn.functional.one_hot(self.logits.argmax(1), self.logits.shape[1]).to(self.logits) + 0.0 * self.logits
        noise = -torch.empty_like(self.logits).exponential_().log()
        return torch.softmax((torch.log_softmax(self.logits, dim=1) + noise) / temperature, dim=1)


@final
class LearnedBranching(Architecture):
    """Learning to branch (Guo, Lee & Ulbricht, ICML 2020, eq. 2 to 4).

    Each stage of the encoder exists several times, as nodes. Node i of stage l takes a mixture of the outputs y of stage l − 1,

        x_i = Σ_j d_ij y_j,    d_i = softmax((log softmax(θ_i) + g) / τ),    g ~ Gumbel(0, 1)

    which in evaluation is the output of its most likely parent. Tasks choose among the nodes of the last stage in the same way. τ
    decreases from step to step, so that a tree emerges. With one node per stage it is hard sharing.

    Defaults: 2 nodes per stage; τ starts at 10 (paper, section 4.1) and decreases by 1 % per forward pass to 0.5 (our choice).

    Deviations: θ is trained with all other parameters from the first step; the paper warms the network up first, and trains the final
    tree from scratch.

    Args:
        encoder: Encoder whose stages are the first nodes; the other nodes are copies with other initial values.
        tasks: Names of the tasks.
        nodes: Number of nodes per stage, at least 1.
        decay: Factor by which τ is multiplied after each forward pass in training, above 0 and at most 1.

    Raises:
        ConfigError: The encoder has a single stage, there is no node, or the decay is not above 0 and at most 1.

    Example:
        >>> from polytask.encoders import MLP
        >>> LearnedBranching(MLP((4,), hidden=(8, 6)), ("a", "b")).width("a")
        6
    """

    source_independent_buffers: ClassVar[tuple[str, ...]] = ("temperature",)

    def __init__(self, encoder: Encoder, tasks: Sequence[str], nodes: int = 2, decay: float = 0.99) -> None:
        super().__init__(tasks, encoder)
        if nodes < 1:
            raise ConfigError("`nodes` must be at least 1", where="architecture 'branching'", found=nodes)
        if not 0 < decay <= 1:
            raise ConfigError("`decay` must be above 0 and at most 1", where="architecture 'branching'", found=decay)
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
        """Return the width of the encoder's features."""
        del task
        return self.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield the encoder with the stream of hard sharing, one stream per further set of nodes, and the choices."""
        yield ("architecture",), self.first
        for number, copies in enumerate(self.more):
            yield ("architecture", "node", number + 1), copies
        yield ("architecture", "choices"), self.choices
        yield ("architecture", "leaves"), self.leaves

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Run all nodes stage by stage, then mix the last nodes for each task."""
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
        """Return the probability that each task chooses each node of the last stage."""
        shares = torch.softmax(self.leaves.logits.detach(), dim=1)
        return {f"leaf, node {n + 1}": dict(zip(self.tasks, shares[:, n].tolist(), strict=True)) for n in range(shares.shape[1])}
