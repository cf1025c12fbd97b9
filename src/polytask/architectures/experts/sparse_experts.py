"""Experts of which every row uses a few, with a penalty that keeps all of them busy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast, final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.experts.expert_copies import Experts
from polytask.architectures.experts.expert_gates import mix_experts
from polytask.architectures.module_names import module_key
from polytask.encoders import Encoder
from polytask.errors import ConfigError


class NoisyTopKGate(nn.Module):
    """softmax over the k largest of W x + ε ∘ softplus(V x), ε ~ N(0, 1) while training (Shazeer et al., ICLR 2017, eq. 3 to 5).

    Attributes:
        last: (experts,) the mean over the rows of the last forward.
        importance: (experts,) Σ over rows of the gate, with its graph, of the forwards since it was last read.
    """

    has_own_initialization = True

    def __init__(self, inputs: int, experts: int, top_k: int) -> None:
        super().__init__()
        self.top = top_k
        self.clean, self.noise = nn.Linear(inputs, experts, bias=False), nn.Linear(inputs, experts, bias=False)
        self.last = torch.full((experts,), 1.0 / experts)
        self.importance: list[Tensor] = []
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Zeros, so that all experts start with the same load (paper, appendix A)."""
        nn.init.zeros_(self.clean.weight)
        nn.init.zeros_(self.noise.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, experts), k of them above 0 in every row."""
        logits = self.clean(inputs)
        if self.training:
            logits = logits + torch.randn_like(logits) * nn.functional.softplus(self.noise(inputs))
        kept = logits.topk(self.top, dim=1)
        weights = torch.zeros_like(logits).scatter(1, kept.indices, torch.softmax(kept.values, dim=1))
        self.last = weights.detach().mean(0)
        if self.training:
            self.importance.append(weights.sum(0))
        return weights


@final
class SparseExperts(Architecture):
    """Sparsely gated mixture of experts with a gate per task (Shazeer et al., ICLR 2017; Ma et al., KDD 2018).

        z_t = Σ_e g_te(x) f_e(x),    g_t zero but for the k largest of its logits

    and, beside the balancer, the penalty b · CV²(importance), where importance is an expert's gate summed over rows and tasks, and CV the
    ratio of its standard deviation to its mean over the experts (paper, eq. 6 and 7). With as many experts as are used, it is MMoE with
    noise on its gates.

    Defaults: 4 experts, k = 2, b = 0.01 (paper, appendix C.1 has 0.1 and 0.01).

    Deviations: all experts are computed for all rows and then masked, which costs as much as MMoE: what is sparse is who learns from a
    row. The paper's second penalty, on the load, is not added.

    Args:
        encoder: The first expert; the others get copies, which start differently.
        tasks: The names of the tasks.
        experts: How many.
        top_k: k.
        balance: b, from 0 up.

    Raises:
        ConfigError: k is not between 1 and the number of experts; b is negative.

    Example:
        >>> from polytask.encoders import MLP
        >>> SparseExperts(MLP((4,), hidden=(8,)), ("a", "b")).width("a")
        8
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], experts: int = 4, top_k: int = 2, balance: float = 0.01) -> None:
        super().__init__(tasks, encoder)
        if not 1 <= top_k <= experts:
            raise ConfigError("a row uses from one to all experts", where="sparse-experts, top", found=f"{top_k} of {experts}")
        if not 0 <= balance < float("inf"):
            raise ConfigError("a strength from 0 up is needed", where="sparse-experts, balance", found=balance)
        self.features, self.balance = encoder.features, balance
        self.experts = Experts(encoder, experts)
        self.gates = nn.ModuleDict({module_key(task): NoisyTopKGate(self.experts.seen, experts, top_k) for task in self.tasks})

    def width(self, task: str) -> int:
        """The experts' features."""
        del task
        return self.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """A stream per expert; gates start at zero."""
        yield from self.experts.initialization_streams()
        yield ("architecture", "gates"), self.gates

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """The experts once, mixed for every task."""
        seen, features = self.experts(inputs)
        return {task: mix_experts(self.gates[module_key(task)](seen).to(features.dtype), features) for task in tasks}

    def penalty(self) -> Tensor | None:
        """b CV² of the experts' importance in the forwards since the last call."""
        seen = [load for gate in self._gates() for load in gate.importance]
        self.discard_penalty()
        if not seen or not self.balance or len(self.experts) < 2:
            return None
        importance = torch.stack(seen).sum(0)
        return self.balance * importance.var() / importance.mean().square()

    def discard_penalty(self) -> None:
        """Drop the experts' importance."""
        for gate in self._gates():
            gate.importance.clear()

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Per expert how much each task listens to it, averaged over the rows of its last batch."""
        gates = {task: gate.last.tolist() for task, gate in zip(self.tasks, self._gates(), strict=True)}
        return {f"gate, expert {e + 1}": {task: gate[e] for task, gate in gates.items()} for e in range(len(self.experts))}

    def _gates(self) -> list[NoisyTopKGate]:
        return [cast("NoisyTopKGate", self.gates[module_key(task)]) for task in self.tasks]
